"""Recordings compared with what is expected of them by every check of their scenario; golden recordings by family."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.family import families
from conformance.golden.store import Golden, goldens, place_of
from conformance.golden.verdicts import ONCE, Decided, sets_of, verdicts
from conformance.recording.store import Recording
from conformance.verdict import Verdict


def compared(made: Recording, expected: Mapping[str, Verdict]) -> list[str]:
    """What a recording gives otherwise than expected, a line each; nothing where it gives that.

    A key is a requirement, with or without parameters: ``route.same-host``, ``route.same-host family=ipv4,ipv6``. The
    verdict is expected for all parameters that the key leaves open. Raises ValueError for parameters in another form.
    """
    given = verdicts(made)
    lines = []
    for key, verdict in expected.items():
        meant = {one: said for one, said in given.items() if _meant(one, key)}
        lines += [
            f"{one.requirement} ({_words(one)}): {said} in place of {verdict}"
            for one, said in meant.items()
            if said is not verdict
        ]
        if not meant:
            lines.append(f"{key}: no check of the scenario {made.record.scenario} decides it")
    return lines


def goldens_of(family: str) -> dict[str, Golden]:
    """The golden recordings that lie in the package of a family, by name; of this suite's own families those of all."""
    place = place_of(families()[family])
    return {name: one for name, one in goldens().items() if one.folder.parent == place}


def _meant(one: Decided, key: str) -> bool:
    requirement, _, text = key.partition(" ")
    return one.requirement == requirement and any(
        set(values) <= set(one.parameters) for values in sets_of(text or ONCE)
    )


def _words(one: Decided) -> str:
    return " ".join(f"{name}={value}" for name, value in one.parameters) or ONCE
