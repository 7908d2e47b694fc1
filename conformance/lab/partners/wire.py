"""Our end of a cable on the event loop: raw Ethernet frames in and out."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from struct import pack
from typing import Final, Self

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.taps.listen import ROOM_FOR_TAG, keep_tags, with_tag
from conformance.lab.taps.ring import ETH_P_ALL

_SOL_PACKET: Final = 263
_ADD_MEMBERSHIP: Final = 1
_PROMISCUOUS: Final = 1
_OUTGOING: Final = 4
_LARGEST: Final = 1 << 16

Received = Callable[[int, bytes], None]
"""Called with the time in ns since 1970 and the frame from its destination address on."""


class Wire:
    """One interface, all its frames. Use it as a context manager inside a running event loop.

    Only the event loop's thread uses it. Frames that our end sent are not handed back. Frames have their VLAN tags with
    `tags` alone.
    """

    def __init__(self, namespace: Namespace, interface: str, *, tags: bool = False) -> None:
        self.interface = interface
        self._namespace = namespace
        self._receivers: list[Received] = []
        self._tags = tags
        self._socket: socket.socket | None = None
        self.mac = b""

    def __enter__(self) -> Self:
        self._socket = self._namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            if self._tags:
                keep_tags(self._socket)
            self._socket.bind((self.interface, ETH_P_ALL))
            self.mac = self._socket.getsockname()[4]
            number = self._namespace.call(socket.if_nametoindex, self.interface)
            membership = pack("=iHH8s", number, _PROMISCUOUS, 0, bytes(8))
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def listen(self, receiver: Received) -> Callable[[], None]:
        """Hand every further frame to `receiver`; the function that is returned ends that."""
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver)

    def send(self, frame: bytes) -> int:
        """Send one frame, from its destination address on; returns the time in ns. Raises OSError (link down)."""
        assert self._socket is not None
        moment = time.time_ns()
        self._socket.send(frame)
        return moment

    def _read(self) -> None:
        assert self._socket is not None
        with suppress(BlockingIOError):
            while True:
                try:
                    whole, ancillary, _, origin = self._socket.recvmsg(_LARGEST, ROOM_FOR_TAG if self._tags else 0)
                except InterruptedError:
                    continue
                except OSError:  # the link went down; what comes later is read later
                    return
                if origin[2] != _OUTGOING:
                    moment, frame = time.time_ns(), with_tag(whole, ancillary) if self._tags else whole
                    for receiver in tuple(self._receivers):
                        receiver(moment, frame)

    async def first(self, wanted: Callable[[bytes], bool], deadline: float) -> bytes | None:
        """The next frame that `wanted` says yes to, None where none comes within `deadline` seconds."""
        found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def look(_: int, frame: bytes) -> None:
            if not found.done() and wanted(frame):
                found.set_result(frame)

        end = self.listen(look)
        try:
            return await asyncio.wait_for(found, deadline)
        except TimeoutError:
            return None
        finally:
            end()


async def silence(seconds: float) -> None:
    """Let that much time pass on the event loop; the caller names the clause through the constant of `limits`."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def within(seconds: float, awaited: Awaitable[None]) -> bool:
    """Whether `awaited` came to its end within that time; it is cancelled where it did not."""
    try:
        await asyncio.wait_for(awaited, seconds)
    except TimeoutError:
        return False
    return True
