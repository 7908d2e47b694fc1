"""The settings of a CNI profile: a network configuration list as TOML, and where the plugins' binaries lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, field_validator

from conformance.adapters.cni import placeholders
from conformance.adapters.cni.versions import SPOKEN
from conformance.profile import Profile
from conformance.validation import Strict

IDENTIFIER: Final = r"^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$"
"""Network names and container IDs (CNI SPEC §1 Configuration format, §3 Attachment Parameters)."""
INTERFACE_NAME: Final = r"^[^/:\s]{1,15}$"


class Conflist(Strict):
    """A network configuration list (CNI SPEC §1). The plugins' own keys are passed on unaltered.

    Without `cniVersion` and `cniVersions` the highest version that every plugin of the list supports is used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[str, Field(pattern=IDENTIFIER)] = "plugfest"
    cni_version: Annotated[str | None, Field(alias="cniVersion")] = None
    cni_versions: Annotated[tuple[str, ...], Field(alias="cniVersions")] = ()
    disable_check: Annotated[bool, Field(alias="disableCheck")] = False
    disable_gc: Annotated[bool, Field(alias="disableGC")] = False
    plugins: Annotated[tuple[Mapping[str, Any], ...], Field(min_length=1)]

    @field_validator("cni_version", "cni_versions")
    @classmethod
    def _spoken(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for version in [value] if isinstance(value, str) else value or ():
            if version not in SPOKEN:
                raise ValueError(f"CNI {version} is not spoken here; use one of {', '.join(SPOKEN)}")
        return value

    @field_validator("plugins")
    @classmethod
    def _typed(cls, value: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        for number, plugin in enumerate(value):
            kind = plugin.get("type")
            if not isinstance(kind, str) or not re.fullmatch(r"[^/\\\s]+", kind):
                raise ValueError(f"plugin {number}: give it a `type`, the file name of its binary")
            capabilities = plugin.get("capabilities", {})
            if not isinstance(capabilities, dict) or not all(isinstance(on, bool) for on in capabilities.values()):
                raise ValueError(f"plugin {number} ({kind}): capabilities is a table of true or false")
        return value

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that the list says it is written for; empty if it says nothing."""
        return (*((self.cni_version,) if self.cni_version else ()), *self.cni_versions)


class Settings(Strict):
    """The table `[adapter]` of a CNI profile.

    `plugin_dir` is one folder or a list, searched in order. `interface` is CNI_IFNAME, `args` CNI_ARGS.
    `runtime_config` gives capability arguments beyond the suite's own (portMappings, ips); a plugin gets only those
    that its `capabilities` declare. `programs` are executables that the plugins call. A published port P is published
    as host port P + `publish_offset`, or the next one that is free. For each of `tenants` the list is a network of its
    own, named after it. Texts may hold placeholders (see `placeholders`).
    """

    conflist: Conflist
    plugin_dir: tuple[str, ...] = ("/usr/lib/cni",)
    interface: Annotated[str, Field(pattern=INTERFACE_NAME)] = "eth0"
    args: Mapping[str, str] = {}
    runtime_config: Mapping[str, Any] = {}
    programs: tuple[str, ...] = ()
    publish_offset: Annotated[int, Field(ge=0, le=60000)] = 0
    tenants: tuple[Annotated[str, Field(pattern=IDENTIFIER)], ...] = ()

    @field_validator("plugin_dir", mode="before")
    @classmethod
    def _folders(cls, value: Any) -> Any:
        folders = [value] if isinstance(value, str) else value
        if isinstance(folders, list | tuple) and all(isinstance(folder, str) and folder for folder in folders):
            return tuple(str(Path(folder).expanduser().absolute()) for folder in folders)
        return value

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the plugins' binaries, absolute."""
        return tuple(Path(folder) for folder in self.plugin_dir)

    def types(self) -> tuple[str, ...]:
        """Every plugin type of the list in its order, delegated IPAM plugins behind those that call them."""

        def walk() -> Iterator[str]:
            for plugin in self.conflist.plugins:
                yield plugin["type"]
                ipam = plugin.get("ipam")
                if isinstance(ipam, dict) and isinstance(ipam.get("type"), str):
                    yield ipam["type"]

        return tuple(dict.fromkeys(walk()))

    def declares(self, capability: str) -> bool:
        """Whether a plugin of the list declares this capability."""
        return any(plugin.get("capabilities", {}).get(capability) is True for plugin in self.conflist.plugins)


def settings_of(profile: Profile) -> Settings:
    """The checked settings of a profile. Raises UsageError: one line naming profile, key and fix."""
    source = f"{profile.name}: adapter"
    settings = profile.settings(Settings)
    known = placeholders.HOST | (placeholders.TENANT if settings.tenants else frozenset())
    for number, plugin in enumerate(settings.conflist.plugins):
        placeholders.check(plugin, f"{source}.conflist.plugins.{number}", known)
    for key in ("args", "runtime_config"):
        placeholders.check(getattr(settings, key), f"{source}.{key}", known | placeholders.ENDPOINT)
    return settings
