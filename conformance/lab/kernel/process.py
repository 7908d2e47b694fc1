"""Programs of the lab: run to the end, or started as a daemon in the foreground."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

from conformance.limits import DAEMON_STOP


def begin(command: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[str]:
    """Start a program with captured text output, in the namespace of the calling thread. Raises OSError."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=None if environment is None else {**os.environ, **environment},
    )


def complete(process: subprocess.Popen[str], text: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Feed `text` to a program that `begin` started and wait for its end, from any thread.

    `timeout` is in seconds; the program is killed when it is over. Raises subprocess.TimeoutExpired.
    """
    with process:
        try:
            output, errors = process.communicate(text, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def finish(
    command: Sequence[str], *, text: str, timeout: float, environment: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with captured text output, in the namespace of the calling thread."""
    return complete(begin(command, environment), text, timeout)


class Happened(NamedTuple):
    """What a wait ended with; neither where its time was over."""

    readable: bool
    ended: bool


def readable_or_ended(process: subprocess.Popen[bytes], seconds: float, descriptor: int | None = None) -> Happened:
    """Wait at most so many seconds until `descriptor` is readable or at its end, or the program has ended.

    Use it, or `Daemon.await_sign`, for every wait for a program: one that has ended reports nothing any more.
    """
    if process.poll() is not None:
        seconds = 0.0
    poll = select.poll()
    if descriptor is not None:
        poll.register(descriptor, select.POLLIN)
    end = os.pidfd_open(process.pid) if process.returncode is None else None
    try:
        if end is not None:
            poll.register(end, select.POLLIN)
        ready = {one for one, _ in poll.poll(ceil(max(seconds, 0.0) * 1000))}
    finally:
        if end is not None:
            os.close(end)
    return Happened(descriptor in ready, process.poll() is not None)


class Daemon:
    """A program in the foreground whose output is kept; `stop` asks, then insists."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def wait(self, timeout: float) -> int | None:
        """Exit code once the program has ended, None if it still runs after `timeout` seconds."""
        readable_or_ended(self._process, timeout)
        return self._process.poll()

    def await_sign(self, descriptor: int, sign: Callable[[], bool], seconds: float) -> None:
        """Wait until `sign` returns true; it is called whenever `descriptor` is readable, and reads what is there.

        Raises TimeoutError after `seconds`, and as soon as the program has ended. The text says which, and continues a
        sentence that begins with the program's name.
        """
        until = time.monotonic() + seconds
        while True:
            happened = readable_or_ended(self._process, until - time.monotonic(), descriptor)
            if happened.readable and sign():
                return
            if happened.ended:
                raise TimeoutError(f"ended with exit code {self._process.returncode}")
            if time.monotonic() >= until:
                raise TimeoutError(f"was not ready within {seconds:g} s")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send `number`, wait for the end within `limits.DAEMON_STOP`, else kill. Returns the exit code."""
        if self.alive():
            self._process.send_signal(number)
            if self.wait(DAEMON_STOP) is None:
                self._process.kill()
        return self._process.wait()

    def tail(self, lines: int = 20) -> str:
        """The last lines of the program's output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def start_daemon(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None, descriptors: Sequence[int] = ()
) -> Daemon:
    """Start `command` in the namespace of the calling thread, output to `log`; it inherits `descriptors`.

    Raises FileNotFoundError.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
            pass_fds=descriptors,
        )
    return Daemon(process, log)
