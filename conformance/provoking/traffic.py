"""Two stations of ours behind two implementations, which send each other numbered frames all the time.

What was sent may take long to arrive where an implementation forwards in a process of its own, which waits for a
processor like any other: before anything is taken away, and before the end, what is on its way is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from conformance import limits
from conformance.lab.partners.wire import silence, within
from conformance.protocols import numbered
from conformance.protocols.numbered import Numbered
from conformance.provoking.ports import Link


class Traffic:
    """The stations with so many conversations each, numbered on from one station to the next; frames go to
    `destination`. What is sent stops with `stop`."""

    def __init__(self, stations: Sequence[Link], *, conversations: int = 1, destination: str = numbered.NOBODY) -> None:
        self._stations = stations
        self._each = conversations
        self._destination = destination
        self._stopped = asyncio.Event()
        self._sent = [-1 for _ in stations]
        self._heard: dict[int, int] = {}
        self._came = asyncio.Event()

    def stop(self) -> None:
        """Nothing more is sent."""
        self._stopped.set()

    async def talk(self) -> None:
        """Send until it is stopped."""
        with ExitStack() as ends:
            for place, station in enumerate(self._stations):
                ends.callback(station.wire.listen(partial(self._hear, place)))
            async with asyncio.TaskGroup() as group:
                for place in range(len(self._stations)):
                    group.create_task(self._send(place))

    async def _send(self, place: int) -> None:
        while not self._stopped.is_set():
            number = self._sent[place] + 1
            for conversation in self._of(place):
                frame = numbered.build(Numbered(conversation, number), self._destination)
                self._stations[place].wire.send(frame)
            self._sent[place] = number
            await silence(limits.PAIR_TALK)

    def _of(self, place: int) -> range:
        return range(place * self._each, (place + 1) * self._each)

    def _hear(self, place: int, _: int, frame: bytes) -> None:
        what = numbered.parse(frame)
        if what is not None and what.conversation not in self._of(place):
            self._heard[what.conversation] = max(what.number, self._heard.get(what.conversation, -1))
            self._came.set()

    async def arrived(self) -> bool:
        """Until all that was sent so far has come to the other station, or is given up; whether it has. What has never
        come through is not waited for."""
        wanted = {
            one: self._sent[place]
            for place in range(len(self._stations))
            for one in self._of(place)
            if one in self._heard
        }
        return await within(limits.PAIR_ARRIVED, self._all(wanted))

    async def _all(self, wanted: dict[int, int]) -> None:
        while any(self._heard.get(one, -1) < number for one, number in wanted.items()):
            self._came.clear()
            await self._came.wait()
