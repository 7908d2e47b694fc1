"""Live progress: plain lines, bars on a terminal, from many threads, and no rich before it is needed."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading

import pytest

from conformance.report.render.progress import Progress
from conformance.verdict import Verdict


def plain(text: str) -> list[str]:
    return [re.sub(r"^\[ *[0-9.]+ s\]  ", "", line) for line in text.splitlines()]


def test_plain_lines_when_not_a_terminal() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.planned("nat-bridge", "reachability", "routed")
        progress.planned("nat-bridge", "mtu", "routed")
        progress.started("nat-bridge", "reachability", "routed")
        progress.finished("nat-bridge", "reachability", "routed")
        progress.finished("nat-bridge", "mtu", "routed", problem="dockerd\nsaid \x1b[2J no")
        progress.judged("nat-bridge", {Verdict.FAIL: 2, Verdict.PASS: 40})
    assert plain(stream.getvalue()) == [
        "nat-bridge  1/2  reachability on routed",
        r"nat-bridge  2/2  mtu on routed: dockerd said \x1b[2J no",
        "nat-bridge  judged: 40 pass, 2 fail",
    ]


def test_bars_on_a_terminal() -> None:
    stream = io.StringIO()
    with Progress(stream, terminal=True) as progress:
        progress.recording("planned", "nat-bridge", "reachability", "routed")
        progress.recording("started", "nat-bridge", "reachability", "routed")
        progress.recording("finished", "nat-bridge", "reachability", "routed", "it [red]broke")
        progress.judged("nat-bridge", {Verdict.PASS: 3})
    written = stream.getvalue()
    assert "it [red]broke" in written
    assert "1/1" in written
    assert "3 pass" in written


def test_words_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="'stopped' is not"):
        Progress(io.StringIO()).recording("stopped", "a", "b", "c")


def test_an_ascii_stream_is_served() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        with Progress(stream) as progress:
            progress.finished("nät", "reachability", "routed")
        stream.flush()
        assert b"n?t  1/1" in raw.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_many_threads(terminal: bool) -> None:
    stream = io.StringIO()

    def work(number: int) -> None:
        for each in range(20):
            progress.planned(f"p{number % 3}", f"s{each}", "routed")
            progress.started(f"p{number % 3}", f"s{each}", "routed")
            progress.finished(f"p{number % 3}", f"s{each}", "routed", None if each else "no")

    with Progress(stream, terminal=terminal) as progress:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if not terminal:
        assert len(plain(stream.getvalue())) == 120
        assert sum("40/40" in line for line in plain(stream.getvalue())) == 3
    progress.finished("p0", "late", "routed")


def test_rich_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys, conformance.report.render.progress, conformance.report.render.matrix, conformance.report.gate;"
        "sys.exit(bool({'rich', 'junit_xml', 'scapy', 'docker', 'pytest', 'pyroute2', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
