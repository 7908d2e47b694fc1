"""``plugfest diff``: two reports, or two folders of reports, compared."""

from __future__ import annotations

from pathlib import Path

from conformance.report import store
from conformance.report.difference import difference, exit_code
from conformance.report.render import difference as texts

_FORMS = {"text": texts.as_text, "markdown": texts.as_markdown, "json": texts.to_json}


def show_difference(old: Path, new: Path, form: str, *, allow_flaky: bool) -> int:
    """Print what differs in one form; the exit code says whether anything became worse."""
    found = difference(store.collect([old]), store.collect([new]))
    print(_FORMS[form](found), end="")  # noqa: T201 - what was asked for
    return exit_code(found, allow_flaky=allow_flaky)
