"""CNI plugins: any network configuration list, executed as a container runtime does. No plugin needs Python here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.adapters.cni import identity
from conformance.adapters.cni import plugin as plugins
from conformance.adapters.cni.settings import Settings, settings_of
from conformance.adapters.cni.subject import CniSubject
from conformance.adapters.cni.versions import negotiate
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.lab.lab import Lab
from conformance.profile import Profile


def adapter(profile: Profile) -> CniAdapter:
    """The adapter of a CNI profile. Raises UsageError for wrong settings."""
    return CniAdapter(profile, settings_of(profile))


class CniAdapter:
    """One network configuration list and the binaries that it names."""

    weight = 1
    needs_root = False

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self.settings = settings
        self._profile = profile

    def identify(self) -> Identity | Unavailable:
        """Version and path of every plugin; Unavailable names the binary or program that is missing."""
        return identity.identify(self.settings, self._profile.packages)

    def plan(self) -> tuple[str, ...]:
        """The calls of plugins for one endpoint, with their configuration."""
        settings = self.settings
        lines = []
        for number, plugin in enumerate(settings.conflist.plugins):
            config = {"name": settings.conflist.name, **plugin}
            chained = ", prevResult chained" if number else ""
            lines.append(
                f"CNI_COMMAND=ADD CNI_IFNAME={settings.interface} {_shown_path(settings, plugin['type'])}"
                f" <<< {json.dumps(config)}{chained}"
            )
        order = ", ".join(plugin["type"] for plugin in reversed(settings.conflist.plugins))
        return (*lines, f"CNI_COMMAND=DEL in reverse order ({order}), with the kept result of ADD as prevResult")

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[CniSubject]:
        """Nothing runs before the first endpoint: the list is made ready for every host.

        Raises AdapterError where a binary is missing or no version is common.
        """
        paths = identity.locate(self.settings)
        if isinstance(paths, str):
            raise AdapterError(paths)
        pinned = len(set(self.settings.conflist.versions)) == 1
        version = negotiate(self.settings.conflist.versions, {} if pinned else identity.supported(paths))
        yield CniSubject(lab, self.settings, self._profile.name, version)


def _shown_path(settings: Settings, kind: str) -> str:
    return str(plugins.find(kind, settings.folders) or settings.folders[0] / kind)
