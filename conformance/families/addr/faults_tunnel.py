"""The routed design on interfaces without a link layer: each endpoint on a tun device, as user-space networks make."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from conformance.adapters.interface import Address
from conformance.adapters.linux.network import INTERFACE, Allocation, Network, unplug
from conformance.adapters.linux.routed import host_routes, routed
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab
from conformance.recording.model import Record
from conformance.selftest.alterations import interfaces

_TUNSETIFF: Final = 0x4004_54CA
_TUN_NO_HEADER: Final = 0x1001
"""IFF_TUN, IFF_NO_PI: whole IP packets and nothing else."""
_LARGEST: Final = 1 << 16
_QUEUE: Final = 10_000
"""Packets that wait to be carried over: a burst of the suite is smaller."""


def tunnelled(lab: Lab) -> Network:
    """The host still routes; a thread carries packets between the endpoint's tun device and the host's."""
    return Network(lab, replace(routed(lab), connect=_connect, routes=_routes, disconnect=_disconnect))


def _connect(allocation: Allocation) -> None:
    """Two tun devices, and a route to each address through the host's."""
    host = allocation.host.namespace
    near, far = host.call(_tun, allocation.port), allocation.namespace.call(_tun, INTERFACE)
    for namespace, name in ((host, allocation.port), (allocation.namespace, INTERFACE)):
        link.change(namespace, name, mtu=allocation.mtu, txqlen=_QUEUE)
    up = [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port)]
    netlink.transact(host, [*up, *host_routes(allocation)])
    threading.Thread(target=_carry, args=(near, far), name=f"tun-{allocation.name}", daemon=True).start()


def _routes(allocation: Allocation, gateways: Sequence[Address]) -> list[netlink.Request]:
    """Everything is at the other end."""
    del gateways
    everything = [link.everything(str(one.ip)) for one in allocation.addresses]
    return [rtnetlink.route(prefix, link=INTERFACE) for prefix in dict.fromkeys(everything)]


def _disconnect(allocation: Allocation) -> None:
    """Both devices go, and with them the thread."""
    unplug(allocation)
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
