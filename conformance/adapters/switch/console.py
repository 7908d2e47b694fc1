"""One device as it is spoken to: its session, what was changed through it, and its own view as the suite's words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self, TypeVar

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.lldp import LldpNeighbour
from conformance.adapters.interface.views import Counters, FdbEntry, LagMember, NeighbourEntry
from conformance.adapters.switch.changes import Changes
from conformance.adapters.switch.device import Device
from conformance.adapters.switch.dialect import Dialect
from conformance.adapters.switch.session import DeviceSession
from conformance.adapters.switch.transcript import Transcript
from conformance.protocols.mac import mac_from

T = TypeVar("T")


class Console:
    """An open session with a device. One command at a time, from whichever thread."""

    def __init__(self, session: DeviceSession, journal: Path) -> None:
        self.session = session
        self.lock = threading.Lock()
        self.changes = Changes(session, journal)
        self._before: list[Any] | None = None

    @classmethod
    def to(cls, device: Device, dialect: Dialect, user: str) -> Self:
        """A console of a device of the lab, in the account `user`. Raises AdapterError."""
        host = device.host
        transcript = Transcript(host.logs / f"{host.name}-{user}.log")
        over = device.connect()
        try:
            session = DeviceSession(dialect, device.login(user), transcript, over=over)
        except BaseException:
            over.close()
            raise
        return cls(session, host.folder / f"journal-{user}.json")

    # --- what it is told --------------------------------------------------------------------------------------
    def apply(self, intent: str, /, **values: Any) -> None:
        """Put an intent in force. Raises AdapterError."""
        with self.lock:
            if self._before is None:
                self._before = self.session.show("running", {})
            self.changes.apply(intent, **values)

    def revert(self, intent: str, /, **values: Any) -> None:
        """Undo it. Raises AdapterError."""
        with self.lock:
            self.changes.revert(intent, **values)

    def leave(self) -> None:
        """Undo every change, see that the configuration is what it was, and close the session."""
        transcript = self.session.transcript
        try:
            self.changes.rollback()
            if self._before is not None:
                same = self.session.show("running", {}) == self._before
                transcript.note(f"the running configuration is {'what it was' if same else 'NOT what it was'}")
        except AdapterError as problem:
            transcript.note(f"not all was undone: {problem}")
        finally:
            self.session.close()

    # --- what it shows ----------------------------------------------------------------------------------------
    def show(self, name: str, /, **values: Any) -> list[Any]:
        """The rows of a command. Raises AdapterError."""
        with self.lock:
            return list(self.session.show(name, values))

    def stations(self, bridge: str) -> Sequence[FdbEntry]:
        """Its MAC address table. Raises AdapterError."""
        return self._view("stations", lambda row: FdbEntry(_mac(row["mac"]), row["port"]), bridge=bridge)

    def bindings(self) -> Sequence[NeighbourEntry]:
        """Its ARP table and its IPv6 neighbours. Raises AdapterError."""
        return self._view(
            "bindings", lambda row: NeighbourEntry(str(ip_address(row["address"])), _mac(row["mac"]), row["port"])
        )

    def counters(self) -> Sequence[Counters]:
        """The frames that it counted on each interface. Raises AdapterError."""
        return self._view("counters", lambda row: Counters(row["port"], int(row["received"]), int(row["sent"])))

    def neighbours(self, port: str) -> Sequence[LldpNeighbour]:
        """The LLDP neighbours that it shows on a port. Raises AdapterError."""
        rows = self._view(
            "neighbours", lambda row: (row["port"], LldpNeighbour(row["chassis"], row["identity"])), port=port
        )
        return [known for where, known in rows if where == self.session.dialect.port(port)]

    def members(self, bundle: str) -> Sequence[LagMember]:
        """The ports of a bundle. Raises AdapterError, also where it shows no such bundle."""
        found = self._view("members", _member, bundle=bundle)
        if not found:
            where = f"logs/{self.session.transcript.path.name}"
            raise AdapterError(f"it shows no bundle {bundle} with a port in it; see {where}")
        return found

    def rows(self, name: str) -> Sequence[Mapping[str, str]]:
        """The table `name` of its own view, as the dialect has its columns. Raises AdapterError."""
        return self._view(name, lambda row: row)

    def _view(self, name: str, read: Callable[[dict[str, str]], T], /, **values: Any) -> list[T]:
        """A table as the suite's words. What cannot be read is told with the transcript: it is no verdict."""
        dialect, transcript = self.session.dialect, self.session.transcript
        views = dialect.view.get(name)
        if views is None:
            raise AdapterError(f"dialect {dialect.name}: it does not show its {name}")
        found = []
        for view in views:
            rows, *others = [self.show(show, **values) for show in view.shows]
            try:
                table = dialect.columns(view, rows, values, *others)
                found += [read({**row, "port": dialect.port(row["port"])}) for row in table]
            except ValueError as problem:
                transcript.note(f"{name}: {problem}")
                where = f"logs/{transcript.path.name}"
                raise AdapterError(f"its {name} are not understood: {problem}; see {where}") from None
        return found


def _mac(text: str) -> str:
    """A MAC address in the usual notation, empty for none. Raises ValueError for anything else."""
    found = mac_from(text) if text else ""
    if found is None:
        raise ValueError(f"{text!r} is no MAC address")
    return found


def _member(row: dict[str, str]) -> LagMember:
    """A port of a bundle. Raises ValueError where the dialect left open whether it is in use, and where nobody is shown
    as the partner of one that is."""
    port, used, partner = row["port"], row["in_use"], _mac(row["partner"])
    if used not in ("yes", "no"):
        raise ValueError(f"whether {port} is in use where {used!r} is said is not known")
    if used == "yes" and not partner:
        raise ValueError(f"{port} is in use, and its partner is not shown")
    return LagMember(port, used == "yes", partner)
