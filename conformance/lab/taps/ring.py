"""A ring of received frames shared with the kernel: TPACKET_V3 over an AF_PACKET socket, by mmap and struct.

Layouts are those of linux/if_packet.h and linux/filter.h. The ring is bound to no interface, so that it sees every
interface of its network namespace from its first frame on, also those that appear later.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Sequence
from struct import pack, unpack
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.lab.kernel.namespace import Namespace

ETH_P_ALL: Final = 0x0003
"""What a packet socket is bound to for frames of every EtherType; no EtherType itself."""
_SOL_PACKET: Final = 263
_PACKET_RX_RING: Final = 5
_PACKET_STATISTICS: Final = 6
_PACKET_VERSION: Final = 10
_TPACKET_V3: Final = 2
_SO_ATTACH_FILTER: Final = 26

BLOCK: Final = 1 << 17
"""Bytes of one block: room for a frame of 64 KiB that no hardware has cut yet."""
DEFAULT_SIZE: Final = 4 << 20
RETIRE_MS: Final = 20
"""After this many milliseconds the kernel hands over a block that is not full."""

_STATUS_AT: Final = 8
_COUNT_AT: Final = 12
_FIRST_AT: Final = 16
_USED_AT: Final = 20
"""Of a block: whether it is ours, how many frames it holds, where the first is, how many bytes are in use."""
FRAME: Final = np.dtype([
    ("next", "u4"), ("seconds", "u4"), ("nanoseconds", "u4"), ("captured", "u4"), ("original", "u4"),
    ("status", "u4"), ("mac", "u2"), ("net", "u2"), ("hash", "u4"), ("tci", "u4"), ("tag_type", "u2"), ("spare", "V10"),
    ("family", "u2"), ("protocol", "u2"), ("index", "i4"), ("hardware", "u2"), ("kind", "u1"), ("address", "V1"),
])  # fmt: skip
"""tpacket3_hdr, then the sockaddr_ll behind it up to its packet type."""

CHECKSUM_NOT_READY: Final = 1 << 3
VLAN_VALID: Final = 1 << 4
VLAN_TYPE_VALID: Final = 1 << 6
CHECKSUM_VALID: Final = 1 << 7
SEGMENTATION_OFFLOADED: Final = 1 << 8
"""Bits of a frame's tp_status."""
PACKET_OUTGOING: Final = 4

LOOPBACK_INDEX: Final = 1
"""The loopback interface is the first of every network namespace."""

_libc = ctypes.CDLL(None, use_errno=True)

Instruction = tuple[int, int, int, int]
"""One instruction of classic BPF: code, jump if true, jump if false, operand."""
_SKIP_LOOPBACK: Final[tuple[Instruction, ...]] = (
    (0x20, 0, 0, 0xFFFF_F000 + 8),  # A = index of the interface (SKF_AD_OFF + SKF_AD_IFINDEX)
    (0x15, 0, 1, LOOPBACK_INDEX),
    (0x06, 0, 0, 0),
)
_TAKE_ALL: Final[tuple[Instruction, ...]] = ((0x06, 0, 0, 0xFFFF_FFFF),)


class Ring:
    """One open ring; it captures from its making until `close`. `size` is in bytes, whole blocks of `BLOCK`.

    A block is handed over after `retire_ms`, however little is in it: the longer, the longer may its reader be kept
    from reading by a busy machine before frames are lost.
    """

    def __init__(
        self,
        namespace: Namespace,
        *,
        size: int = DEFAULT_SIZE,
        loopback: bool = False,
        program: Sequence[Instruction] = (),
        retire_ms: int = RETIRE_MS,
    ) -> None:
        self._blocks = max(2, size // BLOCK)
        self._next = 0
        self.taken = 0
        self.dropped = 0
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            frames = self._blocks * (BLOCK // 2048)
            request = pack("=7I", BLOCK, self._blocks, 2048, frames, retire_ms, 0, 0)
            _set_patiently(self.socket, _PACKET_RX_RING, request)
            attach(self.socket, [*(() if loopback else _SKIP_LOOPBACK), *(program or _TAKE_ALL)])
            self._memory = mmap.mmap(self.socket.fileno(), self._blocks * BLOCK)
            self._view = memoryview(self._memory)
            self._words = self._view.cast("I")
            _bind_everywhere(self.socket)
        except BaseException:
            self.socket.close()
            raise

    def take(self) -> list[bytes]:
        """Copy and hand back every block that the kernel has finished."""
        found: list[bytes] = []
        while True:
            base = self._next * BLOCK
            word = base >> 2
            if not self._words[word + (_STATUS_AT >> 2)] & 1:
                return found
            used = self._words[word + (_USED_AT >> 2)]
            found.append(bytes(self._view[base : base + (used + 3 & ~3)]))
            self._words[word + (_COUNT_AT >> 2)] = 0
            self._words[word + (_STATUS_AT >> 2)] = 0
            self._next = (self._next + 1) % self._blocks
            self.taken += 1

    def pending(self) -> bool:
        """Whether the block that the kernel is filling holds frames already. Call it right after `take`."""
        return self._words[(self._next * BLOCK + _COUNT_AT) >> 2] > 0

    def count_drops(self) -> int:
        """Frames that found no room so far."""
        _, drops, _ = unpack("=III", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12))
        self.dropped += drops
        return self.dropped

    def close(self) -> None:
        """Stop capturing. Costs a grace period of the kernel: close many rings in as many threads."""
        self._words.release()
        self._view.release()
        self._memory.close()
        self.socket.close()


def positions(blocks: Sequence[bytes]) -> NDArray[np.int64]:
    """Where the frames' headers (`FRAME`) lie in the blocks that `Ring.take` has copied, laid end to end."""
    found: list[int] = []
    base = 0
    for block in blocks:
        words = memoryview(block).cast("I")
        word, shift = words[_FIRST_AT >> 2] >> 2, base >> 2
        for _ in range(words[_COUNT_AT >> 2]):
            found.append(shift + word)
            word += words[word] >> 2
        base += len(block)
    return np.array(found, dtype=np.int64) * 4


def attach(packet_socket: socket.socket, program: Sequence[Instruction]) -> None:
    """Attach a classic BPF program to a socket. Raises OSError where the kernel refuses it."""
    code = b"".join(pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    packet_socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("@HP", len(program), ctypes.addressof(buffer)))


def _set_patiently(packet_socket: socket.socket, option: int, value: bytes) -> None:
    """setsockopt(2) with other threads running: this option waits for a grace period, Python's own call stops them."""
    if _libc.setsockopt(packet_socket.fileno(), _SOL_PACKET, option, value, len(value)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"packet socket option {option}: {os.strerror(number)}")


def _bind_everywhere(packet_socket: socket.socket) -> None:
    """bind(2) to all protocols of all interfaces, which Python's own bind cannot say (it wants an interface)."""
    address = pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(ETH_P_ALL), 0, 0, 0, 0, bytes(8))
    if _libc.bind(packet_socket.fileno(), address, len(address)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bind of a packet socket: {os.strerror(number)}")
