"""The command line: parse and call. No logic here, and no heavy import before a command needs it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from conformance import __version__, limits
from conformance.commands.console import choose_colour
from conformance.commands.ending import end
from conformance.commands.golden_options import app as golden
from conformance.commands.options import (
    AllowFlaky,
    Colour,
    FailOn,
    FiguresGate,
    Folders,
    Format,
    Listing,
    Names,
    Only,
    Out,
    Pairs,
    Rename,
    Reports,
    Schema,
    Settings,
    Start,
    Testbeds,
    Verbose,
    explainable,
)
from conformance.errors import UsageError

app = typer.Typer(
    name="plugfest",
    help="An unattended plugfest: network implementations in a lab, recorded on every wire, judged against standards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help in plain words: importing rich takes longer than everything else here
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(golden, name="golden")


@app.command()
def run(  # noqa: PLR0917 - typer makes each an option of its own
    profiles: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every profile that ships with the suite.")] = False,
    only: Only = None,
    testbed: Testbeds = None,
    out: Out = None,
    settings: Settings = None,
    rename: Rename = None,
    repeat: Annotated[
        int,
        typer.Option(
            min=1, max=100, metavar="N", help="Record every scenario N times; say how stable the verdicts are."
        ),
    ] = 1,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(metavar="REPORT", exists=True, help="Compare with this; further ones show the noise of figures."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            help="End 1 on a failing MUST or SUITE (must), SHOULD as well, or on a regression (with baseline)."
        ),
    ] = None,
    allow_flaky: AllowFlaky = False,
    figures_gate: FiguresGate = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="The long windows (hours).")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would be started, sent, judged; do nothing.")
    ] = False,
    pair: Annotated[
        bool, typer.Option("--pair", help="Two in one lab, each against the other: every pair of the profiles named.")
    ] = False,
    pairs: Annotated[
        Pairs | None, typer.Option(help="Every pair of those that meet, or of one kind of meeting.")
    ] = None,
    matrix_only: Annotated[
        bool, typer.Option("--matrix", help="End 0 when the matrix is complete, whatever its verdicts.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Record profiles in labs, judge them, and say what fails.

    Without a profile it is the set that needs only the kernel.
    """
    from conformance.commands.runs import Gate, run_profiles
    from conformance.running.request import Request

    request = Request(
        profiles=tuple(profiles or ()),
        testbeds=tuple(testbed or ()),
        only=tuple(only or ()),
        settings=tuple(settings or ()),
        rename=rename,
        attempts=repeat,
        thorough=thorough,
        out=out,
        command=("plugfest", *sys.argv[1:]),
        pairs=pair or pairs is not None,
        circles=() if pairs in (None, Pairs.all) else (pairs.value,),
    )
    gate = Gate(
        fail_on.value if fail_on else None,
        tuple(baseline or ()),
        allow_flaky=allow_flaky,
        figures_gate=figures_gate,
        matrix_only=matrix_only,
        verbose=verbose,
    )
    raise typer.Exit(run_profiles(request, gate, everything=everything, plan=plan))


CaptureRole = Annotated[
    str | None,
    typer.Option("--role", metavar="ROLE", help="lldp-agent, lacp-partner, bridge or mover (what is there)."),
]
Sender = Annotated[str | None, typer.Option("--mac", metavar="ADDR", help="Judge this sender alone (every one).")]


@app.command()
def judge(  # noqa: PLR0917 - typer makes each an option of its own
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]...", exists=True, file_okay=False, help="Folders of runs.")
    ] = None,
    capture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A pcap or pcapng file from anywhere."),
    ] = None,
    role: CaptureRole = None,
    mac: Sender = None,
    out: Out = None,
    verbose: Verbose = False,
) -> None:
    """Judge recordings, or a capture, without a lab and without root.

    Of a capture, what needs a stimulus is inconclusive (exit code 3) and the rest decided.
    """
    if capture is not None:
        if folders:
            raise UsageError("--capture: name either a capture or folders")
        from conformance.commands.capture import judge_capture

        raise typer.Exit(judge_capture(capture, role=role, mac=mac, out=out))
    if not folders or role is not None or mac is not None:
        raise UsageError("judge: name a folder of a run, or --capture FILE (with --role and --mac, if wanted)")
    from conformance.commands.runs import judge_folders

    raise typer.Exit(judge_folders(folders, out, verbose=verbose))


@app.command()
def listen(
    interface: Annotated[str, typer.Argument(metavar="IFACE", help="An interface of this machine.")],
    seconds: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 60s, 5m.")] = "60s",
    role: CaptureRole = None,
    mac: Sender = None,
    out: Out = None,
) -> None:
    """Judge what is heard on an interface; nothing is sent."""
    from conformance.commands.capture import listen as hear

    raise typer.Exit(hear(interface, seconds=seconds, role=role, mac=mac, out=out))


@app.command()
def matrix(
    folders: Folders,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as Markdown as well.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as one self-contained page.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an overview as SVG.")] = None,
) -> None:
    """Print the reports of one or more runs side by side."""
    from conformance.commands.matrix import show_matrix

    raise typer.Exit(show_matrix(folders, markdown=markdown, html=html, picture=picture))


@app.command()
def show(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", exists=True, file_okay=False, help="Its folder.")],
    only: Annotated[str, typer.Option(metavar="FAMILY_OR_ID", help="The failure that is shown.")] = "",
    frames: Annotated[str, typer.Option(metavar="LIST", help="These frames instead: 12,15-17.")] = "",
    flow: Annotated[int | None, typer.Option(metavar="ID", help="The frames of this flow instead.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the time sequence as a picture.")] = None,
) -> None:
    """Show what a recording's checks say, and its deciding frames."""
    from conformance.commands.show import show_recording

    raise typer.Exit(show_recording(recording, only, frames, flow, svg))


@app.command()
def diff(  # noqa: PLR0917 - typer makes each an option of its own
    old: Annotated[Path, typer.Argument(metavar="OLD", exists=True, help="A report, or a folder of reports.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", exists=True, help="The same, later.")],
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.text,
    noise: Annotated[
        list[Path] | None,
        typer.Option(metavar="REPORT", exists=True, help="Another run of the old, to measure the noise of figures."),
    ] = None,
    allow_flaky: AllowFlaky = False,
    figures_gate: FiguresGate = False,
) -> None:
    """Compare two reports; end with 1 if something became worse.

    0: nothing is worse; 1: something is; 3: that cannot be said.
    """
    from conformance.commands.differences import show_difference

    code = show_difference(
        old, new, form.value, further=noise or (), allow_flaky=allow_flaky, figures_gate=figures_gate
    )
    raise typer.Exit(code)


@app.command()
def verify(
    reports: Reports,
    recordings: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, file_okay=False, help="The run's folder, if elsewhere.")
    ] = None,
    keys: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", exists=True, help="Check the signed statement with one of these keys."),
    ] = None,
) -> None:
    """Verify that reports say what their recordings show.

    Hashes are compared, everything is judged again, and changes are named.
    """
    from conformance.commands import verify as verifying

    raise typer.Exit(verifying.verify(reports, recordings, keys or []))


@app.command()
def sign(
    reports: Reports,
    keys: Annotated[
        list[Path], typer.Option("--key", metavar="FILE", exists=True, help="A private ed25519 key (PEM); repeatable.")
    ],
    expires: Annotated[
        str, typer.Option(metavar="DAY", help="The last day on which it holds, such as 2027-12-31.")
    ] = "",
) -> None:
    """Sign reports, so that `verify --key` can check them.

    An in-toto statement is written beside each; no network is needed.
    """
    from conformance.commands import verify as verifying

    raise typer.Exit(verifying.sign(reports, keys, expires))


@app.command("list")
def list_(what: Listing) -> None:
    """List profiles, requirements, families and other things."""
    from conformance.commands import listing

    for line in getattr(listing, what.value)():
        typer.echo(line)


@app.command()
def selftest(  # noqa: PLR0917 - typer makes each an option of its own
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Faults, requirements or families; all without one.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the recordings in this folder.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the matrix as Markdown as well.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything as JSON as well.")] = None,
    survey: Annotated[
        list[str] | None,
        typer.Option(metavar="FAMILY", help="Alter stored recordings instead, one thing at a time: who notices?"),
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, help="The recordings that --survey alters.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, metavar="N", help="Alterations of --survey (1000).")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which sample --survey draws.")] = 0,
    verbose: Annotated[bool, typer.Option(help="With --survey: every survivor in a line of its own.")] = False,
) -> None:
    """Try the checks on networks that misbehave on purpose."""
    if survey:
        from conformance.commands.survey import survey_families

        raise typer.Exit(survey_families(survey, recordings=recordings, sample=sample, seed=seed, verbose=verbose))
    from conformance.commands.selftest import judge_the_suite

    raise typer.Exit(judge_the_suite(names or [], keep=keep, markdown=markdown, json=json))


@app.command()
def badge(
    reports: Reports,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where they go.")] = Path("badges"),
    name: Annotated[str | None, typer.Option("--class", metavar="CLASS", help="Of this conformance class.")] = None,
) -> None:
    """Write a badge for each report, as SVG and as JSON."""
    from conformance.commands.badges import write_badges

    raise typer.Exit(write_badges(reports, out, name))


@app.command()
def explain(
    name: Annotated[
        str, typer.Argument(metavar="REQUIREMENT", help="An id, a family or a class.", autocompletion=explainable)
    ],
) -> None:
    """Explain a requirement: its clause, its check, its faults."""
    from conformance.commands import explain as explaining

    typer.echo(explaining.explain(name))


@app.command()
def new(
    what: Start,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; for a check FAMILY.what-holds.")],
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="Where to write it.")] = Path(),
) -> None:
    """Write a profile, adapter, family or check to start from."""
    from conformance.commands import scaffold

    made = getattr(scaffold, f"new_{what.value}")(name, folder)
    typer.echo("next:\n" + "\n".join(f"  {line}" for line in made))


@app.command()
def doctor(profiles: Names = None) -> None:
    """Say what this machine can run and which package is missing."""
    from conformance.commands.doctor import examine

    raise typer.Exit(examine(profiles or ()))


@app.command()
def schema(what: Schema) -> None:
    """Print the JSON Schema of a profile, testbed or report."""
    from conformance.commands.schemas import schema_of

    typer.echo(schema_of(what.value))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plugfest {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    color: Annotated[Colour, typer.Option(help="Colours: as the terminal is, always, or never.")] = Colour.auto,
) -> None:
    """An unattended plugfest."""
    choose_colour(color.value)


def main() -> NoReturn:
    """The command ``plugfest``; see `conformance.commands.ending` for its exit codes."""
    gc.set_threshold(*limits.GARBAGE)
    end(app)
