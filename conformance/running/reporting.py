"""From a run to its reports: one folder per implementation, and the matrix over all of them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import conformance
from conformance.attest import manifest
from conformance.judging import cables
from conformance.judging.plan import Instance
from conformance.pairs.pairing import members
from conformance.profile import CONTROL
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Absence, Header, Implementation, Report
from conformance.report.store import write, write_partial
from conformance.requirement import catalogue_hash

if TYPE_CHECKING:
    from conformance.running.run import Run


def write_report(run: Run, name: str, planned: Sequence[Instance], *, complete: bool) -> Report:
    """Write ``report.json`` of one implementation below the run's folder; a partial one has no footer."""
    report = report_of(run, name, planned, complete=complete)
    folder = run.out / name
    if report.partial:
        write_partial(report, folder)
        return report
    base = run.request.recordings or run.out
    behind = [] if name in run.unavailable else run.recorded(name)
    write(report, folder)
    manifest.write(
        report, folder, run.profiles[name], manifest.recording_hashes(base, [*run.recorded(CONTROL), *behind])
    )
    return report


def report_of(run: Run, name: str, planned: Sequence[Instance], *, complete: bool) -> Report:
    """The report of one implementation of a run, as far as it came."""
    assert run.session is not None
    profile = run.profiles[name]
    owed = [(i.check.requirement.id, i.outcome_parameters) for i in planned if i.profile.name == name]
    asked = set(owed)
    if profile.links:  # no plain wire stands in for a port with a partner: the plain cables of each lab do
        tried = map(cables.outcome, run.recorded(name)) if name not in run.unavailable else ()
        control = [each for each in tried if each is not None]
    else:
        control = [each for each in run.session.listed(CONTROL) if (each.requirement, each.parameters) in asked]
    return from_outcomes(
        header(run, name),
        run.session.listed(name),
        profile.deviations,
        planned=owed,
        control=control_of(control) if control or profile.links else None,
        complete=complete,
    )


def header(run: Run, name: str) -> Header:
    """What was judged, with what, where and when; of stored recordings, as they were made."""
    recorded = [recording.record for recording in run.recorded(name)]
    first = recorded[0] if recorded else None
    gone = run.unavailable.get(name)
    identity = run.identities.get(name) or (first.identity if first else None)
    implementation = None
    if gone is None:
        product, version = (identity.product, identity.version) if identity else ("unknown", "unknown")
        details = dict(identity.details) if identity else {}
        implementation = Implementation(product=product, version=version, details=details)
    started = first.started_ns / 1e9 if first else datetime.datetime.now(datetime.UTC).timestamp()
    about = run.about(name)
    return Header(
        version=first.suite if first else conformance.__version__,
        catalogue=catalogue_hash(),
        profile=name,
        title=run.profiles[name].title,
        roles=run.profiles[name].roles,
        claims=run.profiles[name].claims,
        pair=members(run.profiles[name]),
        implementation=implementation,
        unavailable=None if gone is None else Absence(reason=gone.reason, packages=gone.packages),
        kernel=first.kernel if first else about.kernel,
        testbeds=about.testbeds,
        scenarios=about.scenarios,
        only=run.request.only,
        date=datetime.datetime.fromtimestamp(int(started), datetime.UTC),
        command=about.command,
        variant=first.variant if first else about.variant,
        attempts=about.attempts,
    )
