"""The machine's NICs as a physical testbed names them, looked at before anything is moved.

The kernel is asked for the links of the network namespace that this process is in, from which they are moved. The files
in ``/sys/class/net`` show another one, where /sys was mounted in another (``nsenter --net``, some containers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance.lab.kernel import netlink
from conformance.lab.kernel.link import CARRIER, MASTER
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import attributes
from conformance.lab.kernel.netlink.rtnetlink import LINK
from conformance.lab.sandbox.custody import default_routes
from conformance.lab.snapshot import links


@dataclass(frozen=True)
class Nic:
    """One link: the name of the bridge or bond that it is a port of ("" without), and whether its cable carries."""

    master: str
    carrier: bool


def nic_lines(physical: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """For each NIC of a testbed one line, and why it cannot be lent ("" where it can)."""
    if not physical:
        return
    known, taken = _known(), default_routes()
    for port, nic in physical.items():
        problem = _problem(nic, known, nic in taken)
        yield f"{nic} leaves this machine and becomes {port}: {problem or _free(known[nic])}", problem


def _known() -> dict[str, Nic]:
    """The links of this process's namespace by name. Another user than root may ask, too: no namespace is entered."""
    with Namespace("machine", lambda: None) as machine:
        (bodies,) = netlink.dump(machine, [links.LINKS])
    names = links.names(bodies)
    found = {}
    for body in bodies:
        _, _, index, flags, _ = LINK.unpack_from(body)
        parts = attributes(body, LINK.size)
        master = names.get(links.number(parts[MASTER]), "") if MASTER in parts else ""
        found[names[index]] = Nic(master, bool(flags & CARRIER))
    return found


def _problem(nic: str, known: Mapping[str, Nic], routes: bool) -> str:
    if nic not in known:
        return f"this machine has no such NIC; it has {', '.join(sorted({*known} - {'lo'})) or 'none'}"
    if known[nic].master:
        return f"it is a port of {known[nic].master}; take it out first"
    if nic == "lo" or routes:
        return "it carries this machine's own traffic (loopback, or a default route)"
    return ""


def _free(nic: Nic) -> str:
    return f"present, free, {'carrier' if nic.carrier else 'no carrier, or down'}"
