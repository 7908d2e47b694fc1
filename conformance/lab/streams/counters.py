"""What became of each stream: how many probes arrived where, and which were lost in a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.lab.streams.plan import SAMPLE, StreamPlan
from conformance.lab.streams.receiver import Receiver
from conformance.lab.streams.streams import Streams
from conformance.recording.model import Outage, Path, Stream

LEAST = 2
"""Probes lost in a row that count as an outage; a single one is noise of any wire."""
LISTED = 20
"""Outages of one stream that are written down, the longest ones."""


@dataclass(frozen=True)
class Ends:
    """Where a stream's endpoint lives before and after its move; the same receiver where its namespace stays, and then
    what arrived until `moved_ns` arrived at the old place."""

    endpoint: str
    path: Path
    old: Receiver
    new: Receiver | None
    moved_ns: int


def count_stream(streams: Streams, plan: StreamPlan, ends: Ends) -> Stream:
    """The result of one stream, when all have ended."""
    stamps = np.array(streams.stamps, dtype=np.int64)
    ticks = np.arange(len(stamps))
    sent = ticks < streams.retired.get(plan.flow, len(stamps))
    sent |= ticks % SAMPLE == 0
    old, new = _split(plan.flow, ends)
    arrived = np.zeros(len(stamps), dtype=np.bool_)
    arrived[np.concatenate((old["tick"], new["tick"])).astype(np.int64)] = True
    returns = [r.arrivals for r in streams.returns if r.place == plan.source]
    answers = np.concatenate([one[one["flow"] == plan.flow] for one in returns]) if returns else old[:0]
    back = answers["time_ns"][answers["time_ns"] > ends.moved_ns] if ends.moved_ns else answers["time_ns"][:0]
    outages = sorted(_outages(stamps, np.flatnonzero(sent), arrived), key=lambda one: -one.lost)[:LISTED]
    receivers = [ends.old, *([ends.new] if ends.new is not None else [])]
    return Stream(
        flow=plan.flow,
        endpoint=ends.endpoint,
        path=ends.path,
        family=plan.family,
        source=plan.source,
        address=plan.destination,
        started_ns=int(stamps[0]) if len(stamps) else 0,
        ended_ns=int(stamps[-1]) if len(stamps) else 0,
        sent=int(sent.sum()),
        sampled=SAMPLE,
        old=len(old),
        new=len(new),
        last_old_ns=int(old["time_ns"].max()) if len(old) else 0,
        first_new_ns=int(new["time_ns"].min()) if len(new) else 0,
        answered=len(answers),
        first_answer_ns=int(back.min()) if len(back) else 0,
        outages=tuple(sorted(outages, key=lambda one: one.start_ns)),
        overflowed=sum(receiver.overflowed for receiver in receivers),
    )


def _split(flow: int, ends: Ends) -> tuple[NDArray[Any], NDArray[Any]]:
    """Arrivals of a flow at the old and at the new place."""
    everything = ends.old.arrivals
    mine = everything[everything["flow"] == flow]
    if ends.new is None:
        return mine, mine[:0]
    if ends.new is ends.old:
        late = mine["time_ns"] > ends.moved_ns
        return mine[~late], mine[late]
    there = ends.new.arrivals
    return mine, there[there["flow"] == flow]


def _outages(stamps: NDArray[np.int64], sent: NDArray[np.int64], arrived: NDArray[np.bool_]) -> Iterator[Outage]:
    """Runs of probes that did not arrive, in the order in which they were sent."""
    lost = ~arrived[sent]
    edges = np.diff(np.concatenate(([False], lost, [False])).astype(np.int8))
    for start, end in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        if end - start >= LEAST:
            recovered = end < len(sent)
            last = int(stamps[sent[end]]) if recovered else int(stamps[-1])
            yield Outage(start_ns=int(stamps[sent[start]]), end_ns=last, lost=end - start, recovered=recovered)
