"""Custody of the machine's own NICs while a lab has them: a process outside every sandbox, which brings them back.

Started by the recording server as ``python -m conformance.lab.sandbox.custody FD`` for a job whose testbed names NICs,
in a session of its own and in the machine's network namespace. The lab sends the namespace into which they are to be
moved over the socket FD; where it asks for a connection to a device's command line instead, it is sent one. When the
other end is gone, by whatever signal, every NIC is moved back and has its name, MTU, MAC address, addresses and state
again: the custodian keeps the lab's namespace alive until then. What a NIC had of routes besides those of its addresses
is not kept. Where the custodian itself is killed only the kernel brings a NIC back, under its own name, down and
without addresses.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.lab import snapshot
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.recording.model import InterfaceState

MESSAGE: Final = 1 << 16
OWN: Final = "/proc/self/ns/net"
_NOWHERE: Final = "00000000"


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A NIC cannot be lent; the text says why."""


@dataclass(frozen=True)
class Loan:
    """One NIC as it was, and what it is called in the lab."""

    before: InterfaceState
    borrower: Namespace
    name: str


@dataclass
class Custody:
    """The machine's NICs that are lent, in order."""

    machine: Namespace
    loans: list[Loan] = field(default_factory=list)
    borrowers: list[Namespace] = field(default_factory=list)

    def lend(self, descriptor: int, wanted: Mapping[str, str]) -> None:
        """Move NICs into the namespace of `descriptor`, by the names that they have here. Raises Refusal."""
        borrower = Namespace.adopt("lab", f"/proc/self/fd/{descriptor}")
        self.borrowers.append(borrower)
        for nic, name in wanted.items():
            before = self._fit(nic)
            netlink.transact(self.machine, [rtnetlink.move(nic, borrower.descriptor, name)])
            self.loans.append(Loan(before, borrower, name))

    def _fit(self, nic: str) -> InterfaceState:
        known = {one.name: one for one in snapshot.interfaces(self.machine)}
        if nic not in known:
            raise Refusal(f"this machine has no NIC {nic}; it has {', '.join(sorted(known))}")
        if known[nic].master:
            raise Refusal(f"{nic} is a port of {known[nic].master}; take it out first")
        if nic == "lo" or nic in default_routes():
            raise Refusal(f"{nic} carries this machine's own traffic (loopback, or a default route)")
        return known[nic]

    def give_back(self) -> list[str]:
        """Everything back to where it was; what could not be is said in words, and the rest goes on."""
        problems = []
        for loan in reversed(self.loans):
            try:
                self._return(loan)
            except Exception as problem:
                problems.append(f"{loan.before.name}: {problem}")
        self.loans.clear()
        for borrower in self.borrowers:
            borrower.close()
        return problems

    def _return(self, loan: Loan) -> None:
        from pyroute2.netlink.exceptions import NetlinkError

        was = loan.before
        back = rtnetlink.move(loan.name, self.machine.descriptor, was.name)
        netlink.transact(loan.borrower, [rtnetlink.down(loan.name), back])
        requests = [rtnetlink.mtu(was.name, was.mtu)]
        if was.mac:
            requests.append(rtnetlink.hardware_address(was.name, was.mac))
        if was.up:
            requests.append(rtnetlink.up(was.name))
        netlink.transact(self.machine, requests)
        scopes = {"global": rtnetlink.GLOBAL_SCOPE, "link": rtnetlink.LINK_SCOPE}
        kept = [one for one in was.addresses if one.scope in scopes]
        now = next(one for one in snapshot.interfaces(self.machine) if one.name == was.name)
        there = {one.address for one in now.addresses}
        for one in kept:
            if one.address not in there:
                wanted = ip_interface(f"{one.address}/{one.prefix_length}")
                made = rtnetlink.address(was.name, wanted, dad=False, scope=scopes[one.scope])
                with contextlib.suppress(NetlinkError):  # the kernel made its link-local one meanwhile
                    netlink.transact(self.machine, [made])


def default_routes() -> set[str]:
    """The interfaces of this process's namespace that a default route leads through."""
    found = set()
    for line in Path("/proc/self/net/route").read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == _NOWHERE and words[7] == _NOWHERE:
            found.add(words[0])
    ipv6 = Path("/proc/self/net/ipv6_route")
    for line in ipv6.read_text().splitlines() if ipv6.exists() else ():
        words = line.split()
        if set(words[0]) == {"0"} and words[1] == "00" and words[9] != "lo":
            found.add(words[9])
    return found - {"lo"}


def serve(control: socket.socket) -> int:
    """Lend what is asked for until the other end is gone; then bring everything back. Returns the exit code."""
    with Namespace.adopt("machine", OWN) as machine:
        custody = Custody(machine)
        try:
            while True:
                data, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 1)
                if not data:
                    break
                if not descriptors:
                    answer(control, json.loads(data))
                    continue
                control.send(json.dumps({"problem": _lend(custody, data, descriptors)}).encode())
        except OSError:
            pass
        finally:
            problems = custody.give_back()
        for problem in problems:
            print(f"plugfest: {problem}", file=sys.stderr)  # noqa: T201 - nobody else is left to say it
        return 1 if problems else 0


def answer(control: socket.socket, wanted: list[str | int]) -> None:
    """Connect to an address and port from the machine itself, and send the connection, or why there is none."""
    try:
        made = socket.create_connection((str(wanted[0]), int(wanted[1])), limits.SWITCH_OPEN)
    except OSError as problem:
        control.send(json.dumps({"problem": str(problem)}).encode())
        return
    with made:
        socket.send_fds(control, [json.dumps({"problem": ""}).encode()], [made.fileno()])


def dial(control: socket.socket, address: str, port: int) -> socket.socket:
    """Have the custodian at the other end of `control` connect there, outside of the lab. Raises OSError."""
    control.send(json.dumps([address, port]).encode())
    data, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 1)
    problem = json.loads(data)["problem"] if data else "the custodian has ended"
    if problem:
        raise OSError(problem)
    return socket.socket(fileno=descriptors[0])


def _lend(custody: Custody, data: bytes, descriptors: list[int]) -> str:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        custody.lend(descriptors[0], json.loads(data))
    except (Refusal, NetlinkError, OSError) as problem:
        return str(problem)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return ""


def borrow(control: socket.socket, namespace: Namespace, wanted: Mapping[str, str]) -> None:
    """Ask the custodian at the other end of `control` for NICs, by name, under the names that they are to have in
    `namespace`; they are up when it returns. Raises Refusal with the custodian's words."""
    socket.send_fds(control, [json.dumps(dict(wanted)).encode()], [namespace.descriptor])
    answer = control.recv(MESSAGE)
    problem = json.loads(answer)["problem"] if answer else "the custodian has ended"
    if problem:
        raise Refusal(problem)
    for name in wanted.values():
        netlink.transact(namespace, [rtnetlink.quiet(name), rtnetlink.up(name)])
        link.await_link(namespace, name)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as lifeline:
        sys.exit(serve(lifeline))
