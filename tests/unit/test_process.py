"""Waiting for a daemon: its sign, its end, or the time that is over, whichever comes first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import limits
from conformance.lab.kernel.process import Daemon, start_daemon


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def started(folder: Path, program: str, descriptor: int) -> Daemon:
    return start_daemon(["sh", "-c", program], folder / "log", None, [descriptor])


def test_a_sign_may_come_in_parts(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    said = b""

    def ready() -> bool:
        nonlocal said
        said += os.read(reader, 1)
        return said.endswith(b"READY")

    daemon = started(tmp_path, f"printf 'not yet, READY' > /proc/self/fd/{writer}; kill -STOP $$", writer)
    try:
        daemon.await_sign(reader, ready, limits.DAEMON_START)
        assert said == b"not yet, READY"
    finally:
        daemon.stop(signal.SIGKILL)


def test_the_end_of_a_daemon_is_not_waited_past(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    daemon = started(tmp_path, "exit 3", writer)
    with pytest.raises(TimeoutError, match="ended with exit code 3"):
        daemon.await_sign(reader, lambda: True, limits.DAEMON_START)
    with pytest.raises(TimeoutError, match="ended with exit code 3"):
        daemon.await_sign(reader, lambda: True, limits.DAEMON_START)
    assert daemon.wait(limits.DAEMON_STOP) == 3


def test_a_daemon_that_gives_no_sign_is_late(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    daemon = started(tmp_path, "kill -STOP $$", writer)
    try:
        with pytest.raises(TimeoutError, match=r"was not ready within 0\.01 s"):
            daemon.await_sign(reader, lambda: True, 0.01)
        assert daemon.wait(0.01) is None
    finally:
        assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL


def test_a_sign_given_before_the_end_counts(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    daemon = started(tmp_path, f"echo > /proc/self/fd/{writer}", writer)
    assert daemon.wait(limits.DAEMON_STOP) == 0
    daemon.await_sign(reader, lambda: bool(os.read(reader, 1)), limits.DAEMON_START)
