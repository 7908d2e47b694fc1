"""The words of the command line that several commands share: choices, arguments, options, and what completes them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Listing(StrEnum):
    """What can be listed."""

    profiles = "profiles"
    requirements = "requirements"
    classes = "classes"
    adapters = "adapters"
    scenarios = "scenarios"
    testbeds = "testbeds"
    dialects = "dialects"
    families = "families"
    roles = "roles"
    features = "features"


class Schema(StrEnum):
    """What has a published JSON Schema."""

    profile = "profile"
    testbed = "testbed"
    recording = "recording"
    report = "report"
    difference = "difference"


class Start(StrEnum):
    """What a start can be written for."""

    profile = "profile"
    adapter = "adapter"
    check = "check"
    family = "family"


class FailOn(StrEnum):
    """What ends a run with 1."""

    regression = "regression"
    must = "must"
    should = "should"


class Pairs(StrEnum):
    """Which pairs: every one, or those of one kind of meeting."""

    all = "all"
    workload = "workload"
    lldp = "lldp"
    lacp = "lacp"
    bridge = "bridge"


class Colour(StrEnum):
    """Whether colours are printed."""

    auto = "auto"
    always = "always"
    never = "never"


class Format(StrEnum):
    """How a difference is printed."""

    text = "text"
    markdown = "markdown"
    json = "json"


def profiles_that_begin(incomplete: str) -> list[str]:
    """Profiles whose names begin so."""
    from conformance.places import PROFILES

    return sorted(path.stem for path in PROFILES.glob(f"{incomplete}*.toml"))


def testbeds_that_begin(incomplete: str) -> list[str]:
    """Testbeds whose names begin so."""
    from conformance.places import TESTBEDS

    return sorted(path.stem for path in TESTBEDS.glob(f"{incomplete}*.toml"))


def requirements_that_begin(incomplete: str) -> list[str]:
    """Families and requirements whose names begin so."""
    from conformance.family import families
    from conformance.requirement import catalogue

    return [name for name in (*families(), *catalogue()) if name.startswith(incomplete)]


def explainable(incomplete: str) -> list[str]:
    """Requirements, families and classes that begin so."""
    from conformance.classes import classes

    return [*requirements_that_begin(incomplete), *(name for name in classes() if name.startswith(incomplete))]


Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PROFILE]...", help="Profiles by name or path.", autocompletion=profiles_that_begin),
]
Folders = Annotated[list[Path], typer.Argument(metavar="DIR...", exists=True, file_okay=False, help="Folders of runs.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="FAMILY_OR_ID",
        help="Judge only this; repeatable, or with commas.",
        autocompletion=requirements_that_begin,
    ),
]
Testbeds = Annotated[
    list[str] | None,
    typer.Option("--testbed", metavar="NAME", help="Testbed; repeatable (all).", autocompletion=testbeds_that_begin),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where recordings and reports go.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a profile's key.")]
AllowFlaky = Annotated[
    bool, typer.Option("--allow-flaky", help="Let through what passed in some attempts and not in others.")
]
FiguresGate = Annotated[
    bool, typer.Option("--figures-gate", help="End 1 as well where a figure is worse than its noise between runs.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print everything: the whole matrix, the whole plan.")]
Rename = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Name of the one profile in the matrix.")]
Reports = Annotated[list[Path], typer.Argument(metavar="REPORT...", exists=True, help="Reports, or folders of runs.")]
