"""The recording server: a process that has imported the lab once and forks a sandbox for every job.

Started by `conformance.lab.sandbox.jobs` as ``python -m conformance.lab.sandbox.forkserver FD``, single-threaded, in a
session of its own.
Jobs come as JSON over the socket FD, answers go back the same way. When the other end is gone, by whatever signal, it
kills the sandboxes, removes the run's run folder and cgroups, and ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from conformance import limits
from conformance.lab.sandbox import cgroups, sandbox, secrets
from conformance.lab.sandbox.rundir import RunDir, partial_of

MESSAGE = 1 << 20
"""Bytes of the largest job or answer."""


class ForkServer:
    """Forks one sandbox for each job; knows each by a pidfd."""

    def __init__(self, control: socket.socket, scratch: RunDir) -> None:
        self._control = control
        self._scratch = scratch
        self._jobs: dict[int, tuple[int, dict[str, Any]]] = {}
        self._custodians: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self) -> None:
        """Take jobs and report their ends until the other side hangs up."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor != self._control.fileno():
                    poll.unregister(descriptor)
                    self._report(descriptor)
                    continue
                try:
                    message = self._control.recv(MESSAGE)
                except ConnectionResetError:
                    message = b""
                if not message:
                    return
                poll.register(self._start(json.loads(message)), select.POLLIN)

    def _start(self, job: dict[str, Any]) -> int:
        place = self._scratch.folder / str(job["id"])
        (place / "tmpfs").mkdir(parents=True)
        lifeline = self._custody(job)
        pid = sandbox.spawn(
            lambda: perform(job, place, lifeline), scratch=place / "tmpfs", group=f"{self._scratch.group}/{job['id']}"
        )
        if lifeline is not None:
            lifeline.close()
        descriptor = os.pidfd_open(pid)
        self._jobs[descriptor] = (pid, job)
        return descriptor

    def _custody(self, job: dict[str, Any]) -> socket.socket | None:
        """The job's end of a line to a custodian, where its testbed names NICs of this machine."""
        testbed = job["arguments"].get("testbed")
        if not isinstance(testbed, dict) or not testbed.get("physical"):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._custodians[job["id"]] = subprocess.Popen(
                [sys.executable, "-m", "conformance.lab.sandbox.custody", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return ours

    def _report(self, descriptor: int) -> None:
        pid, job = self._jobs.pop(descriptor)
        os.close(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self._released(job["id"])
        self._bury_orphans()
        place = self._scratch.folder / str(job["id"])
        answer: dict[str, Any] = {"id": job["id"], "code": code}
        _remove_partial(job)
        with contextlib.suppress(OSError, ValueError):
            answer |= json.loads((place / "answer.json").read_text())
        shutil.rmtree(place, ignore_errors=True)
        cgroups.remove(f"{self._scratch.group}/{job['id']}")
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(answer).encode())

    def _released(self, number: int) -> None:
        """Wait until a job's NICs are the machine's again."""
        custodian = self._custodians.pop(number, None)
        if custodian is not None:
            custodian.wait()

    def _bury_orphans(self) -> None:
        """Wait for the init of a sandbox whose outer process was killed: it ends when all its processes have."""
        known = {pid for pid, _ in self._jobs.values()} | {one.pid for one in self._custodians.values()}
        children = Path("/proc/thread-self/children").read_text().split()
        for pid in {int(child) for child in children} - known:
            os.waitpid(pid, 0)

    def end(self) -> None:
        """Kill every sandbox and wait until each is gone, with all that ran in it."""
        ended = [job for _, job in self._jobs.values()]
        for descriptor, (pid, _) in self._jobs.items():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(descriptor)
        self._jobs.clear()
        for job in ended:
            _remove_partial(job)
        for number in tuple(self._custodians):
            self._released(number)
        self._bury_orphans()


def _remove_partial(job: dict[str, Any]) -> None:
    """Remove what a job that was killed had begun to write beside its destination, if it has one."""
    destination = job["arguments"].get("destination")
    if isinstance(destination, str):
        shutil.rmtree(partial_of(Path(destination)), ignore_errors=True)


def perform(job: dict[str, Any], place: Path, lifeline: socket.socket | None = None) -> int:
    """Inside the sandbox: call ``module:function`` with the job's arguments and leave the answer as JSON. With
    `lifeline`, a line to the custodian of the machine's NICs, that is an argument, too."""
    module, _, name = job["target"].partition(":")
    secrets.receive(job.get("secrets", {}))
    try:
        function = getattr(importlib.import_module(module), name)
        further = {} if lifeline is None else {"lifeline": lifeline}
        answer: dict[str, Any] = {"value": function(place / "tmpfs", **job["arguments"], **further)}
    except Exception as problem:
        answer = {
            "error": f"{type(problem).__name__}: {problem}",
            "trace": "".join(traceback.format_exception(problem)),
        }
    (place / "answer.json").write_text(json.dumps(answer))
    return 0 if "value" in answer else 1


def main() -> None:
    """Serve the socket whose descriptor is the first argument; further arguments are modules to import beforehand."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sandbox.adopt_orphans()
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # what was imported stays: no sandbox looks for garbage in it, which would copy its pages
    gc.set_threshold(*limits.GARBAGE)
    with RunDir() as scratch, socket.socket(fileno=int(sys.argv[1])) as control:
        with contextlib.suppress(BrokenPipeError):
            control.send(b"{}")
        server = ForkServer(control, scratch)
        try:
            server.serve()
        finally:
            server.end()


if __name__ == "__main__":
    main()
