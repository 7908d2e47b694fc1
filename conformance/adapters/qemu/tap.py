"""Tap interfaces: what a guest's network card is connected to on its host, or at our end of its cable."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Final

from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host

DEVICE: Final = Path("/dev/net/tun")
_TUNSETIFF: Final = 0x4004_54CA
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_REQUEST: Final = Struct("=16sH22x")


class TapInterface:
    """A tap interface; it lives as long as somebody has its descriptor open: this object, then a QEMU."""

    def __init__(self, interface: str, descriptor: int) -> None:
        self.interface = interface
        self._descriptor = descriptor

    @contextmanager
    def handed_over(self) -> Iterator[int]:
        """The descriptor, for a QEMU to take a copy of; it is closed here afterwards."""
        try:
            yield self._descriptor
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_tap(host: Host, name: str, bridge: str, *, offloads: bool) -> TapInterface:
    """A new tap interface of `host`, a port of its bridge and up.

    With `offloads` frames are handed over with segmentation and checksums left to do, as for virtio-net.
    Raises OSError.
    """
    return tap_in(host.namespace, name, host.mtu, offloads=offloads, bridge=bridge)


def tap_in(
    namespace: Namespace, name: str, mtu: int, *, offloads: bool, bridge: str | None = None, mac: str | None = None
) -> TapInterface:
    """A new tap interface of a namespace, up and without addresses, with `mac` if given. Raises OSError."""
    descriptor = namespace.call(_opened, name, _IFF_VNET_HDR if offloads else 0)
    try:
        further = [] if mac is None else [rtnetlink.hardware_address(name, mac)]
        netlink.transact(namespace, [rtnetlink.mtu(name, mtu), *further])
        netlink.transact(namespace, [rtnetlink.quiet(name), rtnetlink.up(name, master=bridge)])
    except BaseException:
        os.close(descriptor)
        raise
    return TapInterface(name, descriptor)


def _opened(name: str, flags: int) -> int:
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | flags))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
