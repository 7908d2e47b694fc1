"""Changes to a device: applied, read back, and undone in reverse order at the end, also by the run after a killed one.

What undoes a change is written into the journal before the change is made, and taken out when it is undone: a journal
that is still there tells of a run that was killed, and its lines are sent before anything else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.switch.dialect import Dialect, ReadBack, Row, Where, has
from conformance.adapters.switch.session import DeviceSession

Values = Mapping[str, Any]


@dataclass
class Applied:
    """One change: what it is known by, the lines that undo it, and whether the device has taken it: of one that it has
    refused something may be left, and what undoes it may be refused as well."""

    key: str
    undo: list[str]
    taken: bool = False


class Changes:
    """What was changed on one device, through one session."""

    def __init__(self, session: DeviceSession, journal: Path) -> None:
        self._session = session
        self._journal = journal
        self._undo: list[Applied] = []
        self._recover()

    def apply(self, name: str, /, **values: Any) -> None:
        """Put an intent in force and read it back. Raises AdapterError where it was refused or is not in force."""
        dialect = self._session.dialect
        intent = dialect.find(name)
        was = intent.was or intent.check
        rows = self._session.show(was.show, values)
        known = {"rows": rows, "before": self._of(was, rows, values) or {}}
        undo = dialect.lines(intent.undo, {**values, **known})
        change = Applied(key(name, values), undo)
        self._undo.append(change)
        self._write()
        self._session.configure(dialect.lines(intent.apply, {**values, **known}))
        change.taken = True
        self._write()
        wrong = self._in_force(intent.check, values)
        if wrong:
            self._session.transcript.note(f"{name}: not in force: {wrong}")
            where = f"logs/{self._session.transcript.path.name}"
            raise AdapterError(f"{name} {shown(values)}: sent, and not in force: {wrong}; see {where}")

    def revert(self, name: str, /, **values: Any) -> None:
        """Undo one change that was applied with these values. Raises AdapterError; LookupError where there is none."""
        wanted = key(name, values)
        change = next((one for one in reversed(self._undo) if one.key == wanted), None)
        if change is None:
            raise LookupError(f"{wanted}: was not applied")
        self._session.configure(change.undo)
        self._undo.remove(change)
        self._write()

    def rollback(self) -> None:
        """Undo everything, the last change first. Goes on after a refusal; raises AdapterError with the first."""
        first: AdapterError | None = None
        kept: list[Applied] = []
        while self._undo:
            change = self._undo.pop()
            try:
                self._session.configure(change.undo)
            except AdapterError as problem:
                if change.taken:
                    first = first or problem
                    kept.insert(0, change)
        self._undo = kept
        self._write()
        if first is not None:
            raise first

    def _in_force(self, check: ReadBack, values: Values) -> str:
        """Read back until it is in force, or `limits.SWITCH_EFFECT` is over: then what is otherwise."""
        until = time.monotonic() + limits.SWITCH_EFFECT
        while True:
            wrong = mismatch(self._session.dialect, check, self._row(check, values), values)
            if not wrong or time.monotonic() > until:
                return wrong

    def _row(self, check: Where, values: Values) -> Row | None:
        """The row that the check speaks of, as the device shows it now."""
        return self._of(check, self._session.show(check.show, values), values)

    def _of(self, check: Where, rows: Sequence[Row], values: Values) -> Row | None:
        dialect = self._session.dialect
        where = {name: dialect.word(text, values) for name, text in check.where.items()}
        return next((row for row in rows if all(has(row, name, wanted) for name, wanted in where.items())), None)

    def _recover(self) -> None:
        try:
            left = json.loads(self._journal.read_text())
        except FileNotFoundError:
            return
        except ValueError:
            raise AdapterError(f"{self._journal}: cannot be read; restore the device by hand and remove it") from None
        self._session.transcript.note("undoing what a killed run has left")
        self._undo = [Applied(**change) for change in left]
        self.rollback()

    def _write(self) -> None:
        """Keep the journal in step, whole at every moment."""
        if not self._undo:
            self._journal.unlink(missing_ok=True)
            return
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        partial = self._journal.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(change) for change in self._undo]))
        partial.replace(self._journal)


def key(name: str, values: Values) -> str:
    """What a change is known by."""
    return f"{name} {shown(values)}"


def shown(values: Values) -> str:
    """Values in words."""
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))


def mismatch(dialect: Dialect, check: ReadBack, row: Row | None, values: Values) -> str:
    """What the row has otherwise than the check expects; nothing where it is in force."""
    if row is None:
        return "the device does not show it at all"
    for name, template in check.expect.items():
        wanted = dialect.word(template, values)
        if not has(row, name, wanted):
            return f"{name} is {row.get(name, 'not told')!r}, not {wanted!r}"
    return ""
