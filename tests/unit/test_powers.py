"""Optional powers of subjects: declared, never guessed from the name of a method."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

import pytest

import conformance.adapters
import conformance.families
from conformance.adapters.interface import AdapterError, members, power_of
from conformance.adapters.interface.powers import Explaining, Moving, Outside
from conformance.extension import modules
from conformance.selftest.subject import FaultySubject


class Undeclared:
    """Has a method that is called as that of a power, and means something else."""

    def host_side(self, host: Any, name: str) -> str:
        return f"{name} of {host}"


class Declared(Undeclared):
    powers = (Outside,)


class Careless:
    powers = (Moving,)
    moves = ("restart",)

    def move(self, *_: Any) -> None: ...


def test_a_method_is_no_power() -> None:
    assert power_of(Undeclared(), Outside) is None


def test_a_declared_power_is_the_subject_itself() -> None:
    subject: Any = Declared()
    assert power_of(subject, Outside) is subject
    assert power_of(subject, Moving) is None


def test_a_power_without_its_method_is_one_clear_line() -> None:
    with pytest.raises(AdapterError) as raised:
        power_of(Careless(), Moving)
    assert str(raised.value) == "Careless declares the power Moving and has no target_namespace"


def test_a_power_consists_of_what_it_extends_too() -> None:
    class Resting(Moving, Protocol):
        rests: bool

    assert members(Resting) == ("rests", "target_namespace", "move", "moves")


def test_the_interface_is_no_kind_of_implementation() -> None:
    kinds = modules("conformance.adapters")
    assert "linux" in kinds
    assert "interface" not in kinds


def test_a_fault_passes_on_what_its_network_declares() -> None:
    def of(sound: Any) -> tuple[type, ...]:
        nothing: Any = None
        return FaultySubject(nothing, sound, nothing).powers

    assert of(Undeclared()) == (Explaining,)
    assert of(Declared()) == (Explaining,)


def declaring() -> Iterator[type]:
    """Every class of an adapter or of a fault that declares powers."""
    for package in (conformance.adapters, conformance.families):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for one in vars(import_module(found.name)).values():
                if (
                    isinstance(one, type)
                    and one.__module__ == found.name
                    and isinstance(vars(one).get("powers"), tuple)
                ):
                    yield one


def test_whatever_declares_a_power_has_its_methods() -> None:
    classes = list(declaring())
    assert len(classes) > 20
    for one in classes:
        for power in vars(one)["powers"]:
            lacking = [name for name in members(power) if name in vars(power) and not hasattr(one, name)]
            assert not lacking, f"{one.__name__}: {power.__name__}: {lacking}"
