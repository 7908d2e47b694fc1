"""Sandboxed jobs as futures: the side of the recording server that lives in the process of pytest or of a command."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

from conformance.lab.sandbox import secrets
from conformance.lab.sandbox.forkserver import MESSAGE
from conformance.lab.sandbox.rundir import sweep


class JobError(Exception):
    """A job in a sandbox ended with an error of ours; `trace` is its traceback."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Jobs:
    """Runs jobs, each in a fresh sandbox, all at the same time; the caller bounds how many.

    `preload` names modules that the recording server imports once, so that no sandbox has to.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._futures: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()  # who hears that a job failed may submit another
        self._ended = False
        self._secrets = secrets.keep()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "conformance.lab.sandbox.forkserver", str(theirs.fileno()), *preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        self._reader = threading.Thread(target=self._read, name="sandbox-pool", daemon=True)
        self._reader.start()

    def submit(self, target: str, arguments: Mapping[str, Any]) -> Future[Any]:
        """Call ``module:function(scratch, **arguments)`` in a sandbox; arguments and result are JSON values.

        The future raises JobError when the function raises or the sandbox dies.
        """
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._futures[number] = future
            if self._ended:
                self._fail_all("the recording server has ended")
            else:
                job = {"id": number, "target": target, "arguments": dict(arguments), "secrets": dict(self._secrets)}
                try:
                    self._control.send(json.dumps(job).encode())
                except OSError:
                    self._fail_all("the recording server has ended")
        return future

    def _read(self) -> None:
        while True:
            try:
                message = self._control.recv(MESSAGE)
            except OSError:
                message = b""
            if not message:
                break
            answer = json.loads(message)
            if "id" not in answer:
                continue
            with self._lock:
                future = self._futures.pop(answer["id"], None)
            if future is None:  # its caller was told already that it failed
                continue
            if "value" in answer:
                future.set_result(answer["value"])
            else:
                text = answer.get("error", f"the sandbox ended with exit code {answer['code']}")
                future.set_exception(JobError(text, answer.get("trace", "")))
        with self._lock:
            self._ended = True
            self._fail_all("the recording server has ended")

    def _fail_all(self, reason: str) -> None:
        failed, self._futures = self._futures, {}
        for future in failed.values():
            future.set_exception(JobError(reason))

    def close(self) -> None:
        """End the server: running jobs are killed, and what they leave behind is removed."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        code = self._server.wait()
        self._reader.join()
        self._control.close()
        if code != 0:
            sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
