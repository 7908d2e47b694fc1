"""Parameters, names, figures and lines of reports in few words."""

from __future__ import annotations

import pytest

from conformance.report.render.parameters import summarise
from conformance.report.render.terminal import fold
from conformance.report.render.text import number_text, one_line


def sets(**axes: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{}]
    for name, values in axes.items():
        found = [{**each, name: value} for each in found for value in values.split()]
    return found


EVERY = sets(family="ipv4 ipv6", protocol="tcp udp", path="inbound outbound cross-host", testbed="routed same-subnet")


@pytest.mark.parametrize(
    ("chosen", "known", "told"),
    [
        (EVERY, EVERY, "all 24 cases"),
        ([{}], [{}], ""),
        (
            sets(family="ipv4", protocol="udp", path="inbound outbound", testbed="routed same-subnet"),
            EVERY,
            "ipv4 udp, inbound+outbound",
        ),
        (sets(family="ipv6", protocol="tcp udp", path="inbound", testbed="routed"), EVERY, "ipv6, inbound, routed"),
        (
            sets(family="ipv4", protocol="tcp", path="inbound", testbed="routed")
            + sets(family="ipv6", protocol="udp", path="outbound", testbed="routed same-subnet"),
            EVERY,
            "ipv6 udp, outbound; ipv4 tcp, inbound, routed",
        ),
        (
            [{"port": str(each), "x": str(each)} for each in range(9)],
            sets(port="0 1", x="0 1") * 5,
            "0, 0; 1, 1; 2, 2; 6 more",
        ),
    ],
)
def test_parameters_in_few_words(chosen: list[dict[str, str]], known: list[dict[str, str]], told: str) -> None:
    assert summarise(chosen, known) == told
    assert summarise(chosen[::-1], known[::-1]) == told


def test_names_are_folded_where_they_may_be() -> None:
    assert fold("docker-published-port") == ["docker-", "published-", "port"]
    assert fold("cni-bridge") == ["cni-bridge"]
    assert fold("20.10.24+dfsg1") == ["20.10.24+", "dfsg1"]
    assert fold("abcdefghijklmnopq") == ["abcdefghijkl", "mnopq"]
    assert fold("") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), (3.14159, "3.14"), (1234.5, "1234"), (0.01234, "0.0123"), (0.00001, "0.000010")],
)
def test_figures_are_short(value: float, text: str) -> None:
    assert number_text(value) == text


def test_one_line_is_one_printable_line() -> None:
    assert one_line(" a\r\nb\tc\u00a0d \x00\x7f\u2028e ") == r"a b c d \x00\x7f e"
