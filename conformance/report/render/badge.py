"""Badges of a report: as SVG, and as the endpoint JSON that shields.io reads."""

from __future__ import annotations

from typing import Final

from conformance.report.gate import Standing, standing, standing_text, waivers
from conformance.report.model import Answer, ClassResult, Report, as_json
from conformance.verdict import Verdict

_COLOURS: Final = {
    "brightgreen": "#2e8b3d",
    "yellowgreen": "#5c7a12",
    "red": "#c0392b",
    "yellow": "#8a6d00",
    "lightgrey": "#6b6b6b",
}
_STANDINGS: Final = {
    Standing.CONFORMS: "brightgreen",
    Standing.FAILS: "red",
    Standing.INCONCLUSIVE: "yellow",
    Standing.FIGURES: "lightgrey",
    Standing.WAIVED: "yellow",
    Standing.NOTHING: "yellow",
}
_ANSWERS: Final = {
    Answer.CONFORMS: "brightgreen",
    Answer.FAILS: "red",
    Answer.UNDECIDED: "yellow",
    Answer.NOT_CLAIMED: "lightgrey",
}
_WIDTHS: Final = {**dict.fromkeys("iljtf.,:;|!' ", 4.0), **dict.fromkeys("mwMW", 10.5)}
"""Widths in pixels of the letters that are not about 6.6 wide, at a size of 11 pixels."""


def badge(report: Report, name: str | None = None) -> tuple[str, str, str]:
    """Label, message and colour of the badge of a report, or of the conformance class `name` of it."""
    if name is None:
        counted = [each for each in report.outcomes if each.gates]
        passed = sum(each.verdict is Verdict.PASS for each in counted)
        judged = sum(each.verdict not in (Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE) for each in counted)
        word = standing(report)
        waived = len(waivers(report))
        colour = "yellowgreen" if word is Standing.CONFORMS and waived else _STANDINGS[word]
        return f"plugfest {report.header.profile}", f"{standing_text(word, waived)} {passed}/{judged}", colour
    result = _class(report, name)
    if result is None:
        return name, "not judged", _ANSWERS[Answer.NOT_CLAIMED]
    count = f" {result.met}/{result.total}" if result.total else ""
    return name, f"{result.answer}{count}", _ANSWERS[result.answer]


def _class(report: Report, name: str) -> ClassResult | None:
    known = report.footer.classes if report.footer is not None else ()
    return next((each for each in known if each.name == name), None)


def endpoint(label: str, message: str, colour: str) -> str:
    """The JSON of a shields endpoint badge, schema version 1."""
    return as_json({"schemaVersion": 1, "label": label, "message": message, "color": colour})


def svg(label: str, message: str, colour: str) -> str:
    """The badge as a picture of its own; white text on grey and on the colour, readable without colour."""
    left, right = (round(_width(text)) + 12 for text in (label, message))
    title = _escaped(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[colour]}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{_escaped(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{_escaped(message)}</text></g></svg>\n'
    )


def _width(text: str) -> float:
    return sum(_WIDTHS.get(letter, 6.6) for letter in text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
