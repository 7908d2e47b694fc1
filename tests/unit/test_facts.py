"""Facts that a family asks for: declared in its own package, read on every host, recorded, and read by its checks."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.views import ShowingRows
from conformance.family import Facts
from conformance.judging.case import Case, Undecided
from conformance.provoking import facts
from conformance.recording.facts import FACTS, HostFacts
from conformance.recording.model import Snapshot

ASKED = Facts(
    sysctls=("net.ipv4.ip_forward", "net.nothing"),
    files=("/proc/thread-self/comm", "/sys/nothing"),
    commands=(("show", "state"), ("fail",), ("absent",), ("hang",)),
    views=("routes", "nothing"),
)


class Device:
    """A subject that shows one table by name."""

    powers = (ShowingRows,)

    def rows(self, host: Any, name: str) -> Sequence[Mapping[str, str]]:
        if name != "routes":
            raise AdapterError(f"{host.name}: it has no table {name}")
        return [{"destination": "192.0.2.0/24"}]


def sysctl(key: str) -> str:
    if key == "net.ipv4.ip_forward":
        return "1"
    raise FileNotFoundError(2, "No such file or directory")


def run(command: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    match command[0]:
        case "absent":
            raise FileNotFoundError(2, "No such file or directory")
        case "hang":
            raise subprocess.TimeoutExpired(command, timeout)
        case "fail":
            return subprocess.CompletedProcess(command, 1, "", "refused\n")
    return subprocess.CompletedProcess(command, 0, "up\n", "")


def host() -> Any:
    namespace = SimpleNamespace(sysctl=sysctl, call=lambda function, *arguments: function(*arguments))
    return SimpleNamespace(name="h1", namespace=namespace, run=run)


def case_of(found: HostFacts) -> Case:
    further = {FACTS: {"mine": found.model_dump(mode="json")}}
    snapshots = (Snapshot(time_ns=0, moment="after", where="h1", further=further),)
    recording: Any = SimpleNamespace(record=SimpleNamespace(snapshots=snapshots))
    return Case(recording, {})


def test_what_is_read_is_what_a_check_reads() -> None:
    found = facts.read(host(), Device(), ASKED)
    assert case_of(found).facts("mine", "h1", "after") == found
    assert found.sysctls == {"net.ipv4.ip_forward": "1"}
    assert set(found.files) == {"/proc/thread-self/comm"}
    assert found.views == {"routes": ({"destination": "192.0.2.0/24"},)}
    assert found.absent == {
        "net.nothing": "No such file or directory",
        "/sys/nothing": "No such file or directory",
        "nothing": "h1: it has no table nothing",
    }


def test_a_command_that_fails_is_recorded_as_such() -> None:
    found = facts.read(host(), Device(), ASKED)
    assert (found.result("show", "state").output, found.result("show", "state").exit_code) == ("up\n", 0)
    assert (found.result("fail").errors, found.result("fail").exit_code) == ("refused\n", 1)
    assert (found.result("absent").problem, found.result("absent").exit_code) == ("No such file or directory", None)
    assert found.result("hang").problem == "did not end within 10 s"


def test_tables_of_a_subject_without_the_power_are_absent() -> None:
    found = facts.read(host(), object(), Facts(views=("routes",)))
    assert found.absent == {"routes": "the implementation shows no tables by name"}


def test_a_check_without_its_facts_decides_nothing() -> None:
    with pytest.raises(Undecided, match="no facts of the family other were recorded on h1 at the moment after"):
        case_of(HostFacts()).facts("other", "h1", "after")


def test_no_family_of_this_suite_changes_the_recordings() -> None:
    assert facts.asked_for(host(), Device()) == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/../etc/passwd", "net/snmp", "/procedure"])
def test_only_files_of_the_kernel_are_recorded(path: str) -> None:
    with pytest.raises(ValueError, match="only files below /proc and /sys are recorded"):
        Facts(files=(path,))


@pytest.mark.parametrize("command", ["ip route", (), ("", "x")])
def test_a_command_is_a_program_and_its_arguments(command: Any) -> None:
    with pytest.raises(ValueError, match="write a program and its arguments, one text each"):
        Facts(commands=(command,))
