"""keepalived: a virtual address is at one node, moves when keepalived ends there, and is announced at the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import limits, profile, testbed
from conformance.adapters import keepalived
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Unavailable
from conformance.lab import snapshot
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.lab.taps.listen import FrameListener
from conformance.protocols import ethertypes

pytestmark = pytest.mark.peers

ALL_NODES = bytes.fromhex("333300000001")


def owned(namespace: Namespace) -> set[str]:
    """The addresses of global scope in a node."""
    return {
        f"{one.address}/{one.prefix_length}"
        for link in snapshot.interfaces(namespace)
        for one in link.addresses
        if link.name == "eth0" and one.scope == "global"
    }


def announces(endpoint: Endpoint, frame: bytes) -> bool:
    """An ARP announcement of the endpoint's address, in request form."""
    address = endpoint.reported.addresses[0].ip.packed
    return (
        frame[:6] == b"\xff" * 6
        and ethertypes.ethertype_of(frame) == ethertypes.ARP
        and frame[20:22] == b"\0\1"
        and frame[28:32] == frame[38:42] == address
    )


def advertises(endpoint: Endpoint, frame: bytes) -> bool:
    """An unsolicited Neighbor Advertisement of the endpoint's address to all nodes."""
    target = endpoint.reported.addresses[1].ip.packed
    kind = ethertypes.ethertype_of(frame)
    return frame[:6] == ALL_NODES and kind == ethertypes.IPV6 and frame[54:55] == b"\x88" and frame[62:78] == target


def test_an_address_fails_over_and_back(tmp_path: Path) -> None:
    made = keepalived.adapter(profile.load("keepalived"))
    there = made.identify()
    if isinstance(there, Unavailable):
        pytest.skip(f"needs {' '.join(there.packages)}: {there.reason}")
    with Lab(testbed.load("same-subnet"), tmp_path) as lab, made.deploy(lab) as deployed:
        one, other = lab.hosts.values()
        endpoint = deployed.attach(one, Attachment("h1a"))
        addresses = {str(address) for address in endpoint.reported.addresses}
        twin = deployed.prepare(other, "h1a")
        assert twin is not None
        assert (owned(endpoint.namespace), owned(twin)) == (addresses, set())
        with FrameListener(lab.rack, "h2.lan") as port:
            moved = deployed.move(endpoint, other, "failover")
            heard: set[str] = set()

            def both(frame: bytes) -> bool:
                heard.update({"ARP"} if announces(moved, frame) else {"NA"} if advertises(moved, frame) else ())
                return heard == {"ARP", "NA"}

            port.wait(both, limits.ANSWER)
        assert (moved.host, moved.namespace) == ("h2", twin)
        assert moved.reported.mac != endpoint.reported.mac
        assert (owned(endpoint.namespace), owned(twin)) == (set(), addresses)
        back = deployed.move(moved, one, "failover")
        assert (owned(back.namespace), owned(twin)) == (addresses, set())
        with pytest.raises(AdapterError, match="VRRP does not move it"):
            deployed.move(back, one, "failover")
        deployed.detach(back)
        assert owned(back.namespace) == owned(twin) == set()
