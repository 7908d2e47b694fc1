"""Facts of a host that families asked for beyond what a snapshot holds, as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.validation import Strict

FACTS: Final = "facts"
"""Where they lie in `Snapshot.further`: `HostFacts` by the name of the family."""


class CommandResult(Strict):
    """One command that was run on a host: what it wrote, and its exit code.

    `exit_code` is None where it did not run to its end; `problem` says why: there is no such program, or it took too
    long.
    """

    command: tuple[str, ...]
    output: str = ""
    errors: str = ""
    exit_code: int | None = None
    problem: str = ""


class HostFacts(Strict):
    """The facts of one family on one host at one moment.

    `sysctls` and `files` map names and paths to their text, `views` names of the implementation's own tables to their
    rows. `absent` maps whatever of these could not be read to the reason.
    """

    sysctls: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    commands: tuple[CommandResult, ...] = ()
    views: Mapping[str, tuple[Mapping[str, str], ...]] = {}
    absent: Mapping[str, str] = {}

    def result(self, *command: str) -> CommandResult:
        """What the command gave, by its words. Raises KeyError where the family did not ask for it."""
        for one in self.commands:
            if one.command == command:
                return one
        raise KeyError(" ".join(command))
