"""What a stream is: its plan, its ports, the record of an arrival, and the probes that taps keep."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np

from conformance.lab.kernel.namespace import Namespace
from conformance.protocols import ethertypes
from conformance.recording.model import AddressFamily

SAMPLE: Final = 50
"""One probe in so many is sent from `SAMPLE_PORT`, which taps keep."""
PORT: Final = 5600
BULK_PORT: Final = 5601
SAMPLE_PORT: Final = 5602
"""UDP ports of the suite: where probes are received, and from where they are sent."""
TICK: Final = Struct("!Q")
"""What follows the stream's mark in a probe, and in the answer to it."""
ARRIVAL: Final = np.dtype([("flow", "u8"), ("tick", "u8"), ("time_ns", "i8")])


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream: from `source` (in `namespace`) to `destination`. `flow` is unique in the recording."""

    flow: int
    namespace: Namespace
    source: str
    family: AddressFamily
    destination: str


def keep_samples() -> tuple[tuple[int, int, int, int], ...]:
    """Classic BPF over whole frames: everything but the bulk probes (UDP from `BULK_PORT`), untagged."""
    return (
        (0x28, 0, 0, 12),  # 0: A = EtherType
        (0x15, 0, 5, ethertypes.IPV4),  # 1: IPv4, else 7
        (0x30, 0, 0, 23),
        (0x15, 0, 9, 17),  # 3: UDP, else keep
        (0xB1, 0, 0, 14),  # 4: X = length of the IPv4 header
        (0x48, 0, 0, 14),  # 5: A = source port
        (0x15, 5, 6, BULK_PORT),
        (0x15, 0, 5, ethertypes.IPV6),  # 7: IPv6, else keep
        (0x30, 0, 0, 20),
        (0x15, 0, 3, 17),
        (0x28, 0, 0, 54),  # 10: A = source port
        (0x15, 0, 1, BULK_PORT),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFF_FFFF),
    )
