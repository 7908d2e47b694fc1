"""Whatever a device, a recording, a report or a file is called: a terminal, Markdown or a shell obeys none of it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conformance.commands.capture import judge_capture
from conformance.commands.matrix import as_markdown
from conformance.commands.show import show_recording
from conformance.recording.model import EventRow, IdentityState
from conformance.recording.store import FRAMES, RECORD
from conformance.report import grid, store
from conformance.report.model import Report
from conformance.report.render import matrix as matrices
from conformance.report.render.markdown import code_span, escaped
from conformance.report.render.page import render_page
from conformance.testing import endpoint, recording

EVIL = "x\x1b]0;owned\x07\x1b[2J\r\n\x9b31m`</code><img src=x onerror=alert(1)>` | $(id) ;reboot"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
PUBLISHED = next((Path(__file__).parents[2] / "reports" / "nat-bridge").glob("*/report.json"))


def test_show_prints_no_control_character(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = recording(endpoints=[endpoint("h1a")], problem=EVIL)
    event = EventRow(time_ns=1, kind=EVIL, where=EVIL, detail={EVIL: EVIL})
    further = {"identity": IdentityState(product=EVIL, version=EVIL), "fault": EVIL, "events": (event,)}
    record = made.record.model_copy(update=further)
    assert isinstance(made.capture, bytes)
    (tmp_path / FRAMES).write_bytes(made.capture)
    (tmp_path / RECORD).write_text(record.model_dump_json(by_alias=True))
    assert show_recording(tmp_path, "", "", None, tmp_path / "picture.svg") == 0
    said = capsys.readouterr().out
    assert "owned" in said
    assert not CONTROL.search(said)
    assert "<img" not in (tmp_path / "picture.svg").read_text()


def test_a_capture_of_any_name_is_named_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = recording(frames=[])
    file = tmp_path / EVIL.replace("/", "-")
    assert isinstance(made.capture, bytes)
    file.write_bytes(made.capture)
    assert judge_capture(file, role=None, mac=None, out=None) == 3
    said = capsys.readouterr()
    assert not CONTROL.search(said.out + said.err)


@pytest.fixture
def report() -> Report:
    """A report in which every text of a failing outcome and of the header is meant to do harm."""
    data = json.loads(PUBLISHED.read_text())
    failing = next(one for one in data["outcomes"] if one["verdict"] == "fail")
    for each in (failing, failing["attempts"][0]):
        evidence = {"recording": EVIL, "frames": [1, 2], "lines": [f"1 {EVIL}"], "times": [1]}
        each.update(expected=EVIL, seen=EVIL, notes=[EVIL], evidence=[evidence], figures={EVIL: 1})
    failing["parameters"] = {"path": EVIL}
    header: dict[str, Any] = data["header"]
    header.update(title=EVIL, command=f"plugfest run --set a={EVIL}", kernel=EVIL)
    header["implementation"].update(product=EVIL, version=EVIL, details={EVIL: EVIL})
    return Report.model_validate_json(json.dumps(data))


def test_markdown_has_no_markup_of_others(report: Report) -> None:
    text = as_markdown([report])
    spans = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"(?<!\\)<(?!br>)", spans)
    assert not CONTROL.search(text)


@pytest.mark.parametrize("text", ["a`b", "``", "`a", "a``b`c", "a|b", "plain", EVIL])
def test_a_code_span_ends_where_it_is_meant_to(text: str) -> None:
    span = code_span(text)
    found = re.fullmatch(r"(`+)(?!`)(.*?)(?<!`)\1", span)
    assert found is not None, span
    assert found[1] not in re.findall("`+", found[2])


def test_text_in_markdown_is_one_line() -> None:
    assert escaped("a\n# b\r\n<x>") == "a # b \\<x>"


def test_a_terminal_obeys_nothing(report: Report) -> None:
    stream = io.StringIO()
    matrices.render_terminal(grid.build([report]), Console(file=stream, width=200))
    assert "owned" in stream.getvalue()
    assert not CONTROL.search(stream.getvalue())


def test_the_page_offers_quoted_words(report: Report) -> None:
    page = render_page([report])
    assert "<img" not in page
    again = re.search(r'"again": ?"((?:[^"\\]|\\.)*)"', page)
    assert again is not None
    command = json.loads(f'"{again[1]}"')
    assert command.startswith("plugfest run --set ")
    assert not CONTROL.search(command)
    ended = subprocess.run(["sh", "-c", f"set -- {command}; echo $#"], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == [str(len(report.header.command.split()))]


def test_an_error_is_one_line_whatever_the_file_is_called(tmp_path: Path) -> None:
    place = tmp_path / "a\x1b[2Jb\nc"
    place.mkdir()
    (place / store.NAME).write_text("{}")
    ended = subprocess.run(
        [sys.executable, "-m", "conformance", "matrix", str(place)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert not CONTROL.search(ended.stderr)
    assert len(ended.stderr.splitlines()) == 1
