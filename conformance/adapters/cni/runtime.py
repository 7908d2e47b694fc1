"""A CNI runtime: executes a network configuration list for an attachment (CNI SPEC §3).

It chains the plugins by prevResult, hands capability arguments to the plugins that declare them, and keeps the result
of every attachment in a file, with the configuration and the parameters it was made by: DEL and CHECK read it.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conformance.adapters.cni import plugin as plugins
from conformance.adapters.cni import result as results
from conformance.adapters.cni.settings import IDENTIFIER
from conformance.adapters.cni.versions import CHECK_SINCE, at_least
from conformance.adapters.interface import AdapterError


@dataclass(frozen=True, slots=True)
class Network:
    """A network configuration list, ready for one host: no placeholder left, one version."""

    name: str
    version: str
    plugins: tuple[Mapping[str, Any], ...]
    disable_check: bool = False


@dataclass(frozen=True, slots=True)
class CniContainer:
    """The parameters of one attachment (CNI SPEC §3 "Attachment Parameters").

    `capabilities` maps a capability to its argument. Raises ValueError for an ID that the specification forbids.
    """

    id: str
    netns: str
    interface: str = "eth0"
    args: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(IDENTIFIER, self.id):
            raise ValueError(f"{self.id!r} is no CNI container ID")


@dataclass(frozen=True, slots=True)
class Cached:
    """What is kept of an attachment from ADD to DEL."""

    network: Network
    container: CniContainer
    result: Mapping[str, Any]


def execution_config(
    network: Network, plugin: Mapping[str, Any], container: CniContainer, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The configuration that one plugin gets (CNI SPEC §3 "Deriving execution configuration")."""
    config = {key: value for key, value in plugin.items() if key != "capabilities"}
    config |= {"cniVersion": network.version, "name": network.name}
    declared = {name for name, on in plugin.get("capabilities", {}).items() if on}
    given = {name: value for name, value in container.capabilities.items() if name in declared}
    if given:
        config["runtimeConfig"] = given
    if previous is not None:
        config["prevResult"] = previous
    return config


class Runtime:
    """The runtime of one host; operations for different containers may run at the same time.

    `run` runs a program on that host, `folders` hold the plugins' binaries, `cache` is the folder of the kept results,
    and `log` a file that gets one JSON line for each call of a plugin.
    """

    def __init__(
        self, run: plugins.Runner, folders: Sequence[Path], network: Network, cache: Path, log: Path | None = None
    ) -> None:
        self.network = network
        self._run = run
        self._folders = tuple(folders)
        self._cache = cache
        self._log = log
        self._writing = threading.Lock()
        cache.mkdir(parents=True, exist_ok=True)

    def add(self, container: CniContainer) -> dict[str, Any]:
        """ADD in the order of the list; returns the result of the last plugin.

        Raises AdapterError; the attachment is then deleted again ("a delete must still be executed even if the add
        fails"), and what goes wrong there is part of the text.
        """
        previous: dict[str, Any] | None = None
        try:
            for plugin in self.network.plugins:
                text = self._call("ADD", self.network, plugin, container, previous)
                previous = results.load(text, plugin["type"])
        except AdapterError as problem:
            try:
                self._delete(self.network, container, None)
            except AdapterError as further:
                raise AdapterError(f"{problem}; and then {further}") from problem
            raise
        assert previous is not None
        self._keep(Cached(self.network, container, previous))
        return previous

    def delete(self, container: CniContainer) -> None:
        """DEL in reverse order, with configuration, parameters and result as kept by ADD. Raises AdapterError.

        Without a kept result the given parameters are used and no prevResult is passed: DEL may be repeated.
        """
        kept = self.cached(container)
        if kept is None:
            self._delete(self.network, container, None)
            return
        self._delete(kept.network, kept.container, kept.result)
        self._place(container).unlink(missing_ok=True)

    def check(self, container: CniContainer) -> None:
        """CHECK in the order of the list. Raises AdapterError, also where there is nothing to check."""
        kept = self.cached(container)
        if kept is None:
            raise AdapterError(f"CHECK of {container.id}/{container.interface}: it is not attached")
        if not at_least(kept.network.version, CHECK_SINCE):
            raise AdapterError(f"CNI {kept.network.version} has no CHECK; it came with {CHECK_SINCE}")
        if kept.network.disable_check:
            return
        for plugin in kept.network.plugins:
            self._call("CHECK", kept.network, plugin, kept.container, kept.result)

    def cached(self, container: CniContainer) -> Cached | None:
        """What is kept of an attachment, None if it is not attached."""
        try:
            data = json.loads(self._place(container).read_text())
        except FileNotFoundError:
            return None
        network = {**data["network"], "plugins": tuple(data["network"]["plugins"])}
        return Cached(Network(**network), CniContainer(**data["container"]), data["result"])

    def attachments(self) -> list[dict[str, Any]]:
        """Everything that is kept, as JSON values."""
        return [json.loads(path.read_text()) for path in sorted(self._cache.glob("*.json"))]

    def _delete(self, network: Network, container: CniContainer, final: Mapping[str, Any] | None) -> None:
        previous = final if at_least(network.version, CHECK_SINCE) else None
        for plugin in reversed(network.plugins):
            self._call("DEL", network, plugin, container, previous)

    def _place(self, container: CniContainer) -> Path:
        return self._cache / f"{self.network.name}-{container.id}-{container.interface}.json"

    def _keep(self, cached: Cached) -> None:
        place = self._place(cached.container)
        draft = place.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(cached), indent=1))
        draft.replace(place)

    def _call(
        self,
        command: str,
        network: Network,
        plugin: Mapping[str, Any],
        container: CniContainer,
        previous: Mapping[str, Any] | None,
    ) -> str:
        path = plugins.find(plugin["type"], self._folders)
        if path is None:
            where = ", ".join(str(folder) for folder in self._folders)
            raise AdapterError(f"there is no CNI plugin {plugin['type']!r} in {where}")
        config = execution_config(network, plugin, container, previous)
        environment = {
            "CNI_CONTAINERID": container.id,
            "CNI_NETNS": container.netns,
            "CNI_IFNAME": container.interface,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in container.args.items()),
            "CNI_PATH": os.pathsep.join(str(folder) for folder in self._folders),
        }
        entry = {"command": command, "plugin": str(path), "environment": environment, "config": config}
        try:
            text = plugins.call(self._run, path, command, config, environment)
        except AdapterError as problem:
            self._note({**entry, "error": str(problem)})
            raise
        self._note({**entry, "output": text})
        return text

    def _note(self, entry: Mapping[str, Any]) -> None:
        if self._log is None:
            return
        with self._writing, self._log.open("a") as log:
            log.write(json.dumps(entry) + "\n")
