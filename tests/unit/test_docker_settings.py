"""Decisions of the Docker adapter that need no engine: settings, its image, cgroup mounts."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from conformance.adapters.docker import adapter
from conformance.adapters.docker.image import image_archive, is_static
from conformance.adapters.docker.mounts import cgroup_mounts
from conformance.adapters.docker.subject import reported_of
from conformance.adapters.interface import AdapterError
from conformance.errors import UsageError
from conformance.profile import available, load

PROFILES = [name for name in available() if name.startswith("docker-")]


@pytest.mark.parametrize("name", PROFILES)
def test_plan_names_the_network(name: str) -> None:
    lines = adapter(load(name)).plan()
    network = str(load(name).adapter["network"])
    assert any(network.replace("-", " ") in line for line in lines)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("adapter.netwrok=overlay", "docker-macvlan: adapter: netwrok: unknown key; did you mean 'network'"),
        ("adapter.network=ipvlan", "docker-macvlan: adapter: network: 'ipvlan' is not known"),
        ("adapter.mtu=60", "docker-macvlan: adapter: mtu: Input should be greater"),
    ],
)
def test_wrong_setting(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        adapter(load("docker-macvlan", settings=[setting]))


def test_image_holds_one_program(tmp_path: Path) -> None:
    program = tmp_path / "busybox"
    program.write_bytes(b"program")
    program.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(image_archive(str(program)))) as tar:
        assert [entry.name for entry in tar if entry.isfile()] == ["bin/busybox"]
        content = tar.extractfile("bin/busybox")
        assert content is not None
        assert content.read() == b"program"
    with pytest.raises(AdapterError, match="is not installed"):
        image_archive(str(tmp_path / "nothing"))


def test_static_programs(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert not is_static(script)
    assert not is_static(Path(sys.executable).resolve())


def test_cgroup_mounts_of_both_versions() -> None:
    text = """\
30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 /.. /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/bin/agent,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 23 0:30 / /elsewhere/cgroup rw - cgroup2 none rw
"""
    assert cgroup_mounts(text) == [
        ("/sys/fs/cgroup/unified", "cgroup2", "nsdelegate"),
        ("/sys/fs/cgroup/systemd", "cgroup", "xattr,name=systemd"),
        ("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"),
    ]


def test_reported_values_are_those_of_the_api() -> None:
    reported = reported_of(
        {
            "IPAddress": "10.1.0.2",
            "IPPrefixLen": 24,
            "GlobalIPv6Address": "2001:db8:1:1::2",
            "GlobalIPv6PrefixLen": 64,
            "MacAddress": "02:42:0a:01:00:02",
            "Gateway": "10.1.0.1",
            "IPv6Gateway": "",
        }
    )
    assert [str(address) for address in reported.addresses] == ["10.1.0.2/24", "2001:db8:1:1::2/64"]
    assert reported.mac == "02:42:0a:01:00:02"
    assert [str(gateway) for gateway in reported.gateways] == ["10.1.0.1"]
    assert reported.mtu is None
