"""What a reader copies from the documentation runs as it stands there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from command import plugfest

pytestmark = [pytest.mark.outside, pytest.mark.lab, pytest.mark.peers]

PAGE = Path(__file__).parents[2] / "docs" / "profile.md"


@pytest.mark.skipif(not Path("/usr/lib/cni/bridge").exists(), reason="needs the package containernetworking-plugins")
def test_the_sample_of_a_profile_conforms(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("real peers need root")
    (text,) = re.findall(r"```toml\n(schema.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    ended = plugfest(tmp_path, "run", "./mine.toml", "--testbed", "same-subnet", "--only", "nat", "--out", "out")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("mine: conforms")
