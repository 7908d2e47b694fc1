"""One call of one plugin binary: environment, configuration on standard input, result or error on standard output."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.lab.kernel.process import finish

SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where the programs that plugins call are found, beyond PATH: an ordinary user's PATH lacks them."""


class Runner(Protocol):
    """How a program is run: `Host.run` on a lab host, `run_here` for a question that needs no lab."""

    def __call__(
        self, command: Sequence[str], *, timeout: float, text: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end within `timeout` seconds. Raises OSError or subprocess.TimeoutExpired."""


class PluginError(AdapterError):
    """A plugin refused: `code`, `message` and `details` are its own words (CNI SPEC §5 "Error")."""

    def __init__(self, plugin: str, command: str, code: int | None, message: str, details: str = "") -> None:
        number = "" if code is None else f" (code {code})"
        super().__init__(f"{plugin} {command} failed{number}: {message}{f': {details}' if details else ''}")
        self.plugin = plugin
        self.command = command
        self.code = code
        self.message = message
        self.details = details


def run_here(
    command: Sequence[str], *, timeout: float, text: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program outside of the lab."""
    return finish(command, text=text, timeout=timeout, environment=environment)


def search_path() -> str:
    """PATH with the system's own folders."""
    present = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*present, *(folder for folder in SYSTEM_FOLDERS if folder not in present)])


def find(kind: str, folders: Sequence[Path]) -> Path | None:
    """The executable of the plugin type `kind`: the first one in `folders`."""
    places = [folder / kind for folder in folders]
    return next((place for place in places if place.is_file() and os.access(place, os.X_OK)), None)


def call(run: Runner, path: Path, command: str, config: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Run the plugin at `path` for CNI_COMMAND `command`; returns its standard output.

    `environment` holds the other CNI variables. Raises PluginError with the plugin's own words.
    """
    variables = {"PATH": search_path(), **environment, "CNI_COMMAND": command}
    try:
        ended = run([str(path)], text=json.dumps(config), timeout=limits.COMMAND, environment=variables)
    except subprocess.TimeoutExpired:
        raise PluginError(path.name, command, None, f"it did not end within {limits.COMMAND:g} s") from None
    except OSError as problem:
        raise PluginError(path.name, command, None, f"{path} cannot be run: {problem.strerror}") from None
    if ended.returncode != 0:
        raise _error(path.name, command, ended)
    return ended.stdout


def _error(plugin: str, command: str, ended: subprocess.CompletedProcess[str]) -> PluginError:
    for text in (ended.stdout, ended.stderr):
        try:
            data = json.loads(text)
        except ValueError:
            continue
        if isinstance(data, dict) and ("msg" in data or "code" in data):
            code = data.get("code")
            return PluginError(
                plugin,
                command,
                code if isinstance(code, int) else None,
                str(data.get("msg", "")),
                str(data.get("details") or ""),
            )
    said = (
        "; ".join(text.strip()[:500] for text in (ended.stdout, ended.stderr) if text.strip()) or "it printed nothing"
    )
    return PluginError(plugin, command, None, f"exit code {ended.returncode}, and no error object: {said}")


def supported_versions(run: Runner, path: Path, version: str) -> tuple[str, ...]:
    """The plugin's answer to VERSION, asked in the words of CNI `version`. Raises PluginError."""
    text = call(run, path, "VERSION", {"cniVersion": version}, {})
    try:
        versions = json.loads(text)["supportedVersions"]
    except (ValueError, KeyError, TypeError):
        raise PluginError(path.name, "VERSION", None, f"the answer has no supportedVersions: {text[:200]!r}") from None
    return tuple(str(entry) for entry in versions)
