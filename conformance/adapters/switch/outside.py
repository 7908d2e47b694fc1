"""A device outside of this machine, at the other ends of the NICs of a physical testbed, configured by hand.

Nothing is told to it. It is judged by what its ports send and by what it makes of our frames; where its command line
can be reached over SSH it is asked for its own view, too. Who it is asked as comes from the environment alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from conformance.adapters.discovery import Known, Told
from conformance.adapters.interface import AdapterError, BridgeWish, Identity, Port, Unavailable
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.dialect import Dialect
from conformance.adapters.switch.session import Login, Session
from conformance.adapters.switch.transcript import Transcript
from conformance.adapters.views import Counters, Station
from conformance.lab.lab import PARTNERS, Host, Lab

ADDRESS: Final = "PLUGFEST_SWITCH_ADDRESS"
"""The device's command line: an address, with ``:PORT`` behind it where that is not 22."""
USER: Final = "PLUGFEST_SWITCH_USER"
PASSWORD: Final = "PLUGFEST_SWITCH_PASSWORD"  # noqa: S105 - where it is, not what it is
"""Without one the SSH agent is asked."""
KNOWN_HOSTS: Final = "PLUGFEST_SWITCH_KNOWN_HOSTS"
"""A file with the device's host key, by default the user's own."""
SSH: Final = 22


def login(environment: Mapping[str, str]) -> Login | None:
    """How the device is reached, as the environment says; None where it does not."""
    place = environment.get(ADDRESS, "")
    if not place:
        return None
    address, colon, port = place.rpartition(":")
    password = environment.get(PASSWORD) or None
    return Login(
        address=address if colon else place,
        port=int(port) if colon else SSH,
        user=environment.get(USER, "admin"),
        known_hosts=Path(environment.get(KNOWN_HOSTS) or Path.home() / ".ssh" / "known_hosts"),
        password=password,
        agent=password is None,
    )


class OutsideDevice:
    """Its ports, which are called as the testbed calls them; `names` says what it calls them itself."""

    def __init__(self, lab: Lab, told: Told, ask: Callable[[], Console], names: Mapping[str, str]) -> None:
        self._lab = lab
        self._told = told
        self._ask = ask
        self._names = names

    def ports(self) -> Sequence[Port]:
        """The other ends of the NICs, in the order of the testbed. Raises AdapterError where it names none."""
        partners = self._lab.partners
        if partners is None or not self._lab.testbed.physical:
            raise AdapterError("it is outside of this machine: name a testbed whose [physical] maps ports to NICs")
        return [
            Port(f"{host.name}.{number}", host.name, "", partners, PARTNERS, cable.far)
            for host in self._lab.hosts.values()
            for number, cable in enumerate(host.cables, 1)
            if not cable.interface
        ]

    def told(self) -> Told:
        """What the profile says of its times."""
        return self._told

    # --- its own view -----------------------------------------------------------------------------------------
    def neighbours(self, port: Port) -> Sequence[Known]:
        """The LLDP neighbours that it shows on a port. Raises AdapterError."""
        return self._ask().neighbours(self._names.get(port.name, port.name))

    def stations(self, host: Host, bridge: str) -> Sequence[Station]:
        """Its MAC address table, its ports called as the testbed calls them. Raises AdapterError."""
        del host
        return [Station(one.mac, self._ours(one.port)) for one in self._ask().stations(bridge)]

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """What it counted on its interfaces. Raises AdapterError."""
        del host, bridge
        return [Counters(self._ours(one.port), one.received, one.sent) for one in self._ask().counters()]

    def _ours(self, name: str) -> str:
        return next((ours for ours, theirs in self._names.items() if theirs == name), name)


class OutsideBridge(OutsideDevice):
    """The same whose ports somebody has put into one bridge, with a known ageing time."""

    def __init__(
        self, lab: Lab, told: Told, ask: Callable[[], Console], names: Mapping[str, str], ageing: float
    ) -> None:  # fmt: skip
        super().__init__(lab, told, ask, names)
        self.shortest_ageing = ageing

    def bridge(self, host: Host, wishes: Sequence[BridgeWish]) -> None:
        """It is one already. Raises AdapterError for anything else."""
        del host
        if len(wishes) != 1 or wishes[0].spanning != "off":
            raise AdapterError("it is configured by hand, as one bridge without a spanning tree")


class OutsideAdapter:
    """Nothing runs here; the machine's NICs are ours for as long as a recording takes."""

    weight = 1
    needs_root = True

    def __init__(
        self, identity: Identity, told: Told, *, dialect: Dialect | None = None, names: Mapping[str, str] | None = None,
        ageing: float | None = None,
    ) -> None:  # fmt: skip
        self._identity = identity
        self._told = told
        self._dialect = dialect
        self._names = names or {}
        self._ageing = ageing

    def identify(self) -> Identity | Unavailable:
        """As the profile says: nobody asks the device. Unavailable where its command line is needed and not named."""
        if self._dialect is None:
            return self._identity
        if login(os.environ) is None:
            return Unavailable(f"no device: {ADDRESS} says where its command line is ({self._dialect.tried})")
        tried = {"dialect": f"{self._dialect.name} ({self._dialect.tried})"}
        return Identity(self._identity.product, self._identity.version, tried)

    def plan(self) -> tuple[str, ...]:
        """What is taken, and what is asked."""
        taken = "the NICs that the testbed names are moved into the lab, and back at the end; the device is left alone"
        if self._dialect is None:
            return (taken,)
        shows = [view.show for views in self._dialect.view.values() for view in views]
        asked = ", ".join(repr(self._dialect.show[name].command) for name in dict.fromkeys(shows))
        return taken, f"asked over SSH ({self._dialect.title}, {self._dialect.tried}): {asked}"

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[OutsideDevice]:
        """The device, as it is."""
        desk = _Desk(lab, self._dialect)
        try:
            if self._ageing is None:
                yield OutsideDevice(lab, self._told, desk.console, self._names)
            else:
                yield OutsideBridge(lab, self._told, desk.console, self._names, self._ageing)
        finally:
            desk.close()


class _Desk:
    """Where a device outside is asked: its console, opened when it is first needed."""

    def __init__(self, lab: Lab, dialect: Dialect | None) -> None:
        self._lab = lab
        self._dialect = dialect
        self._console: Console | None = None

    def console(self) -> Console:
        """The open console. Raises AdapterError where there is none."""
        if self._console is None:
            self._console = self._open()
        return self._console

    def _open(self) -> Console:
        reached = login(os.environ)
        if self._dialect is None or reached is None:
            raise AdapterError(f"nobody can ask it: its profile names no dialect, or {ADDRESS} no device")
        try:
            over = self._lab.dial(reached.address, reached.port)
        except OSError as problem:
            raise AdapterError(f"switch {reached.address}: it cannot be reached: {problem}") from None
        transcript = Transcript(self._lab.logs / "switch-ssh.log", [reached.password or ""])
        try:
            session = Session(self._dialect, reached, transcript, over=over)
        except BaseException:
            over.close()
            raise
        return Console(session, self._lab.folder / "journal.json")

    def close(self) -> None:
        """End the session."""
        if self._console is not None:
            self._console.leave()
