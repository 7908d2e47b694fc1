"""Programs of others: only a run loads them, it says which, and one that ends itself ends nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from conformance import profile
from conformance.adapters.interface import Identity
from conformance.adapters.interface.registry import adapter_for, foreign_modules, with_modules
from conformance.commands.runs import Gate, run_profiles
from conformance.errors import UsageError
from conformance.judging.case import Case
from conformance.report.render.progress import Progress
from conformance.running.request import Request
from conformance.running.run import Run
from conformance.testing import judged, recording
from conformance.verdict import Verdict

PROFILE = """
schema = 1
name = "mine"
title = "A network of mine"
kind = "mine"
module = "mine.py"
roles = ["workload-network"]
features = ["ipv6"]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A profile that names a module, which leaves a mark when it is loaded and ends the process."""
    (tmp_path / "mine.toml").write_text(PROFILE)
    (tmp_path / "mine.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'mark')!r}).touch()\nraise SystemExit(0)\n"
    )
    return tmp_path / "mine.toml"


def test_a_plan_loads_no_module(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_profiles(Request(profiles=(str(mine),)), Gate(), everything=False, plan=True) == 0
    assert "mine: not known before it runs: only `run` loads mine.py" in capsys.readouterr().out
    assert not mine.with_name("mark").exists()


def test_a_plan_asks_no_plugin_that_a_profile_of_others_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "evil"
    plugin.write_text(f"#!/bin/sh\ntouch {tmp_path}/mark\n")
    plugin.chmod(0o755)
    text = PROFILE.replace('kind = "mine"\nmodule = "mine.py"', 'kind = "cni"')
    conflist = f'[adapter]\nplugin_dir = "{tmp_path}"\n[adapter.conflist]\nplugins = [{{ type = "evil" }}]\n'
    (tmp_path / "mine.toml").write_text(text + conflist)
    assert run_profiles(Request(profiles=(str(tmp_path / "mine.toml"),)), Gate(), everything=False, plan=True) == 0
    assert "mine: only `run` asks for its version" in capsys.readouterr().out
    assert not (tmp_path / "mark").exists()


def test_a_module_that_ends_the_process_is_one_line(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"^module: mine\.py: mine\.py:3: SystemExit: 0$"):
        Run(Request(profiles=(str(mine),)), Progress(terminal=False))
    assert f"code of others: module {mine.with_name('mine.py')}" in capsys.readouterr().err


def test_a_module_that_is_not_there_is_not_announced(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine.with_name("mine.py").unlink()
    with pytest.raises(UsageError, match=r"^module: mine\.py: there is no such file beside the profile$"):
        Run(Request(profiles=(str(mine),)), Progress(terminal=False))
    assert capsys.readouterr().err == ""


def test_what_a_module_makes_may_end_nothing(mine: Path) -> None:
    mine.with_name("mine.py").write_text("def adapter(profile):\n    raise SystemExit(0)\n")
    with pytest.raises(UsageError, match=r"the module mine\.py failed: mine\.py:2: SystemExit: 0"):
        adapter_for(profile.load(str(mine)))


def test_a_check_that_ends_the_process_decides_nothing() -> None:
    def ends(case: Case) -> None:
        raise SystemExit(0)

    said = judged(ends, recording())
    assert said.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE)
    assert "SystemExit" in said.seen


def test_a_recording_says_which_module_it_was_made_with(mine: Path) -> None:
    made = profile.load(str(mine))
    digest = hashlib.sha256(foreign_modules(made)[0].read_bytes()).hexdigest()
    assert with_modules(Identity("Mine", "1"), made).details == {"module mine.py": f"sha256:{digest}"}
