"""The routed design on interfaces without a link layer: each endpoint on a tun device, as user-space networks make."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from contextlib import suppress
from typing import Final

from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.adapters.linux.routed import Routed
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.recording.model import Record
from conformance.selftest.alterations import interfaces

_TUNSETIFF: Final = 0x4004_54CA
_TUN_NO_HEADER: Final = 0x1001
"""IFF_TUN, IFF_NO_PI: whole IP packets and nothing else."""
_LARGEST: Final = 1 << 16
_QUEUE: Final = 10_000
"""Packets that wait to be carried over: a burst of the suite is smaller."""


class Tunnelled(Routed):
    """The host still routes; a thread carries packets between the endpoint's tun device and the host's."""

    def connect(self, allocation: Allocation) -> None:
        """Two tun devices, and a route to each address through the host's."""
        near = allocation.host.namespace.call(_tun, allocation.port)
        far = allocation.namespace.call(_tun, INTERFACE)
        for namespace, name in ((allocation.host.namespace, allocation.port), (allocation.namespace, INTERFACE)):
            link.change(namespace, name, mtu=allocation.mtu, txqlen=_QUEUE)
        routes = [
            rtnetlink.route(
                one.network,
                link=allocation.port,
                source=str((allocation.host.ipv4, allocation.host.ipv6)[one.version == 6].ip),
            )
            for one in allocation.addresses
        ]
        netlink.transact(
            allocation.host.namespace, [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port), *routes]
        )
        threading.Thread(target=_carry, args=(near, far), name=f"tun-{allocation.name}", daemon=True).start()

    def routes(self, allocation: Allocation) -> list[netlink.Request]:
        """Everything is at the other end."""
        everything = [link.everything(str(one.ip)) for one in allocation.addresses]
        return [rtnetlink.route(prefix, link=INTERFACE) for prefix in dict.fromkeys(everything)]

    def disconnect(self, allocation: Allocation) -> None:
        """Both devices go, and with them the thread."""
        netlink.transact(allocation.namespace, [rtnetlink.delete_link(INTERFACE)])
        netlink.transact(allocation.host.namespace, [rtnetlink.delete_link(allocation.port)])


def is_tunnel(record: Record) -> str | None:
    """A witness: the kind of an endpoint's interface in a snapshot."""
    return next(
        (f"{name}: {one.name} is a {one.kind} device" for name, one in interfaces(record) if one.kind == "tun"), None
    )


def _tun(name: str) -> int:
    """A new tun device of the calling thread's namespace. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_NO_HEADER))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _carry(near: int, far: int) -> None:
    """Carry packets both ways until a device is gone."""
    other = {near: far, far: near}
    with select.epoll() as ready, suppress(OSError):
        for descriptor in other:
            ready.register(descriptor, select.EPOLLIN)
        while True:
            for descriptor, _ in ready.poll():
                packet = os.read(descriptor, _LARGEST)
                with suppress(OSError):
                    os.write(other[descriptor], packet)
    for descriptor in other:
        os.close(descriptor)
