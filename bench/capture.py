"""Frames lost by a tap at a steady rate: sent by a process of its own, captured at both ends of a veth pair."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.sandbox.sandbox import spawn
from conformance.lab.taps.tap import Recorder
from conformance.recording.index import FrameIndex

RATE = 100_000
"""Frames per second."""
SECONDS = 5
BURST = 100
SIZE = 64
RING = 32 << 20
"""Bytes: a third of a second and more of this traffic, for a reader that has to share two processors."""


def send(namespace: Namespace, interface: str) -> tuple[int, float]:
    """Send RATE x SECONDS numbered frames in bursts; returns how many and for how many seconds."""
    with namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as host_side:
        host_side.bind((interface, 0))
        head = b"\xff" * 6 + bytes.fromhex("00005e00530188b5")
        fill = bytes(SIZE - len(head) - 8)
        begin = time.perf_counter()
        count, total = 0, RATE * SECONDS
        while count < total:
            for number in range(count, count + BURST):
                host_side.send(head + number.to_bytes(8, "big") + fill)
            count += BURST
            while time.perf_counter() - begin < count / RATE:
                pass
        return count, time.perf_counter() - begin


def _measure() -> int:
    with (
        Namespace.create("near") as near,
        Namespace.create("far") as far,
        tempfile.TemporaryDirectory(dir="/run") as folder,
    ):
        link.veth(near, "left", far, "right")
        for namespace, name in ((near, "left"), (far, "right")):
            link.quiet(namespace, name)
            link.change(namespace, name, state="up")
        link.await_link(far, "right", 5)
        sender = _sender(near)
        recorder = Recorder()
        recorder.watch(far, "far", "client", size=RING)
        os.kill(sender, signal.SIGCONT)
        _, _, used = os.wait4(sender, 0)
        sent_for = used.ru_utime + used.ru_stime
        begin = time.perf_counter()
        path = Path(folder, "frames.pcapng")
        (tap,) = recorder.stop(path)
        wrote = time.perf_counter() - begin
        index = FrameIndex.load(path)
        span = (index.time_ns[-1] - index.time_ns[0]) / 1e9
        print(f"sent      {RATE * SECONDS:>9,} frames of {SIZE} bytes, {len(index) / span:,.0f} frames/s on the wire")
        print(f"captured  {tap.captured:>9,}")
        print(f"dropped   {tap.dropped:>9,} (the kernel's own count)")
        print(f"written   {len(index) / wrote:>9,.0f} frames/s; sender's processor time {sent_for:.2f} s")
        return 0 if tap.captured == RATE * SECONDS and tap.dropped == 0 else 1


def _sender(namespace: Namespace) -> int:
    """A process that enters `namespace`, stops itself, and sends once it is continued."""
    path = namespace.path
    pid = os.fork()
    if pid:
        os.waitpid(pid, os.WUNTRACED)
        return pid
    try:
        with Namespace.adopt("sender", path) as inside:
            os.kill(os.getpid(), signal.SIGSTOP)
            send(inside, "left")
    finally:
        os._exit(0)


def main() -> int:
    """Print what was sent, captured and dropped; 1 where a frame was lost."""
    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.flush()
        pid = spawn(_measure, scratch=Path(scratch))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    raise SystemExit(main())
