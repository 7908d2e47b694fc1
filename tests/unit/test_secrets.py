"""Secrets: in the environment of nothing that a lab starts, in no transcript, and in no text of a login."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from conformance.adapters.switch import outside
from conformance.adapters.switch.transcript import MASK, Transcript
from conformance.errors import UsageError
from conformance.lab.sandbox import secrets

SECRET = "Tr0ub4dor"
LINES = [
    "tacacs-server key 7 {}",
    "radius-server host 192.0.2.1 auth-port 1812 key {}",
    "crypto isakmp key {} address 192.0.2.1",
    "pre-shared-key ascii-text {}",
    "pre-shared-key local 0 {}",
    "snmp-server user admin network v3 auth sha {} priv aes 128 {}",
    "snmp-server user admin network v3 auth sha-256 {} priv des {}",
    "snmp-server community {} RO",
    "enable secret 9 {}",
    "username admin privilege 15 secret sha512 {}",
    "username admin password 7 {}",
    "neighbor 192.0.2.1 password encrypted {}",
    "ip ospf message-digest-key 1 md5 7 {}",
    "ip ospf authentication-key {}",
    'set system root-authentication encrypted-password "{}"',
    'set protocols bgp group x authentication-key "{}"; ## SECRET-DATA',
    'set snmp v3 usm local-engine user a authentication-sha authentication-password "{}"',
    'set snmp v3 usm local-engine user a privacy-aes128 privacy-password "{}"',
    "nv set system aaa user cumulus password {}",
    " password: {}",
    "api token {}",
    "Authorization: Bearer {}",
    " key-string 7 {}",
    "  passphrase {}",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n{}\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\n{}",
]


@pytest.mark.parametrize("line", LINES)
def test_what_vendors_write_is_masked(line: str, tmp_path: Path) -> None:
    text = Transcript(tmp_path / "ssh.log").masked(line.replace("{}", SECRET))
    assert SECRET not in text
    assert MASK in text


@pytest.mark.parametrize(
    "value", ["$6$salt$0123abc/.", "$9$kqmTn/CuBE", "$1$abc$def", "$5$a$b", "$2b$12$abcdef", "$y$j9T$x"]
)
def test_hashes_are_masked_wherever_they_are(value: str, tmp_path: Path) -> None:
    for line in (f"local-user a {value};", f'"{value}"', f"secret sha512 {value}"):
        assert value not in Transcript(tmp_path / "ssh.log").masked(line)


def test_ordinary_lines_stay(tmp_path: Path) -> None:
    for line in ("interface Ethernet1", " description h1a", "neighbor 192.0.2.1 remote-as 64496", "keyboard monkey"):
        assert Transcript(tmp_path / "ssh.log").masked(line) == line


def test_masking_takes_linear_time(tmp_path: Path) -> None:
    began = time.process_time()
    for text in ("key " * 200_000, "-----BEGIN PRIVATE KEY-----\n" * 20_000, "password 7 " * 100_000, "a" * 1_000_000):
        Transcript(tmp_path / "ssh.log").masked(text)
    assert time.process_time() - began < 5


def test_a_login_shows_no_password() -> None:
    named = outside.login({outside.ADDRESS: "192.0.2.1", outside.PASSWORD: SECRET})
    assert named is not None
    assert named.password == SECRET
    assert SECRET not in repr(named)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 22)),
        ("192.0.2.1:830", ("192.0.2.1", 830)),
        ("switch.example", ("switch.example", 22)),
        ("switch.example:2222", ("switch.example", 2222)),
        ("2001:db8::1", ("2001:db8::1", 22)),
        ("[2001:db8::1]", ("2001:db8::1", 22)),
        ("[2001:db8::1]:22", ("2001:db8::1", 22)),
        ("[2001:db8::1]:2222", ("2001:db8::1", 2222)),
        ("fe80::1%eth0", ("fe80::1%eth0", 22)),
    ],
)
def test_addresses_of_every_form(text: str, place: tuple[str, int]) -> None:
    assert outside.place_of(text) == place


@pytest.mark.parametrize(
    "text", ["", ":", "a:b", "a:0", "a:99999", "[a]", "[2001:db8::1", "2001:db8::1:", "a b", "[::1]:x"]
)
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as said:
        outside.place_of(text)
    assert len(str(said.value).splitlines()) == 1


def test_no_child_inherits_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_kept", {})
    monkeypatch.setenv(outside.PASSWORD, SECRET)
    monkeypatch.setenv(outside.USER, "me")
    assert secrets.keep() == {outside.PASSWORD: SECRET}
    assert outside.PASSWORD not in os.environ
    listed = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert SECRET not in listed
    assert f"{outside.USER}=me" in listed
    assert secrets.environment()[outside.PASSWORD] == SECRET
    assert secrets.keep() == {outside.PASSWORD: SECRET}, "the next recording server is given it, too"
