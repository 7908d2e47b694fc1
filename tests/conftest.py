"""Which tests go to the same worker: those of one file, and those of files that share what is recorded once."""

from __future__ import annotations

from typing import Any, Final

import pytest

TOGETHER: Final = {
    "test_mutilated.py": "whole run",
    "test_truths.py": "whole run",
    "test_product.py": "small run",
    "test_verify.py": "small run",
}
"""The recordings that files have in common (fixtures of a session in ``lab/conftest.py``)."""
GOLDEN: Final = "tests/unit/test_golden.py"
"""Its tests go to workers one by one: those of one name together, which judge the same recording."""
LONGEST: Final = ("whole run", "test_faults.py")
"""What takes longest, which begins first: each fills a worker while another one does the rest."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Files at a time, and together what shares recordings: a session's fixture is made by each worker that asks."""
    from xdist.scheduler import LoadFileScheduling

    class Shared(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0].rpartition("/")[2]
            if nodeid.startswith(GOLDEN) and "[" in nodeid:
                return nodeid.partition("[")[2]
            return TOGETHER.get(file, file)

        def _assign_work_unit(self, node: Any) -> None:
            waiting = [name for name in LONGEST if name in self.workqueue]
            if waiting:
                self.workqueue.move_to_end(waiting[0], last=False)
            super()._assign_work_unit(node)

    return Shared(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the golden recordings took, over all workers together."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    times = [one.duration for one in reports if one.nodeid.startswith(GOLDEN)]
    if times:
        terminalreporter.write_line(f"golden recordings: {len(times)} tests in {sum(times):.1f} s of one processor")
