"""Dialects: how a command line says what the suite wants. Data, one TOML file each; a new one needs no Python.

An intent is a Jinja2 template of the lines that apply it, one of the lines that undo it, and a command whose output
tells whether it is in force. Output becomes rows by TextFSM: a template of the dialect's own, or that of ntc-templates.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from conformance.adapters.switch.templates import rendered
from conformance.errors import UsageError
from conformance.profile import NAME
from conformance.validation import Strict, checked, table

FOLDER: Final = Path(__file__).parent / "dialects"
INTENTS: Final = (
    "access", "trunk", "lag", "lldp", "stp", "acl", "mtu", "gateway", "forwarding", "port",
    "bridge", "timers", "routed", "policy", "member",
)  # fmt: skip
"""What may be wanted of a switch: an access or trunk port, a bundle of ports, LLDP on or off on a port, the spanning
tree's mode, a filter on a port, a port's MTU, the address of a VLAN or bridge, IP forwarding, a port up with a name,
a bridge of some ports with its ageing and its spanning tree, the times of its LLDP agent, a routed port with what is
behind it, a stateful policy for what is behind such ports, who else is in its groups."""
VIEWS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "neighbours": ("port", "chassis", "identity"),
        "stations": ("mac", "port"),
        "bindings": ("address", "mac", "port"),
        "counters": ("port", "received", "sent"),
        "members": ("port", "in_use", "partner"),
    }
)
"""Tables of a device's own view, and their columns: LLDP neighbours, MAC addresses, ARP and IPv6 neighbours, frames
that were counted on each interface, members of a bundle."""
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")

Row = Mapping[str, Any]
"""One row of a command's output: names in lower case, text or a list of texts."""


class Show(Strict):
    """A command whose output is understood. Without a `template` of its own, ntc-templates has one for it.

    `sign` is a regular expression that some line of every answer matches, also of one without rows: templates that pass
    over what they do not know take anything for an empty table.
    """

    command: str
    template: str = ""
    sign: str = ""


class Where(Strict):
    """The row of `show` in which all of `where` is. Values are templates; of a list in the row one must be it."""

    show: str
    where: Mapping[str, str] = {}


class ReadBack(Where):
    """How an intent is read back: that row must have all of `expect`."""

    expect: Annotated[Mapping[str, str], Field(min_length=1)]


class Intent(Strict):
    """One intent: the lines that apply it and undo it, and its check.

    In them, `rows` is what the command of `was` (else of `check`) has shown before, and `before` the row that it speaks
    of, empty if there was none.
    """

    apply: str
    undo: str
    check: ReadBack
    was: Where | None = None


class View(Where):
    """Where a table of the device's own view comes from: each row of `show` in which all of `where` is. `row` says each
    column as a template over the names in that row.

    Where names of that row are lists that belong together, `each` names them: every place in them is a row. `beside` is
    the row of another command that goes with it, called `beside` in the templates of `row`; it is empty where that
    command shows none.
    """

    each: tuple[str, ...] = ()
    beside: Where | None = None
    row: Annotated[Mapping[str, str], Field(min_length=1)]

    @property
    def shows(self) -> tuple[str, ...]:
        """The commands that it needs, by their names in the dialect."""
        return (self.show,) if self.beside is None else (self.show, self.beside.show)


class Dialect(Strict):
    """One vendor's command line.

    `driver` is netmiko's device type, `platform` the one of ntc-templates. `tried`: on a real implementation, or on
    transcripts only. `mode` exec: lines are ordinary commands, there is no configuration mode. `refusals` are regular
    expressions of answers by which the device refuses; `commit` ends a set of lines. None of the lines may save the
    start-up configuration. `short` are the beginnings of ports' names that some tables shorten, with the long ones.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=NAME)]
    title: str
    driver: str
    platform: str
    tried: Literal["real", "transcript only"]
    mode: Literal["configure", "exec"] = "configure"
    refusals: tuple[str, ...]
    commit: tuple[str, ...] = ()
    show: Mapping[str, Show]
    intent: Mapping[str, Intent] = {}
    view: Mapping[str, Annotated[tuple[View, ...], Field(min_length=1)]] = {}
    short: Mapping[str, str] = {}

    def lines(self, template: str, values: Mapping[str, Any]) -> list[str]:
        """The lines of a template, without empty ones. Raises UsageError where a value is missing or is no word."""
        for name, value in values.items():
            if isinstance(value, str) and not _PRINTABLE.fullmatch(value):
                raise UsageError(f"{self.name}: {name}: {value!r} cannot be part of a command")
        text = rendered(template, values, self.name)
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    def word(self, template: str, values: Mapping[str, Any]) -> str:
        """A template of one line, rendered."""
        return "".join(self.lines(template, values))

    def find(self, name: str) -> Intent:
        """The intent of that name. Raises UsageError where the dialect cannot say it."""
        if name not in self.intent:
            known = ", ".join(self.intent)
            raise UsageError(f"dialect {self.name}: it cannot say {name!r}; it can say {known}")
        return self.intent[name]

    def parse(self, show: str, output: str) -> list[Row]:
        """The rows of a command's output. Raises ValueError where the template does not match it."""
        wanted = self.show[show]
        if not re.search(wanted.sign, output, re.MULTILINE):
            raise ValueError(f"it is no such table, in which a line has {wanted.sign!r}")
        rows = _own(wanted.template, output) if wanted.template else _shared(self.platform, wanted.command, output)
        return [{name.lower(): value for name, value in row.items()} for row in rows]

    def columns(
        self, view: View, rows: Sequence[Row], values: Mapping[str, Any], others: Sequence[Row] = ()
    ) -> list[dict[str, str]]:
        """The rows of a table of the device's own view; `others` are those of the command `beside`. Raises ValueError
        where lists that belong together differ in length, UsageError where a template of it is wrong."""
        found = []
        for row in (one for fit in self._fitting(view, rows, values) for one in _each(fit, view.each)):
            known = {**values, **row}
            pairs = [] if view.beside is None else self._fitting(view.beside, others, known)
            known["beside"] = pairs[0] if pairs else {}
            found.append({name: rendered(text, known, self.name).strip() for name, text in view.row.items()})
        return found

    def _fitting(self, place: Where, rows: Sequence[Row], values: Mapping[str, Any]) -> list[Row]:
        where = {name: rendered(text, values, self.name).strip() for name, text in place.where.items()}
        return [row for row in rows if all(has(row, name, wanted) for name, wanted in where.items())]

    def port(self, name: str) -> str:
        """A port's whole name, whichever way a table writes it."""
        letters = re.match(r"[A-Za-z-]*", name)
        begin = letters.group() if letters else ""
        return self.short.get(begin, begin) + name[len(begin) :]

    def refused(self, output: str) -> str:
        """The line of an answer by which the device refuses, or nothing."""
        for line in output.splitlines():
            if any(re.search(pattern, line) for pattern in self.refusals):
                return line.strip()
        return ""


def _own(template: str, output: str) -> list[dict[str, Any]]:
    import io

    from textfsm import TextFSM, TextFSMError

    try:
        rows: list[dict[str, Any]] = TextFSM(io.StringIO(template)).ParseTextToDicts(output)
    except TextFSMError as problem:
        raise ValueError(str(problem)) from None
    return rows


def _shared(platform: str, command: str, output: str) -> list[dict[str, Any]]:
    from ntc_templates.parse import ParsingException, parse_output
    from textfsm import TextFSMError

    try:
        rows: list[dict[str, Any]] = parse_output(platform=platform, command=command, data=output)
    except (ParsingException, TextFSMError) as problem:
        raise ValueError(str(problem)) from None
    return rows


def available() -> dict[str, Path]:
    """The dialects that ship with the suite, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def load(reference: str) -> Dialect:
    """Read a dialect by name or path. Raises UsageError: one line naming the file, the key and the fix."""
    shipped = available()
    path = shipped.get(reference, Path(reference))
    if path.suffix != ".toml" or not path.is_file():
        near = difflib.get_close_matches(reference, shipped, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(shipped)}"
        raise UsageError(f"dialect {reference}: no dialect of that name; {hint}")
    found = checked(Dialect, table(path), path.name)
    _whole(found, path.name)
    return found


def _whole(dialect: Dialect, source: str) -> None:
    """Every intent is one that the suite knows, and is checked by a command of the dialect."""
    for name, intent in dialect.intent.items():
        if name not in INTENTS:
            raise UsageError(f"{source}: intent.{name}: is not known; use some of {', '.join(INTENTS)}")
        for key, place in (("check", intent.check), ("was", intent.was)):
            if place is not None and place.show not in dialect.show:
                raise UsageError(f"{source}: intent.{name}.{key}.show: there is no show.{place.show}")

    for name, views in dialect.view.items():
        if name not in VIEWS:
            raise UsageError(f"{source}: view.{name}: is not known; use some of {', '.join(VIEWS)}")
        for view in views:
            for show in view.shows:
                if show not in dialect.show:
                    raise UsageError(f"{source}: view.{name}: there is no show.{show}")
            if set(view.row) != set(VIEWS[name]):
                raise UsageError(f"{source}: view.{name}.row: its columns are {', '.join(VIEWS[name])}; name each")


def _each(row: Row, names: Sequence[str]) -> list[Row]:
    """The row, or one for each place of the lists that belong together. Raises ValueError where they do not."""
    if not names:
        return [row]
    return [
        {**row, **dict(zip(names, place, strict=True))} for place in zip(*(row[name] for name in names), strict=True)
    ]


def has(row: Row, name: str, wanted: str) -> bool:
    """Whether a row has that text in a column, or in a list there; of an empty list nothing is wanted."""
    found = row.get(name, "")
    if isinstance(found, list):
        return wanted in found if wanted else not found
    return str(found).strip().lower() == wanted.lower()


def saving(lines: Sequence[str]) -> list[str]:
    """Those of the lines that would save to the start-up configuration."""
    return [line for line in lines if _SAVES.search(line)]


_SAVES: Final = re.compile(r"^\s*(do\s+)?(wr(ite)?\b(?!\s+(terminal|erase))|copy\s+run\S*\s+start|nv config save)")
