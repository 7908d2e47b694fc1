"""Seats a partner that is a machine without I/O on the event loop: its frames, its timers, and who waits for it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, Self

from conformance.lab.partners.wire import Wire


class Speaker(Protocol):
    """A partner without I/O."""

    def hear(self, port: int, frame: bytes, now: float) -> None:
        """A frame arrived at the port of that index at `now` (seconds, monotonic)."""

    def due(self) -> float:
        """When `advance` has to be called at the latest; infinite: never."""

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """What happens up to `now`: the frames to be sent, each with the index of its port."""


class Driver:
    """Runs one speaker on wires: its port of index n is ``wires[n]``. Use it as a context manager on the event loop.

    Whoever changes the speaker from outside calls `poke` then.
    """

    def __init__(self, speaker: Speaker, wires: Sequence[Wire]) -> None:
        self.speaker = speaker
        self._wires = wires
        self._ends: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._ends = [wire.listen(partial(self._hear, number)) for number, wire in enumerate(self._wires)]
        self.poke()
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end()
        if self._timer is not None:
            self._timer.cancel()

    def _hear(self, port: int, _: int, frame: bytes) -> None:
        self.speaker.hear(port, frame, self._loop.time())
        self.poke()

    def poke(self) -> None:
        """Let the speaker go on up to now, send what it says, and come back when it is due. A link that is down loses
        what is sent on it, as a wire does."""
        for port, frame in self.speaker.advance(self._loop.time()):
            with suppress(OSError):
                self._wires[port].send(frame)
        if self._timer is not None:
            self._timer.cancel()
        due = self.speaker.due()
        self._timer = None if due == math.inf else self._loop.call_at(due, self.poke)
        for holds, future in self._waiting:
            if not future.done() and holds():
                future.set_result(None)

    async def until(self, holds: Callable[[], bool], deadline: float) -> bool:
        """Wait until `holds()`, which looks at the speaker; whether it did within `deadline` seconds."""
        if holds():
            return True
        future = self._loop.create_future()
        entry = (holds, future)
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(future, deadline)
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(entry)
        return True
