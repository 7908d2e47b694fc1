"""Profiles and testbeds: what ships is valid, and bad input gets one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import profile, testbed
from conformance.errors import UsageError
from conformance.places import TESTBEDS

GOOD = """
schema = 1
name = "mine"
title = "A network of mine"
kind = "linux"
roles = ["workload-network"]
features = ["ipv4"]
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", sorted(profile.available()))
def test_shipped_profiles_are_valid(name: str) -> None:
    loaded = profile.load(name)
    assert loaded.name == name
    assert loaded.title
    assert loaded.description


@pytest.mark.parametrize("name", sorted(testbed.available()))
def test_shipped_testbeds_are_valid(name: str) -> None:
    assert testbed.load(name).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "featurs = []", r"mine\.toml: featurs: unknown key; did you mean 'features'\?"),
        (GOOD.replace('kind = "linux"', ""), r"mine\.toml: kind: this key is missing; add it"),
        (GOOD.replace('"ipv4"', '"ipv5"'), r"mine\.toml: features\.0: 'ipv5' is not known; did you mean 'ipv"),
        (GOOD.replace('["ipv4"]', '["ipv4", "ipv4"]'), r"mine\.toml: features: .*twice"),
        (GOOD.replace('name = "mine"', 'name = "other"'), r"mine\.toml: name: 'other' does not match the file's name"),
        (GOOD + "x = ", r"mine\.toml: not valid TOML"),
        (
            GOOD
            + '[[deviations]]\nrequirement = "nat.tpc-untranslated"\nreason = "we know about it"\n'
            + 'issue = "https://example.org/1"\nowner = "me"\nexpires = 2027-01-01\n',
            r"mine\.toml: deviations\.0\.requirement: .*nat\.tcp-untranslated",
        ),
    ],
)
def test_a_bad_profile_gets_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        profile.load(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'routed-64'\?"):
        profile.load("routed-46")
    with pytest.raises(UsageError, match=r"did you mean 'routed'\?"):
        testbed.load("route")


def test_settings_and_rename(tmp_path: Path) -> None:
    loaded = profile.load(
        write(tmp_path, GOOD), settings=["adapter.plugin_dir=/opt/x", "adapter.n=3", "hops=1"], rename="mine@1.9"
    )
    assert loaded.adapter == {"plugin_dir": "/opt/x", "n": 3}
    assert loaded.hops == 1
    assert loaded.name == "mine@1.9"
    with pytest.raises(UsageError, match="write KEY=VALUE"):
        profile.load(write(tmp_path, GOOD), settings=["nonsense"])


def test_testbed_mistakes_get_one_line(tmp_path: Path) -> None:
    good = (TESTBEDS / "same-subnet.toml").read_text()
    for text, message in (
        (good.replace('segment = "lan"', 'segment = "wan"', 1), "there is no segment 'wan'"),
        (good.replace('ipv4 = "192.0.2.11"', 'ipv4 = "198.51.100.11"'), "not in segment 'lan'"),
        (good.replace("title =", 'titel = "x"\ntitle ='), "did you mean 'title'"),
    ):
        with pytest.raises(UsageError, match=message):
            testbed.load(write(tmp_path, text, "bed.toml"))
