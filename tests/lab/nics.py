"""A sandbox as a machine with NICs: veth devices in their place, at whose other ends a device may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from conformance import limits
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.appear import await_path
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.sandbox.custody import OWN
from conformance.testbed import load

AGENT_SOCKET = "/run/lldpd.socket"
OURS = (IPv4Interface("192.0.2.77/24"), IPv6Interface("2001:db8::77/64"))
EXAMPLE = Path(__file__).parents[2] / "fixtures" / "testbeds" / "physical-example.toml"


@contextmanager
def machine(nics: int) -> Iterator[tuple[Namespace, Namespace]]:
    """This sandbox as a machine with NICs nic1, nic2 ..., and the namespace in which their other ends lie."""
    with Namespace.adopt("machine", OWN) as own, Namespace.create("device", mounts=True) as device:
        for number in range(1, nics + 1):
            cable = rtnetlink.veth(f"nic{number}", f"dev{number}", device.descriptor, mtu=1400, up=True)
            netlink.transact(own, [cable])
            netlink.transact(device, [rtnetlink.up(f"dev{number}")])
            link.await_link(own, f"nic{number}")
        netlink.transact(own, [rtnetlink.address("nic1", address, dad=False) for address in OURS])
        yield own, device


def bed(folder: Path, name: str = "bench", first: int = 1) -> Path:
    """The example of a physical testbed with NICs of `machine`, from that number on."""
    text = EXAMPLE.read_text()
    for number, nic in enumerate(load(str(EXAMPLE)).physical.values(), first):
        text = text.replace(f'"{nic}"', f'"nic{number}"')
    place = folder / f"{name}.toml"
    place.write_text(text.replace('"physical-example"', f'"{name}"'))
    return place


@contextmanager
def agent(device: Namespace, folder: Path) -> Iterator[None]:
    """lldpd on the other ends of the NICs."""
    settings = "configure lldp tx-interval 5\nconfigure lldp tx-hold 2\n"
    device.run(["tee", "/run/lldpd.conf"], text=settings, timeout=limits.COMMAND)
    device.call(Path("/run/lldpd").mkdir)
    command = ["lldpd", "-dd", "-u", AGENT_SOCKET, "-I", "dev*", "-O", "/run/lldpd.conf"]
    daemon = device.start(command, folder / "lldpd.log")
    await_path(device, AGENT_SOCKET, daemon, limits.DAEMON_START)
    try:
        yield
    finally:
        daemon.stop()
