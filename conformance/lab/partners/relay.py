"""A link that joins two ports, of one implementation or of two: every frame from one goes into the other, until there
are too many copies of one: a loop is counted, and cut at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Self

from conformance.lab.partners.wire import Wire
from conformance.protocols import numbered
from conformance.protocols.numbered import Numbered


class Relay:
    """Joins two wires while it is open. `cut` is the numbered frame that came more than `limit` times, if one did;
    from then on nothing is passed on. While it is `muted` nothing is either, and both ends have carrier. Use it as
    a context manager on the event loop."""

    def __init__(self, wires: Sequence[Wire], limit: int) -> None:
        self._wires = wires
        self._limit = limit
        self._copies: Counter[Numbered] = Counter()
        self._ends: list[Callable[[], None]] = []
        self.cut: Numbered | None = None
        self.muted = False

    @property
    def most(self) -> int:
        """The most copies of one numbered frame so far."""
        return max(self._copies.values(), default=0)

    def __enter__(self) -> Self:
        first, second = self._wires
        self._ends = [first.listen(partial(self._pass, second)), second.listen(partial(self._pass, first))]
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end()

    def _pass(self, other: Wire, _: int, frame: bytes) -> None:
        what = numbered.parse(frame)
        if what is not None and self.cut is None:
            self._copies[what] += 1
            if self._copies[what] > self._limit:
                self.cut = what
        if self.cut is None and not self.muted:
            with suppress(OSError):
                other.send(frame)
