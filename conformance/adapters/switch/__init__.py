"""Switches over SSH, each in its own dialect (`dialects/`): what is wanted is rendered, applied and read back."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from conformance.adapters.discovery import Told
from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.network import refusals
from conformance.adapters.switch import device
from conformance.adapters.switch.dialect import Dialect, load
from conformance.adapters.switch.outside import OutsideAdapter
from conformance.adapters.switch.subject import FAMILIES, SwitchNetwork
from conformance.errors import UsageError
from conformance.lab.lab import Lab
from conformance.profile import Profile, Strict, explain

LIBRARIES: Final = ("netmiko", "textfsm", "ntc_templates")


class Settings(Strict):
    """The table `[adapter]`: the dialect, by name or as a path beside the profile's own, and the `device`: one that the
    lab itself runs (``frr``), or one ``outside``, at the other ends of the NICs of a physical testbed.

    Of that one, which somebody configures by hand, `product` and `version` are as they shall be in the report, and
    `interval` and `hold` the times that its LLDP agent keeps.
    """

    dialect: str = ""
    device: Literal["frr", "outside"]
    product: str = ""
    version: str = ""
    interval: float = 30.0
    hold: int | None = None


def adapter(profile: Profile) -> SwitchAdapter | OutsideAdapter:
    """The adapter of a switch's profile. Raises UsageError for wrong settings or a dialect that is not there."""
    try:
        settings = Settings.model_validate(profile.adapter)
    except ValidationError as problem:
        raise UsageError(explain(problem, f"{profile.name}: adapter", Settings)) from None
    if settings.device == "outside":
        if not settings.product:
            raise UsageError(f"{profile.name}: adapter.product: this key is missing; say what the device is")
        identity = Identity(settings.product, settings.version or "unknown")
        return OutsideAdapter(identity, Told(settings.interval, settings.hold))
    if not settings.dialect:
        raise UsageError(f"{profile.name}: adapter.dialect: this key is missing; `plugfest list dialects` names them")
    return SwitchAdapter(load(settings.dialect))


class SwitchAdapter:
    """A switch on each host of the lab, spoken to over SSH."""

    weight = 2
    needs_root = True

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def identify(self) -> Identity | Unavailable:
        """The routing daemon's version; unavailable without it, or without the libraries that speak SSH."""
        for name in LIBRARIES:
            if importlib.util.find_spec(name) is None:
                return Unavailable(f"{name} is not installed: pip install 'plugfest[switch]'")
        missing = device.absent()
        if missing:
            return Unavailable(f"{Path(missing).name} is not installed", device.PACKAGES)
        return Identity("FRRouting", device.version(), {"dialect": f"{self._dialect.name} ({self._dialect.tried})"})

    def plan(self) -> tuple[str, ...]:
        """Every command that would be sent, in its order, with what undoes it."""
        wanted = [
            *(("forwarding", {"protocol": protocol}) for protocol, _ in FAMILIES),
            *(
                ("gateway", {"port": BRIDGE, "protocol": protocol, "address": f"{{workload_ipv{version}}}[1]"})
                for protocol, version in FAMILIES
            ),
            ("port", {"port": "ep1", "description": "h1a"}),
        ]
        lines = [
            f"bridge {BRIDGE}, zebra, sshd with vtysh as login shell on each host; over SSH ({self._dialect.title}):"
        ]
        for name, values in wanted:
            intent = self._dialect.find(name)
            lines += [f"  {line}" for line in self._dialect.lines(intent.apply, {**values, "before": {}, "rows": []})]
            check = self._dialect.word(self._dialect.show[intent.check.show].command, values)
            lines.append(f"  ({name} is read back with {check!r})")
        return (*lines, "at the end the same in reverse: what was changed is undone; nothing is saved")

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[SwitchNetwork]:
        """The switches, running and configured; their configuration is undone at the end. Raises AdapterError."""
        network = SwitchNetwork(lab, self._dialect)
        try:
            with refusals("switch"):
                network.start()
            yield network
        finally:
            network.leave()
