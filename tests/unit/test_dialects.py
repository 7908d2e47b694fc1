"""Dialects are data: what ships renders, undoes itself and saves nothing; wrong ones are refused in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.adapters.switch.changes import mismatch
from conformance.adapters.switch.dialect import FOLDER, available, load, saving
from conformance.adapters.switch.transcript import MASK, Transcript
from conformance.errors import UsageError

VALUES = {
    "port": "Ethernet1", "vlan": "100", "vlans": "100,200", "native": "1", "group": "1", "mode": "active",
    "rate": "fast", "state": "on", "mtu": "9000", "protocol": "ip", "address": "192.0.2.1/24", "description": "a port",
    "name": "plugfest", "action": "deny", "source": "192.0.2.0/24", "destination": "198.51.100.0/24", "number": "10",
    "spanning": "rapid-pvst", "members": ["Ethernet1", "Ethernet2"], "ports": ["Ethernet1"], "mac": "02:00:5e:00:60:c0",
    "ageing": 300.0, "hello": 2.0, "max_age": 20.0, "forward_delay": 15.0, "priority": 32768, "interval": "30",
    "hold": "4", "uplink": "eth0", "groups": [{"name": "web-4", "version": 4, "members": ["192.0.2.1"]}], "rules": [],
    "default": {"ingress": "deny", "egress": "allow"}, "entries": [{"group": "web-4", "address": "192.0.2.1"}],
    "gateway": "fe80::1/64", "routes": [{"address": "192.0.2.1", "source": "198.51.100.1"}],
}  # fmt: skip


@pytest.mark.parametrize("name", available())
def test_every_intent_is_said_and_undone_without_saving_anything(name: str) -> None:
    dialect = load(name)
    for intent in dialect.intent.values():
        for before in ({}, dict.fromkeys(("admin", "state", "line", "mtu"), "1")):
            for template in (intent.apply, intent.undo):
                lines = dialect.lines(template, {**VALUES, "before": before, "rows": [{"line": "set mtu 1500"}]})
                assert not saving(lines), lines
        assert dialect.lines(intent.apply, {**VALUES, "before": {}, "rows": []})


def test_a_value_is_a_word_and_never_a_line() -> None:
    dialect = load("frr")
    with pytest.raises(UsageError, match="cannot be part of a command"):
        dialect.lines("interface {{ port }}", {"port": "br0\nwrite memory"})
    with pytest.raises(UsageError, match="port"):
        dialect.lines("interface {{ port }}", {})


@pytest.mark.parametrize(
    "line",
    ["write", "wr mem", "do write memory", "copy run start", "copy running-config startup-config", "nv config save"],
)
def test_what_saves_is_known(line: str) -> None:
    assert saving([line]) == [line]


def test_what_does_not_save_is_let_through() -> None:
    assert not saving(["write terminal", "description write it", "copy flash: tftp:", "nv config apply -y"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('platform = "frr"', 'platfrom = "frr"', "platfrom"),
        ("[intent.port]", "[intent.prot]", "intent.prot: is not known"),
        ('show = "forwarding"', 'show = "backwarding"', "there is no show.backwarding"),
        ("schema = 1", "schema = ", "not valid TOML"),
        ("[intent.port]", '[[view.ports]]\nshow = "running"\nrow = { port = "" }\n[intent.port]', "view.ports: is not"),
        ("[intent.port]", '[[view.stations]]\nshow = "mac"\nrow = { port = "" }\n[intent.port]', "no show.mac"),
        (
            "[intent.port]",
            '[[view.stations]]\nshow = "running"\nrow = { port = "" }\n[intent.port]',
            "its columns are mac",
        ),
    ],
)
def test_a_wrong_dialect_is_refused_in_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (FOLDER / "frr.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=said) as told:
        load(str(tmp_path / "mine.toml"))
    assert "\n" not in str(told.value)


def test_a_dialect_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="did you mean 'frr'"):
        load("fr")
    with pytest.raises(UsageError, match="it cannot say 'access'; it can say"):
        load("frr").find("access")


def test_what_is_read_back_is_compared() -> None:
    dialect = load("frr")
    check = dialect.find("port").check
    values = {"port": "ep1", "description": "h1a"}
    assert not mismatch(dialect, check, {"interface": "ep1", "admin": "up", "description": "h1a"}, values)
    assert "admin is 'down', not 'up'" in mismatch(dialect, check, {"admin": "down", "description": "h1a"}, values)
    assert "does not show it" in mismatch(dialect, check, None, values)


def test_secrets_are_not_in_the_transcript(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "ssh.log", secrets=["hunter2", ""])
    transcript.sent("enable hunter2")
    transcript.received(
        "username a secret 5 $1$abc\nsnmp-server community letmein RO\nneighbor 192.0.2.1 password 7 094F"
    )
    told = transcript.path.read_text()
    for secret in ("hunter2", "$1$abc", "letmein", "094F"):
        assert secret not in told
    assert told.count(MASK) == 4
