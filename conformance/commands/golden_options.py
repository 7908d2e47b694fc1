"""The command line of ``plugfest golden``: parse and call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Recordings kept with every verdict that they give.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Goldens = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Golden recordings; every one without a name.")
]


@app.command("make")
def golden_make(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Faults, requirements or families that they fail, PROFILE-TESTBED-SCENARIO; all without one.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", exists=True, file_okay=False, help="Take them from an earlier run."),
    ] = None,
) -> None:
    """Record in a lab, and keep with the verdicts that are given."""
    from conformance.commands.golden import make

    raise typer.Exit(make(names or (), source))


@app.command("list")
def golden_list(
    names: Goldens = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="Those older than their scenario or requirements; end 1 if there are any.")
    ] = False,
) -> None:
    """List names, sizes, what each is of and fails, and what is stale."""
    from conformance.commands.golden import list_all

    raise typer.Exit(list_all(names or (), stale=stale))


@app.command("accept")
def golden_accept(names: Goldens = None) -> None:
    """Print verdicts that changed, and expect them from now on."""
    from conformance.commands.golden import accept_all

    raise typer.Exit(accept_all(names or ()))
