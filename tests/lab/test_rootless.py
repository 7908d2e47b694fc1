"""Without root, as a real other user: what needs only the kernel gives the same verdicts; the rest says so."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import NOBODY, Stranger
from machine import unchanged
from test_truths import differences, truths

from conformance.recording.store import find, load
from conformance.report.store import read
from conformance.running.run import KERNEL_ONLY

pytestmark = pytest.mark.outside


@pytest.fixture(scope="module")
def rootless_run() -> Iterator[Path]:
    """The kernel-only set and a Docker profile on one testbed, recorded and judged as another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with unchanged(), tempfile.TemporaryDirectory(prefix="plugfest-stranger-") as name:
        Path(name).chmod(0o755)
        stranger = Stranger(Path(name))
        ended = stranger.plugfest("run", *KERNEL_ONLY, "docker-bridge", "--testbed", "routed", "--out", "out")
        if "Operation not permitted" in ended.stderr and "unshare" in ended.stderr:
            pytest.skip("this machine gives its users no namespaces")
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode == 1, ended.stdout + ended.stderr
        yield stranger.home / "out"


@pytest.mark.parametrize("profile", KERNEL_ONLY)
def test_verdicts_are_those_of_root(profile: str, rootless_run: Path) -> None:
    report = read(rootless_run / profile)
    assert not report.partial
    assert report.footer is not None
    assert report.footer.exit_code == (0 if profile in ("routed-64", "flat-bridge") else 1)
    wrong = list(differences(truths(profile), report))
    assert not wrong, "\n".join(wrong)
    for recording in map(load, find(rootless_run / profile)):
        assert recording.record.rootless


def test_engines_say_that_they_need_root(rootless_run: Path) -> None:
    report = read(rootless_run / "docker-bridge")
    assert report.header.unavailable is not None
    reason = report.header.unavailable.reason
    assert reason == "it needs root" or "not installed" in reason or "no statically linked busybox" in reason


def test_a_run_leaves_nothing_in_the_home_of_its_user(rootless_run: Path) -> None:
    assert [path.name for path in rootless_run.parent.iterdir()] == ["out"]


def test_forbidden_namespaces_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conformance.errors import MachineError
    from conformance.lab.sandbox import permission

    monkeypatch.setattr(permission, "_tried", lambda: "Operation not permitted")
    monkeypatch.setattr(permission, "_reads", lambda name: {"user/max_user_namespaces": "0"}.get(name, ""))
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(MachineError, match=r"run as root, or set sysctl user\.max_user_namespaces=15000"):
        permission.check_sandboxes()
