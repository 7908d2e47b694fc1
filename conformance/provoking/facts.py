"""Reading the facts of a host that families ask for (see `conformance.family.Facts`)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.views import ShowingRows
from conformance.family import Facts, families
from conformance.lab.lab import Host
from conformance.recording.facts import FACTS, CommandResult, HostFacts

OF_THREAD: Final = {"/proc/net/": "/proc/thread-self/net/", "/proc/self/": "/proc/thread-self/"}
"""Paths that the kernel resolves for the process: a namespace of the lab belongs to one thread of it."""


def asked_for(host: Host, subject: object) -> Mapping[str, Any]:
    """What the families that are installed want to know of `host` now, as `Snapshot.further` keeps it; empty where no
    family asks for anything. Raises UsageError for a family that is broken."""
    wanted = {name: family.facts for name, family in families().items() if family.facts is not None}
    found = {name: read(host, subject, facts).model_dump(mode="json") for name, facts in wanted.items()}
    return {FACTS: found} if found else {}


def read(host: Host, subject: object, facts: Facts) -> HostFacts:
    """Read these facts on `host`, one after another; what cannot be read is recorded as absent, with the reason."""
    absent: dict[str, str] = {}
    return HostFacts(
        sysctls=_each(facts.sysctls, host.namespace.sysctl, absent),
        files=_each(facts.files, lambda path: host.namespace.call(_text, path), absent),
        commands=tuple(_run(host, command) for command in facts.commands),
        views=_each(facts.views, lambda name: _rows(host, subject, name), absent),
        absent=absent,
    )


def _each(names: Sequence[str], ask: Callable[[str], Any], absent: dict[str, str]) -> dict[str, Any]:
    found = {}
    for name in names:
        try:
            found[name] = ask(name)
        except OSError as problem:
            absent[name] = problem.strerror or str(problem)
        except AdapterError as problem:
            absent[name] = str(problem)
    return found


def _text(path: str) -> str:
    for process, thread in OF_THREAD.items():
        if path.startswith(process):
            path = thread + path.removeprefix(process)
    return Path(path).read_text(errors="replace")


def _rows(host: Host, subject: object, name: str) -> tuple[Mapping[str, str], ...]:
    showing = power_of(subject, ShowingRows)
    if showing is None:
        raise AdapterError("the implementation shows no tables by name")
    return tuple(showing.rows(host, name))


def _run(host: Host, command: tuple[str, ...]) -> CommandResult:
    try:
        ended = host.run(command, timeout=limits.FACT)
    except subprocess.TimeoutExpired:
        return CommandResult(command=command, problem=f"did not end within {limits.FACT:g} s")
    except OSError as problem:
        return CommandResult(command=command, problem=problem.strerror or str(problem))
    return CommandResult(command=command, output=ended.stdout, errors=ended.stderr, exit_code=ended.returncode)
