"""A device outside of this machine, at the other ends of the NICs of a physical testbed, configured by hand.

Nothing is told to it. It is judged by what its ports send and by what it makes of our frames; where its command line
can be reached over SSH it is asked for its own view, too. Who it is asked as comes from the
environment only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.adapters.interface.lldp import AgentTimers, Discovering, LldpNeighbour, Neighbouring
from conformance.adapters.interface.ports import Aggregating, BridgeConfig, Bridging, LagConfig, Linking, Port
from conformance.adapters.interface.views import (
    Counters,
    FdbEntry,
    LagMember,
    ShowingCounters,
    ShowingMembers,
    ShowingStations,
)
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.dialect import VIEWS, Dialect
from conformance.adapters.switch.session import DeviceSession, Login
from conformance.adapters.switch.transcript import Transcript
from conformance.errors import UsageError
from conformance.lab.lab import PARTNERS, Host, Lab
from conformance.lab.sandbox import secrets
from conformance.validation import Strict

ADDRESS: Final = "PLUGFEST_SWITCH_ADDRESS"
"""The device's command line: an address, with ``:PORT`` behind it where that is not 22, of IPv6 in brackets then."""
USER: Final = "PLUGFEST_SWITCH_USER"
PASSWORD: Final = "PLUGFEST_SWITCH_PASSWORD"  # noqa: S105 - where it is, not what it is
"""Without one the SSH agent is asked."""
KNOWN_HOSTS: Final = "PLUGFEST_SWITCH_KNOWN_HOSTS"
"""A file with the device's host key, by default the user's own."""
SSH: Final = 22


def place_of(text: str) -> tuple[str, int]:
    """Address and port of ``192.0.2.1``, ``name:2222``, ``2001:db8::1``, ``[2001:db8::1]`` or ``[2001:db8::1]:22``.

    Raises UsageError for anything else.
    """
    bracketed = re.fullmatch(r"\[([^\[\]]+)\](?::(\d{1,5}))?", text)
    named = re.fullmatch(r"([^\s:\[\]]+)(?::(\d{1,5}))?", text)
    found = bracketed or named
    address, port = (found[1], int(found[2] or SSH)) if found else (text, SSH)
    if named is None:
        try:
            IPv6Address(address)
        except ValueError:
            raise UsageError(f"{ADDRESS}: {text!r:.80} is no address; write 192.0.2.1:22 or [2001:db8::1]:22") from None
    if not 0 < port < 1 << 16:
        raise UsageError(f"{ADDRESS}: {text!r:.80}: there is no port {port}")
    return address, port


def login(environment: Mapping[str, str]) -> Login | None:
    """How the device is reached, as the environment says; None where it does not."""
    place = environment.get(ADDRESS, "")
    if not place:
        return None
    address, port = place_of(place)
    password = environment.get(PASSWORD) or None
    return Login(
        address=address,
        port=port,
        user=environment.get(USER, "admin"),
        known_hosts=Path(environment.get(KNOWN_HOSTS) or Path.home() / ".ssh" / "known_hosts"),
        password=password,
        agent=password is None,
    )


class Bundle(Strict):
    """The table `[adapter.bundle]`: what the device calls its one bundle, and which ports of the testbed are in it."""

    name: Annotated[str, Field(min_length=1)]
    ports: Annotated[tuple[str, ...], Field(min_length=2)]

    def check(self, profile: str, names: Mapping[str, str], ageing: float | None) -> None:
        """Raises UsageError, one line, where it does not go with what else `profile` says: the device's names for
        ports, and that they are one bridge."""
        key = f"{profile}: adapter.bundle"
        if ageing is not None:
            raise UsageError(f"{key}: ports of a bundle are no ports of a bridge; take it or adapter.ageing out")
        if len(set(self.ports)) < len(self.ports):
            raise UsageError(f"{key}.ports: a port is there twice; name each once")
        unknown = [port for port in self.ports if port not in names]
        if unknown:
            timers = f"there are {', '.join(names)}" if names else "that table is empty"
            raise UsageError(f"{key}.ports: adapter.ports does not say what {unknown[0]!r} is called; {timers}")


class OutsideDevice:
    """Its ports, which are called as the testbed calls them; `names` says what it calls them itself."""

    powers: tuple[type, ...] = (Linking, Discovering, Neighbouring, ShowingStations, ShowingCounters)

    def __init__(self, lab: Lab, timers: AgentTimers, ask: Callable[[], Console], names: Mapping[str, str]) -> None:
        self._lab = lab
        self._told = timers
        self._ask = ask
        self._names = names

    def ports(self) -> Sequence[Port]:
        """The other ends of the NICs, in the order of the testbed. Raises AdapterError where it names none."""
        partners = self._lab.partners
        if partners is None or not self._lab.testbed.physical:
            raise AdapterError("it is outside of this machine: name a testbed whose [physical] maps ports to NICs")
        found = [
            Port(f"{host.name}.{number}", host.name, "", partners, PARTNERS, cable.far)
            for host in self._lab.hosts.values()
            for number, cable in enumerate(host.cables, 1)
            if not cable.interface
        ]
        if not found:
            raise AdapterError(f"no NIC leads to it from {', '.join(self._lab.hosts)}: of a pair, name it first")
        return found

    def timers(self) -> AgentTimers:
        """What the profile says of its times."""
        return self._told

    # --- its own view -----------------------------------------------------------------------------------------
    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """The LLDP neighbours that it shows on a port. Raises AdapterError."""
        return self._ask().neighbours(self._names.get(port.name, port.name))

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """Its MAC address table, its ports called as the testbed calls them. Raises AdapterError, also where none of
        the ports that it shows is one of them."""
        del host
        shown = self._ask().stations(bridge)
        if shown and not any(one.port in self._names.values() for one in shown):
            raise AdapterError(
                f"it shows stations behind {shown[0].port}, which is not in adapter.ports of its profile"
            )
        return [FdbEntry(one.mac, self._ours(one.port)) for one in shown]

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """What it counted on its interfaces. Raises AdapterError, also where one of ours is not among them."""
        del host, bridge
        shown = self._ask().counters()
        missing = set(self._names.values()) - {one.port for one in shown}
        if missing:
            raise AdapterError(f"it shows no counters of {min(missing)}, which adapter.ports of its profile names")
        return [Counters(self._ours(one.port), one.received, one.sent) for one in shown]

    def _ours(self, name: str) -> str:
        return next((ours for ours, theirs in self._names.items() if theirs == name), name)


class OutsideBridge(OutsideDevice):
    """The same whose ports somebody has put into one bridge, with a known ageing time."""

    powers: tuple[type, ...] = (*OutsideDevice.powers, Bridging)

    def __init__(
        self, lab: Lab, timers: AgentTimers, ask: Callable[[], Console], names: Mapping[str, str], ageing: float
    ) -> None:
        super().__init__(lab, timers, ask, names)
        self.shortest_ageing = ageing

    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """It is one already. Raises AdapterError for anything else."""
        del host
        if len(configs) != 1 or configs[0].spanning != "off":
            raise AdapterError("it is configured by hand, as one bridge without a spanning tree")


class OutsideBundle(OutsideDevice):
    """The same, some of whose ports somebody has put into one bundle that speaks LACP, and all into one bridge."""

    powers: tuple[type, ...] = (*OutsideDevice.powers, Aggregating, ShowingMembers)

    def __init__(
        self, lab: Lab, timers: AgentTimers, ask: Callable[[], Console], names: Mapping[str, str], bundle: Bundle
    ) -> None:
        super().__init__(lab, timers, ask, names)
        self._bundle = bundle

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """It is one already. Raises AdapterError for anything else."""
        del host
        ports = ", ".join(self._bundle.ports)
        if access in self._bundle.ports or [sorted(one.ports) for one in bundles] != [sorted(self._bundle.ports)]:
            raise AdapterError(f"it is configured by hand, with one bundle of {ports} and no other")
        if not all(one.active and one.short for one in bundles):
            raise AdapterError("it is configured by hand, with a bundle that is active and has the short timeout")

    def members(self, host: Host, bundle: str) -> Sequence[LagMember]:
        """What it shows of its bundle, whatever that is called here. Raises AdapterError, also where it shows a port in
        it that the profile has elsewhere: one of the two is not as the other says."""
        del host, bundle
        shown = [
            LagMember(self._ours(one.port), one.in_use, one.partner) for one in self._ask().members(self._bundle.name)
        ]
        strange = [one.port for one in shown if one.port not in self._bundle.ports]
        if strange:
            known = "adapter.bundle.ports of its profile does not name"
            raise AdapterError(f"it shows {strange[0]} in {self._bundle.name}, which {known}")
        return shown


class OutsideAdapter:
    """Nothing runs here; the machine's NICs are ours for as long as a recording takes."""

    weight = 1
    needs_root = True

    def __init__(
        self,
        identity: Identity,
        timers: AgentTimers,
        *,
        dialect: Dialect | None = None,
        names: Mapping[str, str] | None = None,
        ageing: float | None = None,
        bundle: Bundle | None = None,
    ) -> None:
        self._identity = identity
        self._told = timers
        self._dialect = dialect
        self._names = names or {}
        self._ageing = ageing
        self._bundle = bundle

    def identify(self) -> Identity | Unavailable:
        """As the profile says: nobody asks the device. Unavailable where its command line is needed and not named."""
        if self._dialect is None:
            return self._identity
        if login(secrets.environment()) is None:
            return Unavailable(f"no device: {ADDRESS} says where its command line is ({self._dialect.tried})")
        tried = {"dialect": f"{self._dialect.name} ({self._dialect.tried})"}
        marked = "" if self._dialect.tried == "real" else f" ({self._dialect.tried})"
        return Identity(self._identity.product, self._identity.version + marked, tried)

    def plan(self) -> tuple[str, ...]:
        """What is taken, and what is asked."""
        taken = "the NICs that the testbed names are moved into the lab, and back at the end; the device is left alone"
        if self._dialect is None:
            return (taken,)
        names = ("members",) if self._bundle is not None else tuple(name for name in VIEWS if name != "members")
        words = {"port": "PORT", "bridge": "BRIDGE", "bundle": "" if self._bundle is None else self._bundle.name}
        shows = [show for name in names for view in self._dialect.view.get(name, ()) for show in view.shows]
        commands = (self._dialect.word(self._dialect.show[name].command, words) for name in shows)
        asked = ", ".join(dict.fromkeys(map(repr, commands)))
        return taken, f"asked over SSH ({self._dialect.title}, {self._dialect.tried}): {asked}"

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[OutsideDevice]:
        """The device, as it is."""
        desk = _Desk(lab, self._dialect)
        try:
            yield self._device(lab, desk)
        finally:
            desk.close()

    def _device(self, lab: Lab, desk: _Desk) -> OutsideDevice:
        if self._bundle is not None:
            return OutsideBundle(lab, self._told, desk.console, self._names, self._bundle)
        if self._ageing is not None:
            return OutsideBridge(lab, self._told, desk.console, self._names, self._ageing)
        return OutsideDevice(lab, self._told, desk.console, self._names)


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
        reached = login(secrets.environment())
        if self._dialect is None or reached is None:
            raise AdapterError(f"nobody can ask it: its profile names no dialect, or {ADDRESS} no device")
        try:
            over = self._lab.dial(reached.address, reached.port)
        except OSError as problem:
            raise AdapterError(f"switch {reached.address}: it cannot be reached: {problem}") from None
        transcript = Transcript(self._lab.logs / "switch-ssh.log", [reached.password or ""])
        try:
            session = DeviceSession(self._dialect, reached, transcript, over=over)
        except BaseException:
            over.close()
            raise
        return Console(session, self._lab.folder / "journal.json")

    def close(self) -> None:
        """End the session."""
        if self._console is not None:
            self._console.leave()
