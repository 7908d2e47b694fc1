"""``plugfest diff``: two reports, or two folders of reports, compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from conformance.errors import UsageError
from conformance.report import store
from conformance.report.difference import difference, exit_code
from conformance.report.figures import ENOUGH
from conformance.report.model import Report
from conformance.report.render import difference as texts

_FORMS = {"text": texts.as_text, "markdown": texts.as_markdown, "json": texts.to_json}


def show_difference(
    old: Path, new: Path, form: str, *, further: Sequence[Path] = (), allow_flaky: bool, figures_gate: bool
) -> int:
    """Print what differs in one form; the exit code says whether anything became worse.

    `further` are more runs of the old, which measure how much figures differ between runs. Raises UsageError where
    figures are to gate and their noise is unknown.
    """
    before, more = store.collect([old]), store.collect(further) if further else []
    if figures_gate:
        check_noise([*before, *more])
    found = difference(before, store.collect([new]), more)
    code = exit_code(found, allow_flaky=allow_flaky, figures_gate=figures_gate)
    print(_FORMS[form](found, code), end="")  # noqa: T201 - what was asked for
    return code


def check_noise(runs: Sequence[Report]) -> None:
    """Raises UsageError where these are too few runs of an implementation to know how much its figures differ."""
    counts: Counter[str] = Counter()
    for report in runs:
        counts[report.header.profile.partition("@")[0]] += report.header.attempts
    few = [name for name, count in counts.items() if count < ENOUGH]
    if few:
        raise UsageError(
            f"--figures-gate: the noise of {few[0]} between runs is unknown; name {ENOUGH} earlier runs, or one of "
            f"--repeat {ENOUGH}, or give a figure a limit in the profile"
        )
