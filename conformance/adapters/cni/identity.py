"""What the plugins say of themselves, and which package they come from."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.adapters.cni import plugin as plugins
from conformance.adapters.cni.settings import Settings
from conformance.adapters.cni.versions import SPOKEN, negotiate
from conformance.adapters.interface import AdapterError, Identity, Unavailable

VERSION: Final = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?)\b")


def locate(settings: Settings) -> dict[str, Path] | str:
    """The binary of every plugin of the list by type, or in one sentence what is missing."""
    found: dict[str, Path] = {}
    for kind in settings.types():
        path = plugins.find(kind, settings.folders)
        if path is None:
            return f"there is no CNI plugin {kind!r} in {', '.join(settings.plugin_dir)}"
        found[kind] = path
    for program in settings.programs:
        if shutil.which(program, path=plugins.search_path()) is None:
            return f"the plugins call {program!r}, which is not installed"
    return found


def supported(paths: dict[str, Path]) -> dict[str, tuple[str, ...]]:
    """The versions that every plugin supports, by type. Raises AdapterError."""
    return {kind: plugins.supported_versions(plugins.run_here, path, SPOKEN[-1]) for kind, path in paths.items()}


def identify(settings: Settings, packages: tuple[str, ...]) -> Identity | Unavailable:
    """Ask every plugin for its versions. The product version is that of the list's first plugin."""
    paths = locate(settings)
    if isinstance(paths, str):
        return Unavailable(paths, packages)
    try:
        versions = supported(paths)
        used = negotiate(settings.conflist.versions, versions)
    except AdapterError as problem:
        return Unavailable(str(problem), packages)
    chain = [plugin["type"] for plugin in settings.conflist.plugins]
    details = {"cniVersion": used}
    owners = packages_of(tuple(paths.values()))
    for kind, path in paths.items():
        owner = owners.get(path)
        details[kind] = version(path, owner)
        details[f"{kind} path"] = str(path)
        details[f"{kind} supports"] = " ".join(versions[kind])
        if owner:
            details[f"{kind} package"] = " ".join(owner)
    for program in settings.programs:
        details[program] = _first_line([program, "--version"])
    product = f"CNI plugin{'s' if len(chain) > 1 else ''} {', '.join(chain)}"
    return Identity(product, details[chain[0]], details)


def version(path: Path, owner: tuple[str, str] | None) -> str:
    """The plugin's version: what it prints without a command, else the upstream part of its package's version, else the
    beginning of its SHA-256: binaries that do not say who they are can still be told apart."""
    line = _first_line([str(path)])
    said = None if line.startswith("{") else VERSION.search(line)  # an error object tells of CNI's version
    if said:
        return said[1]
    if owner is None:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    upstream = owner[1].partition(":")[2] or owner[1]
    return re.split(r"[-+~]", upstream, maxsplit=1)[0]


@cache
def packages_of(paths: tuple[Path, ...]) -> dict[Path, tuple[str, str]]:
    """Name and version of the Debian package that owns each file; a file of no package is left out."""
    named: dict[str, str] = {}
    for line in _output(["dpkg-query", "-S", *(str(path.resolve()) for path in paths)]).splitlines():
        owner, separator, place = line.partition(": ")
        if separator:
            named[place] = owner
    text = (
        _output(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *sorted(set(named.values()))]) if named else ""
    )
    numbers = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    owners = {path: named.get(str(path.resolve()), "").partition(":")[0] for path in paths}
    return {path: (owner, numbers[owner]) for path, owner in owners.items() if owner in numbers}


def _first_line(command: list[str]) -> str:
    return _output(command, errors=True).strip().partition("\n")[0].strip()


def _output(command: list[str], *, errors: bool = False) -> str:
    """What a program prints; with `errors` its standard error where it prints nothing else. Empty if it cannot be run.

    An empty CNI_COMMAND asks a plugin about itself: nothing else is in its environment that it could act on.
    """
    environment = {"PATH": plugins.search_path(), "CNI_COMMAND": ""}
    try:
        ended = plugins.run_here(command, timeout=limits.COMMAND, environment=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.stdout.strip() or not errors else ended.stderr
