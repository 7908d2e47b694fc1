"""What lies beside a report and belongs to its evidence: capture, logs and the events around the deciding frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.report.model import Report, ReportedEvidence
from conformance.report.sequence import Mark, Span


@dataclass(frozen=True)
class LogExcerpt:
    """The lines of one log that matter, as text."""

    name: str
    text: str


@dataclass(frozen=True)
class AttachedRecording:
    """What the recording of a piece of evidence adds to it.

    `capture` is the address of the pcapng as seen from the page, `lanes` the order of places; marks and spans count
    from the recording's beginning.
    """

    capture: str = ""
    lanes: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    logs: tuple[LogExcerpt, ...] = ()


Attachments = Callable[[Report, ReportedEvidence], AttachedRecording | None]
"""Finds what lies beside a report; None where the recording is not there."""


def nowhere(_report: Report, _evidence: ReportedEvidence) -> None:
    """No recording is at hand."""
