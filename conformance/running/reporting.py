"""From what a run has judged to its reports: one folder for each implementation."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import conformance
from conformance.attest import manifest
from conformance.judging import cables
from conformance.judging.plan import Instance
from conformance.pairs.pairing import members
from conformance.profile import Profile
from conformance.recording.store import Recording
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Absence, FigureLimit, Header, Implementation, Report
from conformance.report.store import NAME as REPORT
from conformance.report.store import text_of, write, write_partial
from conformance.requirement import catalogue_hash
from conformance.running.choices import durations, left_out, profile_text, repeated, switched_off
from conformance.verdict import Outcome

if TYPE_CHECKING:
    from conformance.adapters.interface import Identity, Unavailable


@dataclass(frozen=True)
class About:
    """What a report says of the run that it comes from."""

    testbeds: tuple[str, ...]
    scenarios: tuple[str, ...]
    only: tuple[str, ...]
    variant: Literal["fast", "thorough"]
    attempts: int
    command: str
    kernel: str


@dataclass(frozen=True)
class Judged:
    """What a run has of one implementation: its plan, outcomes and recordings, and those of the control.

    `identity` is what the implementation said of itself when it was recorded, None where stored recordings are judged.
    """

    profile: Profile
    about: About
    planned: Sequence[Instance]
    outcomes: Sequence[Outcome]
    recordings: Sequence[Recording]
    control_outcomes: Sequence[Outcome]
    control_recordings: Sequence[Recording]
    identity: Identity | None
    unavailable: Unavailable | None


def write_report(judged: Judged, out: Path, recordings: Path, *, complete: bool) -> Report:
    """Write ``report.json`` of one implementation below `out`; a partial one has no footer.

    `recordings` is the folder that the manifest's paths begin at. The manifest is there first: a report that can be
    found has its manifest, whenever the run ends.
    """
    report = report_of(judged, complete=complete)
    folder = out / judged.profile.name
    (folder / REPORT).unlink(missing_ok=True)
    if report.partial:
        (folder / manifest.NAME).unlink(missing_ok=True)
        write_partial(report, folder)
        return report
    behind = [*judged.control_recordings, *judged.recordings]
    hashes = manifest.recording_hashes(recordings, behind)
    manifest.write(report, text_of(report), folder, judged.profile, hashes)
    write(report, folder)
    return report


def report_of(judged: Judged, *, complete: bool) -> Report:
    """The report of one implementation, as far as the run came."""
    profile = judged.profile
    owed = [(one.check.requirement.id, one.outcome_parameters) for one in judged.planned]
    asked = set(owed)
    if profile.links:  # the plain cables of each lab are the control of a port with a partner
        tried = map(cables.outcome, judged.recordings)
        control = [each for each in tried if each is not None]
    else:
        control = [each for each in judged.control_outcomes if (each.requirement, each.parameters) in asked]
    return from_outcomes(
        header(judged),
        judged.outcomes,
        profile.deviations,
        planned=owed,
        control=control_of(control) if control or profile.links else None,
        complete=complete,
    )


def header(judged: Judged) -> Header:
    """What was judged, with what, where and when; of stored recordings, as they were made."""
    profile, about, gone = judged.profile, judged.about, judged.unavailable
    first = judged.recordings[0].record if judged.recordings else None
    identity = judged.identity or (first.identity if first else None)
    implementation = None
    if gone is None:
        product, version = (identity.product, identity.version) if identity else ("unknown", "unknown")
        details = dict(identity.details) if identity else {}
        stated = profile.version is not None
        implementation = Implementation(
            product=product, version=profile.version or version, stated=stated, details=details
        )
    started = first.started_ns / 1e9 if first else datetime.datetime.now(datetime.UTC).timestamp()
    return Header(
        version=first.suite if first else conformance.__version__,
        catalogue=catalogue_hash(),
        profile=profile.name,
        title=profile.title,
        roles=profile.roles,
        claims=profile.claims,
        pair=members(profile),
        implementation=implementation,
        unavailable=None if gone is None else Absence(reason=gone.reason, packages=gone.packages),
        kernel=first.kernel if first else about.kernel,
        testbeds=about.testbeds,
        scenarios=about.scenarios,
        only=about.only,
        date=datetime.datetime.fromtimestamp(int(started), datetime.UTC),
        command=about.command,
        variant=first.variant if first else about.variant,
        attempts=about.attempts,
        left_out=left_out(profile, about.testbeds),
        switched_off=switched_off(profile),
        repeated=repeated(judged.recordings),
        recorded=durations(judged.recordings),
        limits=tuple(FigureLimit(**limit.model_dump()) for limit in profile.limits),
        profile_text=profile_text(profile),
    )
