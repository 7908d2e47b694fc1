"""Time sequences: packets joined over taps, rewritten addresses noticed, and their picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.report.render.drawing import draw, duration
from conformance.report.sequence import Mark, Span, parse, sequence_of

NEAR = "243 h1a:eth0 02:42:0a:01:00:02 > 02:42:1c:d8:87:ec"
MIDDLE = "244 h1:eth0 00:00:5e:00:53:01 > 00:00:5e:00:53:e0"
FAR = "246 client:eth0 00:00:5e:00:53:e2 > 00:00:5e:00:53:0c"
ECHO = "echo-request id 6 seq 6 flow 6"
MASQUERADED = (
    f"{NEAR} ICMP 10.1.0.2 > 203.0.113.200 {ECHO} ttl 64, 106 bytes",
    f"{MIDDLE} ICMP 192.0.2.11 > 203.0.113.200 {ECHO} ttl 63, 106 bytes",
    f"{FAR} ICMP 192.0.2.11 > 203.0.113.200 {ECHO} ttl 62, 106 bytes",
)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(lines: tuple[str, ...], times: tuple[int, ...] = (), **further: object) -> ElementTree.Element:
    return ElementTree.fromstring(draw(sequence_of(lines, times, **further), "a <title>", standalone=True))  # type: ignore[arg-type]


def classes(picture: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in picture.iter() if name in (each.get("class") or "").split()]


def test_one_packet_on_three_taps_is_one_packet() -> None:
    found = sequence_of(MASQUERADED, (0, 20_000, 40_000))
    assert found.lanes == ("h1a", "h1", "client")
    assert [packet.numbers for packet in found.packets] == [(243, 244, 246)]
    assert found.packets[0].first.ends == ("10.1.0.2", "203.0.113.200")


def test_what_was_rewritten_on_the_way_stands_out() -> None:
    picture = drawn(MASQUERADED, (0, 20_000, 40_000))
    assert len(classes(picture, "hop")) == 2
    changed = [each.text for each in classes(picture, "changed") if each.tag == f"{SVG}text"]
    assert changed == ["now ICMP echo-request 192.0.2.11 \u2192 203.0.113.200"]


def test_the_same_words_later_are_another_packet() -> None:
    lines = (*MASQUERADED, *(line.replace("24", "34", 1) for line in MASQUERADED))
    later = (0, 20_000, 40_000, 1_000_000_000, 1_000_020_000, 1_000_040_000)
    assert len(sequence_of(lines, later).packets) == 2
    picture = drawn(lines, later)
    assert [each.text for each in classes(picture, "later")] == ["1 s later"]
    assert len(sequence_of(lines).packets) == 2, "without times: a packet does not pass a tap twice"


def test_a_station_that_turns_a_packet_round_is_a_loop() -> None:
    back = "250 h1a:eth0 02:42:1c:d8:87:ec > 02:42:0a:01:00:02"
    flow = "UDP 10.1.0.2:4000 > 192.0.2.11:32768 data 24 flow 9 ttl 64, 66 bytes"
    found = sequence_of((f"{NEAR} {flow}", f"{back} {flow}"), (0, 1000))
    assert [packet.numbers for packet in found.packets] == [(243, 250)]


def test_a_tunnelled_packet_keeps_its_inner_ends() -> None:
    inner = "02:00:00:00:00:01 > 02:00:00:00:00:02 UDP 10.200.0.1:5 > 10.200.0.2:6 data 24 flow 7 ttl 64"
    line = f"{MIDDLE} UDP 192.0.2.11:1 > 198.51.100.12:4789 VXLAN vni 42 {{ {inner} }} ttl 64, 120 bytes"
    seen = parse(line)
    assert seen is not None
    assert (seen.tunnel, seen.ends) == ("VXLAN 42", ("10.200.0.1:5", "10.200.0.2:6"))


def test_frames_without_addresses_are_dots() -> None:
    line = "5 h1:eth0 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.1 tell 10.0.0.2, 42 bytes"
    picture = drawn((line,))
    assert [each.text for each in classes(picture, "label")] == ["ARP who-has 10.0.0.1 tell 10.0.0.2"]
    assert len(classes(picture, "dot")) == 1


def test_events_and_a_blackout_are_marked() -> None:
    picture = drawn(
        MASQUERADED,
        (5_000_000, 5_020_000, 5_040_000),
        marks=[Mark(1_000_000, "moved", "h1a"), Mark(2_000_000, "moved", "elsewhere")],
        spans=[Span(1_000_000, 5_000_000, "blackout 4 ms", blackout=True)],
        lanes=("client", "h1", "h1a", "h2"),
    )
    assert [each.text for each in classes(picture, "event-text")] == ["moved"]
    assert len(classes(picture, "blackout")) == 1
    assert [each.text for each in classes(picture, "name")] == ["client", "h1", "h1a"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=120), max_size=6), st.integers(0, 10**12))
def test_whatever_the_lines_say_there_is_a_picture(texts: list[str], time: int) -> None:
    lines = tuple(f"{number} h1:eth0 {text}" for number, text in enumerate(texts, 1))
    drawn(lines, tuple(time + number for number in range(len(lines))))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0"),
        (999, "999 ns"),
        (1500, "1.5 \u00b5s"),
        (82_200_000, "82.2 ms"),
        (999_999_999, "1 s"),
        (5_386_750_698, "5.39 s"),
        (5_000 * 10**9, "5000 s"),
    ],
)
def test_durations_read_well(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text
