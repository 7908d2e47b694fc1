"""``python -m conformance.upkeep.mutation``: do the unit tests notice when the code that decides is changed?"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from typing import Final

from conformance.errors import UsageError
from conformance.upkeep.mutation.areas import AREAS, shown

TARGET: Final = 85.0
"""The share of mutants, in percent, that the unit tests must notice."""


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance.upkeep.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--number", type=int, default=1000, help="mutants of the sample; 0: all (1000)")
    parser.add_argument("--area", choices=AREAS, action="append", help="only this area; may be repeated")
    parser.add_argument("--only", metavar="PATH", help="only files whose path contains this")
    parser.add_argument("--tests", metavar="PATH", nargs="+", default=["tests/unit"], help="unit tests (tests/unit)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants tried at the same time")
    parser.add_argument("--target", type=float, default=TARGET, help=f"percent to reach, else exit 1 ({TARGET:g})")
    return parser.parse_args()


def main() -> int:
    """Try a sample of mutants, print what survived and the score; 1 below the target, 2 where no test can run."""
    options = arguments()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "HYPOTHESIS_STORAGE_DIRECTORY": tempfile.gettempdir()}
    from conformance.upkeep.mutation import trial
    from conformance.upkeep.mutation.mutants import mutants, sample
    from conformance.upkeep.mutation.results import Results

    began = time.monotonic()
    wanted = [
        one
        for one in mutants()
        if (not options.area or one.area in options.area) and (options.only or "") in shown(one.path)
    ]
    chosen = sample(wanted, options.number, options.seed)
    found: list[trial.Tried] = []
    terminal = open(os.dup(sys.stdout.fileno()), "w")  # noqa: SIM115, PTH123 - pytest takes sys.stdout

    def say(text: str) -> None:
        print(text, file=terminal, flush=True)

    def work(suite: trial.Suite) -> None:
        say(f"{len(chosen)} of {len(wanted)} mutants, {len(suite.items)} tests")
        reach = trial.measured(suite, options.jobs)
        say(f"tests measured in {time.monotonic() - began:.0f} s ({sum(reach.seconds.values()):.0f} s of tests)")
        for one in trial.tried(suite, reach, chosen, options.jobs):
            found.append(one)
            if len(found) % 100 == 0:
                say(f"{len(found)} tried in {time.monotonic() - began:.0f} s")

    try:
        trial.collected(options.tests, work)
    except UsageError as problem:
        say(f"mutation: {problem}")
        return 2
    results = Results(found, Counter(one.area for one in wanted), options.seed, time.monotonic() - began)
    for line in results.lines():
        say(line)
    return int(results.score < options.target)


if __name__ == "__main__":
    sys.exit(main())
