"""ICMP errors as the kernel hands them to the socket whose packet caused them (IP_RECVERR, ip(7))."""

from __future__ import annotations

import socket
import sys
from struct import Struct
from typing import Final, NamedTuple

from conformance.lab.flow.sockets import IP_RECVERR, IPV6_RECVERR
from conformance.recording.model import IcmpReport, Status

_EXTENDED: Final = Struct("=IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, padding, info (the MTU), data; then the offender's address."""
_FROM_ICMP: Final = 2
_FROM_ICMP6: Final = 3
_LEVELS: Final = {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}
_ROOM: Final = 512

_STATUS: Final[dict[tuple[int, int], Status]] = {
    (_FROM_ICMP, 3): "unreachable",
    (_FROM_ICMP, 11): "expired",
    (_FROM_ICMP6, 1): "unreachable",
    (_FROM_ICMP6, 2): "too-big",
    (_FROM_ICMP6, 3): "expired",
}
_TRANSIENT: Final = {
    _FROM_ICMP: {(3, 0), (3, 1), (3, 5)},
    _FROM_ICMP6: {(1, 0), (1, 3)},
}
"""Type and code of soft errors (RFC 1122 §4.2.3.9; for ICMPv6 no route, and no such neighbour)."""


class KernelReport(NamedTuple):
    """One error of a socket's queue: its errno, the ICMP error (None for a local one) and the payload it quotes."""

    number: int
    origin: int
    icmp: IcmpReport | None
    quote: bytes

    @property
    def status(self) -> Status:
        """How a flow ends by it."""
        if self.icmp is None:
            return "error"
        if self.origin == _FROM_ICMP and (self.icmp.type, self.icmp.code) == (3, 4):
            return "too-big"
        return _STATUS.get((self.origin, self.icmp.type), "unreachable")

    @property
    def transient(self) -> bool:
        """Whether another try may fare better."""
        return self.icmp is not None and (self.icmp.type, self.icmp.code) in _TRANSIENT.get(self.origin, set())

    @property
    def no_listener(self) -> bool:
        """Whether the far end says that it lacks the port or the protocol."""
        return self.icmp is not None and (self.origin, self.icmp.type, self.icmp.code) in {
            (_FROM_ICMP, 3, 2),
            (_FROM_ICMP, 3, 3),
            (_FROM_ICMP6, 1, 4),
            (_FROM_ICMP6, 4, 1),
        }


def take(opened: socket.socket) -> list[KernelReport]:
    """Empty the error queue of `opened`, and clear its pending error. All at once: who reads them may close it."""
    reports: list[KernelReport] = []
    while True:
        try:
            quote, ancillary, _, _ = opened.recvmsg(4096, _ROOM, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            break
        for level, kind, data in ancillary:
            if (level, kind) in _LEVELS:
                reports.append(_parse(bytes(data), quote))
    opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return reports


def _parse(data: bytes, quote: bytes) -> KernelReport:
    number, origin, kind, code, _, info, _ = _EXTENDED.unpack_from(data)
    if origin not in _TRANSIENT:
        return KernelReport(number, origin, None, quote)
    offender = _address(data[_EXTENDED.size :])
    too_big = (origin, kind, code) == (_FROM_ICMP, 3, 4) or (origin, kind) == (_FROM_ICMP6, 2)
    icmp = IcmpReport(offender=offender, type=kind, code=code, mtu=info if too_big else 0)
    return KernelReport(number, origin, icmp, quote)


def _address(data: bytes) -> str:
    family = int.from_bytes(data[:2], sys.byteorder)
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, data[4:8])
    if family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, data[8:24])
    return ""
