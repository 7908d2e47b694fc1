"""Programs of the lab: run to the end, or started as a daemon in the foreground."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

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
        descriptor = os.pidfd_open(self.pid) if self.alive() else -1
        if descriptor >= 0:
            try:
                select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
        return self._process.poll()

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
