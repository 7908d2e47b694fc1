"""A switch's own view: its answers as data, and what becomes of one that is not understood."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.views import FdbEntry, LagMember, ShowingMembers, ShowingStations
from conformance.adapters.openvswitch import OpenVSwitch, Settings

GROUP = """\
---- lag-pair ----
  status: active negotiated
  sys_id: 02:00:5e:00:60:b0

member: port2: current attached
  port_id: 2
  may_enable: true

  actor sys_id: 02:00:5e:00:60:b0
  partner sys_id: 02:00:5e:00:61:b0
  partner state: activity timeout aggregation synchronized collecting distributing

member: port3: expired detached
  port_id: 3
  may_enable: false

  actor sys_id: 02:00:5e:00:60:b0
  partner sys_id: 00:00:00:00:00:00
"""
TABLE = """\
 port  VLAN  MAC                Age
    2     0  02:00:5e:00:54:00    0
    7     0  02:00:5e:00:54:01    3
"""


def switch(answer: str) -> OpenVSwitch:
    asked: Any = SimpleNamespace(ask=lambda *_: answer, port_names=lambda _: {"2": "port4"})
    return OpenVSwitch(SimpleNamespace(), {"h1": asked}, Settings())  # type: ignore[arg-type]


def host() -> Any:
    return SimpleNamespace(name="h1")


def test_answers_are_data() -> None:
    asked = switch(GROUP)
    assert power_of(asked, ShowingMembers) is not None
    assert power_of(asked, ShowingStations) is not None
    assert asked.members(host(), "lag-pair") == [
        LagMember("port2", True, "02:00:5e:00:61:b0"),
        LagMember("port3", False, "00:00:00:00:00:00"),
    ]
    assert switch(TABLE).stations(host(), "br0") == [
        FdbEntry("02:00:5e:00:54:00", "port4"),
        FdbEntry("02:00:5e:00:54:01", "7"),
    ]


@pytest.mark.parametrize("answer", ["", "% Unknown command", "---- lag-pair ----\n  status: off\n"])
def test_an_answer_that_is_not_understood_is_told_and_no_verdict(answer: str) -> None:
    with pytest.raises(AdapterError, match="h1: lacp/show lag-pair is not understood"):
        switch(answer).members(host(), "lag-pair")
    with pytest.raises(AdapterError, match="h1: fdb/show br0 is not understood"):
        switch(answer).stations(host(), "br0")
