"""The capture reader and writer: round trips, both byte orders, old formats, and what is not whole."""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.recording.capture import (
    FLAG_CHECKSUM_NOT_READY,
    FLAG_INBOUND,
    FLAG_OUTBOUND,
    Capture,
    NotACapture,
    TruncatedCapture,
)
from conformance.recording.pcapng import Writer
from conformance.recording.reading import Scan, read, reader_of

NOW = 1_700_000_000_123_456_789


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str = "<", options: bytes = b"", snap: int = 0, link: int = 1) -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, snap) + options)


def packet(order: str, stamp: int, frame: bytes, *, tap: int = 0, options: bytes = b"") -> bytes:
    head = struct.pack(f"{order}IIIII", tap, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
    return block(order, 6, head + frame + bytes(-len(frame) % 4) + options)


def written(frames: list[tuple[int, int, bytes, int]], taps: int = 2) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, application="test")
    for number in range(taps):
        writer.interface(f"host{number}:eth0", mac=bytes((2, 0, 0, 0, 0, number)))
    for tap, stamp, frame, flags in frames:
        writer.frame(tap, stamp, frame, flags=flags)
    for number in range(taps):
        writer.statistics(number, NOW, received=len(frames), dropped=number)
    return stream.getvalue()


def rows(capture: Capture) -> list[tuple[int, int, bytes, int]]:
    return [
        (int(capture.tap[n]), int(capture.time_ns[n]), capture.frame(n), int(capture.flags[n]))
        for n in range(len(capture))
    ]


FRAMES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2**63 - 1), st.binary(max_size=80), st.integers(0, 2**32 - 1)),
    max_size=12,
)


@given(FRAMES)
def test_what_is_written_is_read(frames: list[tuple[int, int, bytes, int]]) -> None:
    capture = read(written(frames))
    assert rows(capture) == frames
    assert [tap.name for tap in capture.taps] == ["host0:eth0", "host1:eth0"]
    assert [tap.mac for tap in capture.taps] == ["02:00:00:00:00:00", "02:00:00:00:00:01"]
    assert [(tap.received, tap.dropped) for tap in capture.taps] == [(len(frames), 0), (len(frames), 1)]


@given(FRAMES, st.data())
def test_many_frames_at_once_are_the_same_as_one_by_one(
    frames: list[tuple[int, int, bytes, int]], data: st.DataObject
) -> None:
    tags = data.draw(
        st.lists(st.sampled_from((0, 0x8100_0005, 0x88A8_0FFF)), min_size=len(frames), max_size=len(frames))
    )
    one, many = io.BytesIO(), io.BytesIO()
    writer = Writer(one)
    for (tap, stamp, frame, flags), tag in zip(frames, tags, strict=True):
        whole = frame[:12] + struct.pack("!I", tag) + frame[12:] if tag and len(frame) >= 12 else frame
        writer.frame(tap, stamp, whole, flags=flags)
    Writer(many).frames(read(written(frames)), np.array(tags, dtype=np.uint32))
    assert many.getvalue() == one.getvalue()


def test_length_on_the_wire_is_kept_where_a_frame_was_cut() -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.interface("a:eth0")
    writer.frame(0, NOW, b"x" * 60, original=1500)
    capture = read(stream.getvalue())
    assert (capture.length[0], capture.original[0]) == (60, 1500)


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order(order: str) -> None:
    name = option(order, 2, b"eth7") + option(order, 9, b"\x09") + option(order, 0, b"")
    comment = option(order, 1, b"a comment") + option(order, 2, struct.pack(f"{order}I", 0x202)) + bytes(4)
    plain = option(order, 2, struct.pack(f"{order}I", 1)) + bytes(4)
    data = (
        section(order)
        + interface(order, name)
        + packet(order, NOW, b"abc", options=comment)
        + block(order, 0xBAD, b"unknown block")
        + packet(order, NOW + 1, b"defg", options=plain)
        + packet(order, NOW + 2, b"")
    )
    capture = read(data)
    assert capture.taps[0].name == "eth7"
    assert rows(capture) == [
        (0, NOW, b"abc", FLAG_OUTBOUND | FLAG_CHECKSUM_NOT_READY),
        (0, NOW + 1, b"defg", FLAG_INBOUND),
        (0, NOW + 2, b"", 0),
    ]


def test_sections_of_both_byte_orders_in_one_file() -> None:
    data = b"".join(
        section(order) + interface(order) * 2 + packet(order, 1_000_000, order.encode(), tap=1) for order in "<><"
    )
    capture = read(data)
    assert [(row[0], row[1], row[2]) for row in rows(capture)] == [
        (1, 10**9, b"<"),
        (3, 10**9, b">"),
        (5, 10**9, b"<"),
    ]


@pytest.mark.parametrize(
    ("resolution", "shift", "stamp", "expected"),
    [
        (None, 0, 1_500_000, 1_500_000_000),
        (3, 0, 1_500, 1_500_000_000),
        (9, 100, 5, 100_000_000_005),
        (9, -1, 2_000_000_005, 1_000_000_005),
        (12, 0, 5_999, 5),
        (0x80 | 10, 0, 1024 + 512, 1_500_000_000),
        (0x80 | 32, 0, (7 << 32) + (1 << 31), 7_500_000_000),
        (0x80 | 40, 0, (3 << 40) + (1 << 39), 3_500_000_000),
    ],
)
def test_clock_of_an_interface(resolution: int | None, shift: int, stamp: int, expected: int) -> None:
    options = b"" if resolution is None else option("<", 9, bytes((resolution,)))
    options += option("<", 14, struct.pack("<q", shift)) if shift else b""
    capture = read(section() + interface("<", options + bytes(4)) + packet("<", stamp, b"x"))
    assert capture.time_ns.tolist() == [expected]


def test_simple_and_obsolete_packet_blocks() -> None:
    simple = block("<", 3, struct.pack("<I", 9) + b"ABCDEFGH")
    old = block("<", 2, struct.pack("<HHIIII", 1, 0, 0, 1_000, 3, 3) + b"old\0")
    capture = read(section() + interface(snap=6) + interface() + simple + old + packet("<", 2_000, b"new"))
    assert [(row[0], row[1], row[2]) for row in rows(capture)] == [
        (0, 0, b"ABCDEF"),
        (1, 1_000_000, b"old"),
        (0, 2_000_000, b"new"),
    ]
    assert capture.original.tolist() == [9, 3, 3]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_classic_pcap(order: str, magic: int, unit: int) -> None:
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate((b"a", b"bcd", b"")):
        data += struct.pack(f"{order}IIII", 1_700_000_000, number, len(frame), 60) + frame
    capture = read(data)
    assert rows(capture) == [
        (0, 1_700_000_000 * 10**9 + number * unit, frame, 0) for number, frame in enumerate((b"a", b"bcd", b""))
    ]
    with pytest.raises(TruncatedCapture) as caught:
        read(data[:-17])
    assert len(caught.value.capture) == 1


def test_a_cut_file_gives_what_is_before_the_cut() -> None:
    frames = [(0, NOW + n, bytes((n,)) * (20 + n), FLAG_INBOUND) for n in range(5)]
    data = written(frames)
    whole = len(read(data))
    seen = set()
    for cut in range(12, len(data)):
        try:
            capture = read(data[:cut])
        except TruncatedCapture as problem:
            capture = problem.capture
        except NotACapture:
            assert cut < 28
            continue
        assert rows(capture) == frames[: len(capture)]
        seen.add(len(capture))
    assert seen == set(range(whole + 1))


@pytest.mark.parametrize(
    "broken",
    [
        packet("<", 1, b"frame", tap=1),
        packet("<", 1, b"frame")[:-4] + b"\xff\xff\xff\xff",
        struct.pack("<IIIIIIII", 6, 32, 0, 0, 0, 99, 99, 32),
        struct.pack("<III", 6, 4, 4),
        struct.pack("<III", 1, 13, 0) + b"1",
        struct.pack("<IIII", 0x0A0D0D0A, 28, 5, 5),
    ],
)
def test_a_block_that_contradicts_itself_ends_the_reading(broken: bytes) -> None:
    with pytest.raises(TruncatedCapture, match="; 1 whole frames before it") as caught:
        read(section() + interface() + packet("<", 1, b"good") + broken + packet("<", 2, b"after"))
    assert [row[2] for row in rows(caught.value.capture)] == [b"good"]


@given(st.lists(st.sampled_from(["<", ">"]), min_size=1, max_size=3), st.data())
def test_a_file_is_the_same_read_whole_and_in_one_pass(orders: list[str], data: st.DataObject) -> None:
    content = b""
    stamps = st.integers(0, 10**12)
    for order in orders:
        clock = option(order, 9, bytes((data.draw(st.sampled_from((3, 6, 9, 12, 0x80 | 10, 0x80 | 40))),)))
        shift = option(order, 14, struct.pack(f"{order}q", data.draw(st.integers(0, 10))))
        content += section(order) + interface(order, snap=6) + interface(order, clock + shift + bytes(4))
        flags = option(order, 1, b"comment") + option(order, 2, struct.pack(f"{order}I", FLAG_OUTBOUND)) + bytes(4)
        old = struct.pack(f"{order}HHIIII", 1, 0, 0, data.draw(stamps) & 0xFFFF, 3, 3) + b"old\0" + flags
        kinds = (
            packet(order, data.draw(stamps), data.draw(st.binary(max_size=9)), tap=data.draw(st.integers(0, 1))),
            packet(order, data.draw(stamps), b"frame", tap=1, options=flags),
            block(order, 3, struct.pack(f"{order}I", 9) + b"ABCDEFGH"),
            block(order, 2, old),
            block(order, 0xBAD, b"unknown"),
        )
        content += b"".join(data.draw(st.lists(st.sampled_from(kinds), max_size=6)))
    scan = Scan(io.BytesIO(content))
    passed = [(frame.tap, frame.time_ns, frame.data, frame.flags) for frame in scan]
    assert scan.problem is None
    capture = read(content)
    assert passed == rows(capture)
    assert scan.taps == list(capture.taps)


@pytest.mark.parametrize("data", [b"", b"\n", b"\x0a\x0d\x0d\x0a", b"GET / HTTP/1.1\r\n\r\n", bytes(400)])
def test_no_capture_at_all(data: bytes) -> None:
    with pytest.raises(NotACapture):
        read(data)


@given(st.binary(max_size=300), st.sampled_from(["", "<", ">", "old<", "old>"]))
def test_garbage_never_gives_another_error(garbage: bytes, start: str) -> None:
    heads: dict[str, Any] = {
        "": b"",
        "<": section("<") + interface("<"),
        ">": section(">") + interface(">"),
        "old<": struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1),
        "old>": struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1),
    }
    with contextlib.suppress(NotACapture, TruncatedCapture):
        read(heads[start] + garbage)


DAMAGED = (
    section()
    + interface("<", option("<", 9, b"\x0c") + option("<", 14, bytes(8)))
    + b"".join(packet("<", NOW, bytes(n), options=option("<", 1, b"x" * n)) for n in range(6))
    + interface()
    + packet("<", 7, b"frame", tap=1)
    + block("<", 3, struct.pack("<I", 4) + b"ABCD")
    + block("<", 5, struct.pack("<III", 0, 0, 0) + option("<", 5, bytes(8)))
    + section(">")
    + interface(">")
    + packet(">", NOW, b"other")
)
CLASSIC = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + 3 * (struct.pack("<IIII", 1, 2, 5, 60) + b"frame")


@given(st.sampled_from((DAMAGED, CLASSIC)), st.data())
def test_a_damaged_file_is_the_same_read_whole_and_in_parts(start: bytes, data: st.DataObject) -> None:
    content = bytearray(start)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) // 2, len(content)))]
    whole, problem = None, None
    try:
        reader = reader_of(bytes(content[:12]))
        whole = read(bytes(content))
    except TruncatedCapture as caught:
        whole, problem = caught.capture, str(caught)
    except NotACapture:
        return
    assert all(len(whole.frame(n)) == whole.length[n] for n in range(len(whole)))
    parts, rest, said = [], b"", None
    steps = iter([*data.draw(st.lists(st.integers(1, 60), min_size=2, max_size=9)), len(content)])
    while said is None and (step := next(steps, None)) is not None:
        rest, content = rest + content[:step], content[step:]
        part = reader.part(bytes(rest), last=not content)
        parts += [
            (int(part.columns["tap"][n]), int(part.columns["time_ns"][n]), bytes(rest[start : start + size]))
            for n, (start, size) in enumerate(zip(part.columns["offset"], part.columns["length"], strict=True))
        ]
        rest, said = rest[part.used :], part.problem
    assert parts == [row[:3] for row in rows(whole)]
    assert tuple(reader.taps) == whole.taps
    assert problem == (said and f"{said}; {len(whole)} whole frames before it")


@pytest.mark.parametrize(
    "repeated", [interface() + packet("<", 1, b""), section(), section() + interface(), packet("<", 1, b"")]
)
def test_a_large_file_of_the_smallest_blocks_ends_soon(repeated: bytes) -> None:
    content = section() + interface("<", option("<", 9, b"\x0c") + bytes(4)) + repeated * (2_000_000 // len(repeated))
    with contextlib.suppress(TruncatedCapture):
        read(content)
