"""A device outside of this machine, at the other ends of the NICs of a physical testbed, configured by hand.

Nothing is told to it and nothing asked: it is judged by what its ports send and by what it makes of our frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from conformance.adapters.discovery import Told
from conformance.adapters.interface import AdapterError, Identity, Port
from conformance.lab.lab import PARTNERS, Lab


class OutsideDevice:
    """Its ports, which are called as the testbed calls them."""

    def __init__(self, lab: Lab, told: Told) -> None:
        self._lab = lab
        self._told = told

    def ports(self) -> Sequence[Port]:
        """The other ends of the NICs, in the order of the testbed. Raises AdapterError where it names none."""
        partners = self._lab.partners
        if partners is None or not self._lab.testbed.physical:
            raise AdapterError("it is outside of this machine: name a testbed whose [physical] maps ports to NICs")
        return [
            Port(f"{host.name}.{number}", host.name, "", partners, PARTNERS, cable.far)
            for host in self._lab.hosts.values()
            for number, cable in enumerate(host.cables, 1)
            if not cable.interface
        ]

    def told(self) -> Told:
        """What the profile says of its times."""
        return self._told


class OutsideAdapter:
    """Nothing runs here; the machine's NICs are ours for as long as a recording takes."""

    weight = 1
    needs_root = True

    def __init__(self, identity: Identity, told: Told) -> None:
        self._identity = identity
        self._told = told

    def identify(self) -> Identity:
        """As the profile says: nobody asks the device."""
        return self._identity

    def plan(self) -> tuple[str, ...]:
        """What is taken."""
        return (
            "the NICs that the testbed names are moved into the lab, and back at the end; the device is left alone",
        )

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[OutsideDevice]:
        """The device, as it is."""
        yield OutsideDevice(lab, self._told)
