"""Opens everything that a server answers on."""

from __future__ import annotations

import socket
from typing import Final

from conformance.lab.flow import sockets
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.datagram_end import DatagramEnd
from conformance.lab.flow.forms import DISCARD, ICMP_NUMBER, SOURCE_PORT, Bare
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.probe import FAMILY, UDP_LITE, Server
from conformance.lab.flow.raw_end import BareEnd, EchoWitness
from conformance.lab.flow.stream_end import Listener
from conformance.lab.kernel.namespace import Namespace
from conformance.recording.model import AddressFamily

_BACKLOG: Final = 4096


def open_server(server: Server, loop: Loop, arrivals: ArrivalLog) -> list[socket.socket]:
    """Open everything that `server` answers on, watched by `loop`. Raises OSError naming the port that is taken.

    Returns sockets to be kept open although nobody reads them.
    """
    silent = []
    for family in server.families:
        for listener in server.namespace.call(_open_ports, server, family, socket.SOCK_STREAM):
            Listener(server.name, listener, loop, arrivals)
        for receiver in server.namespace.call(_open_ports, server, family, socket.SOCK_DGRAM):
            DatagramEnd(server.name, receiver, family, loop, arrivals)
        kinds = [(FAMILY[family], socket.SOCK_RAW, number) for number in (ICMP_NUMBER[family], *server.numbers)]
        witness, *raw = server.namespace.call(sockets.open_sockets, kinds)
        EchoWitness(server.name, witness, family, loop, arrivals)
        for number, opened in zip(server.numbers, raw, strict=True):
            BareEnd(server.name, opened, Bare(family, number, SOURCE_PORT, DISCARD), loop, arrivals)
        if UDP_LITE in server.numbers:
            silent.extend(quiet_udp_lite(server.namespace, family, DISCARD))
    return silent


def _open_ports(server: Server, family: AddressFamily, kind: int) -> list[socket.socket]:
    ports = server.tcp_ports if kind == socket.SOCK_STREAM else server.udp_ports
    opened = sockets.open_sockets([(FAMILY[family], kind, 0)] * len(ports))
    try:
        for one, port in zip(opened, ports, strict=True):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == "ipv6":
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                one.bind((sockets.wildcard(family), port))
            except OSError as problem:
                raise OSError(problem.errno, f"{server.name}: port {port}/{family}: {problem.strerror}") from problem
            if kind == socket.SOCK_STREAM:
                one.listen(_BACKLOG)
    except BaseException:
        for one in opened:
            one.close()
        raise
    return opened


def quiet_udp_lite(namespace: Namespace, family: AddressFamily, port: int) -> list[socket.socket]:
    """A UDP-Lite socket that nobody reads, so that the kernel does not refuse what the raw socket beside it takes.

    Empty where the kernel has no UDP-Lite of its own, and so refuses nothing. Raises OSError.
    """
    try:
        opened = namespace.socket(FAMILY[family], socket.SOCK_DGRAM, UDP_LITE)
    except OSError:
        return []
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == "ipv6":
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((sockets.wildcard(family), port))
    except OSError:
        opened.close()
        raise
    return [opened]
