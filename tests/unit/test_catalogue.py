"""The shipped catalogue is whole, and the loader refuses a wrong one with a line that names file, id, key and fix."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.family import families, position
from conformance.requirement import (
    NAME,
    CatalogueError,
    ClauseCheck,
    Level,
    Requirement,
    UnknownRequirement,
    catalogue,
    catalogue_hash,
    clause_text,
    digest,
    find,
    load,
)

LABELS = {
    "ROUTE": 9, "NAT": 8, "MOVE": 21, "LLDP": 8, "LACP": 7, "STP": 5, "ACL": 12, "MTU": 6, "VXL": 7, "MCAST": 1,
    "IPAM": 6, "V6": 9, "CNI": 11, "CNM": 8, "BGP": 5, "FWD": 3, "CHURN": 2, "LEAK": 2,
}  # fmt: skip

GOOD = """
[[requirement]]
id = "move.no-rarp"
alias = ["MOVE-10"]
level = "SUITE"
statement = "No RARP is sent."
source = "this suite"
clause_check = "suite"
stimulus = "Move it."
expects = "No such frame."
roles = ["workload-network", "bridge"]
features = []
timer = "-"
"""
OTHER = GOOD.replace("move.no-rarp", "move.other").replace("MOVE-10", "MOVE-11")


def write(directory: Path, text: str, family: str = "move") -> dict[str, Path]:
    """The files of all families that were written into the directory."""
    (directory / family).mkdir(exist_ok=True)
    (directory / family / NAME).write_text(text, encoding="utf-8")
    return {path.parent.name: path for path in sorted(directory.glob(f"*/{NAME}"))}


# The shipped catalogue


def test_every_draft_label_is_there_once() -> None:
    labels = sorted(alias for requirement in catalogue().values() for alias in requirement.alias)
    assert labels == sorted(f"{name}-{number:02}" for name, count in LABELS.items() for number in range(1, count + 1))
    assert len(labels) == 130


def test_every_file_is_a_family_and_every_requirement_in_the_order_of_families() -> None:
    assert {requirement.family for requirement in catalogue().values()} <= set(families())
    order = [position(requirement.family) for requirement in catalogue().values()]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("label", "name"),
    [("ROUTE-01", "route.from-outside-v4"), ("MOVE-10", "move.no-rarp"), ("V6-06", "addr.prefix-per-host")],
)
def test_a_draft_label_finds_its_requirement(label: str, name: str) -> None:
    assert find(label) is find(name) is catalogue()[name]


def test_every_standard_level_has_a_clause() -> None:
    without = [each for each in catalogue().values() if each.clause_check is ClauseCheck.SUITE]
    assert without
    assert {requirement.level for requirement in without} <= {Level.SUITE, Level.MEASURE}


def test_one_requirement_alone_is_informational() -> None:
    assert [each.id for each in catalogue().values() if each.informational] == ["nat.no-state"]


def test_a_raised_requirement_keeps_the_level_of_its_source() -> None:
    raised = {each.id: each.source_level for each in catalogue().values() if each.source_level}
    assert raised == {"move.announced-v6": Level.MAY, "move.override-set": Level.MAY}


def test_texts_refer_to_requirements_by_id() -> None:
    """A draft label in a text would need the draft to be understood."""
    labels = [alias for requirement in catalogue().values() for alias in requirement.alias]
    for requirement in catalogue().values():
        text = f"{requirement.statement} {requirement.stimulus} {requirement.expects} {requirement.clause_note}"
        assert not [label for label in labels if label in text], requirement.id


def test_loading_is_fast() -> None:
    def once() -> float:
        start = time.process_time()  # the machine may be busy with others
        load({name: family.folder / NAME for name, family in families().items() if (family.folder / NAME).exists()})
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.120


def test_the_module_imports_nothing_heavy() -> None:
    program = (
        "import sys, conformance.requirement;print({'scapy', 'pytest', 'pyroute2', 'rich', 'docker'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Finding


@pytest.mark.parametrize(("wrong", "near"), [("move.no-rapr", "move.no-rarp"), ("ROUTE-1", "ROUTE-01")])
def test_an_unknown_requirement_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownRequirement) as caught:
        find(wrong)
    assert str(caught.value) == f"no requirement {wrong!r}; did you mean {near!r}?"
    assert isinstance(caught.value, KeyError)


def test_an_unknown_requirement_with_nothing_near_names_the_families() -> None:
    with pytest.raises(UnknownRequirement, match=r"^no requirement '%%%'; families: route, nat, "):
        find("%%%")


# Clauses


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("verified", "RFC 826"),
        ("quoted", "RFC 826 [clause quoted, not read in the standard]"),
        ("memory", "RFC 826 [clause not verified: from memory]"),
        ("suite", "RFC 826"),
    ],
)
def test_a_clause_that_was_not_read_is_marked(tmp_path: Path, check: str, text: str) -> None:
    source = GOOD.replace('"this suite"', '"RFC 826"').replace('check = "suite"', f'check = "{check}"')
    assert clause_text(load(write(tmp_path, source))["move.no-rarp"]) == text


# The hash


def test_the_hash_does_not_depend_on_the_order() -> None:
    rows = list(catalogue().values())
    assert digest(rows) == digest(reversed(rows)) == catalogue_hash()
    assert len(catalogue_hash()) == 64


def test_the_hash_is_the_same_whatever_the_order_in_the_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = load(write(one, GOOD + OTHER))
    second = load(write(two, OTHER + GOOD))
    assert digest(first.values()) == digest(second.values())


def test_the_hash_of_known_requirements_is_known(tmp_path: Path) -> None:
    """Reports carry this hash: its canonical form must not change by accident."""
    known = digest(load(write(tmp_path, GOOD)).values())
    assert known == "403d2f04b73e14d6ba2806c59ff2bfbc83fbb89f57d44e0df33931f06cd54e12"


def test_the_hash_changes_with_any_field(tmp_path: Path) -> None:
    before = digest(load(write(tmp_path, GOOD)).values())
    after = digest(load(write(tmp_path, GOOD + "nightly = true\n")).values())
    assert before != after


# The loader


def test_a_good_file_gives_its_requirement(tmp_path: Path) -> None:
    requirement = load(write(tmp_path, GOOD))["move.no-rarp"]
    assert requirement == Requirement(
        id="move.no-rarp",
        alias=("MOVE-10",),
        level=Level.SUITE,
        statement="No RARP is sent.",
        source="this suite",
        clause_check=ClauseCheck.SUITE,
        stimulus="Move it.",
        expects="No such frame.",
        roles=("workload-network", "bridge"),
        features=(),
        timer="-",
    )
    assert requirement.family == "move"


def test_the_catalogue_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        load(write(tmp_path, GOOD))["move.other"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('timer = "-"', 'timers = "-"', "move.no-rarp: timers: unknown key; did you mean 'timer'?"),
        ('timer = "-"', 'zzz = "-"', "move.no-rarp: zzz: unknown key; valid keys: alias, clause_check, "),
        ('timer = "-"\n', "", "move.no-rarp: timer: this key is missing; add it"),
        ('timer = "-"', "timer = 3", "move.no-rarp: timer: write a text in quotes"),
        ('timer = "-"', 'timer = " "', "move.no-rarp: timer: is empty; write it"),
        ('timer = "-"', 'timer = "-"\nnightly = 1', "move.no-rarp: nightly: write true or false"),
        ('"No RARP is sent."', '""', "move.no-rarp: statement: is empty; write it"),
        (
            '"SUITE"',
            '"SHALL"',
            "move.no-rarp: level: 'SHALL' is not known; use one of MUST, SHOULD, MAY, SUITE, MEASURE",
        ),
        ('"SUITE"', '"MUST"', "move.no-rarp: clause_check: level MUST needs a clause; name one, or use level SUITE"),
        (
            'check = "suite"',
            'check = "read"',
            "move.no-rarp: clause_check: 'read' is not known; use one of verified, quoted, memory, suite",
        ),
        ("features = []", 'features = "ipv4"', "move.no-rarp: features: write a list, for instance ["),
        ("features = []", 'features = ["ipv5"]', "move.no-rarp: features.0: 'ipv5' is not known; did you mean 'ipv"),
        ("features = []", 'features = ["%"]', "move.no-rarp: features.0: '%' is not known; use some of ipv4, "),
        ('["workload-network", "bridge"]', "[]", "move.no-rarp: roles: is empty; write it"),
        ('"bridge"]', '"bridges"]', "move.no-rarp: roles.1: 'bridges' is not known; did you mean 'bridge'?"),
        (
            '["workload-network", "bridge"]',
            '["bridge", "workload-network", "bridge"]',
            "move.no-rarp: roles: an entry is there twice; name each once",
        ),
        ('"move.no-rarp"', '"move.No_RARP"', "move.No_RARP: id: 'move.No_RARP' is not family.what-holds; "),
        ('"move.no-rarp"', '"move.rule-10"', "move.rule-10: id: 'move.rule-10' ends in a counter; say what holds"),
        (
            '"move.no-rarp"',
            '"nat.no-rarp"',
            "nat.no-rarp: id: 'nat.no-rarp' is not of family 'move'; move it there or rename it",
        ),
        ('"move.no-rarp"', "7", "requirement 1: id: write a text in quotes"),
        ('id = "move.no-rarp"\n', "", "requirement 1: id: this key is missing; add it"),
        (
            'timer = "-"',
            'timer = "-"\nsource_level = "SUITE"',
            "move.no-rarp: source_level: 'SUITE' is not known; use one of MUST, SHOULD, MAY",
        ),
        ("[[requirement]]", "[requirement]", "requirement: write one [[requirement]] table or more"),
        ("[[requirement]]", "x = 1\n[[requirement]]", "x: unknown key; a file holds only [[requirement]] tables"),
        ("[[requirement]]", "[[requirement", "not valid TOML: "),
        (GOOD, "", "requirement: write one [[requirement]] table or more"),
    ],
)
def test_a_wrong_entry_is_named_with_its_fix(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(CatalogueError) as caught:
        load(write(tmp_path, GOOD.replace(old, new)))
    assert str(caught.value).startswith(f"move/requirements.toml: {message}")
    assert "\n" not in str(caught.value)


def test_a_source_level_without_level_suite_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('"SUITE"', '"MUST"').replace('check = "suite"', 'check = "verified"')
    with pytest.raises(
        CatalogueError, match=r"^move/requirements.toml: move.no-rarp: source_level: is for level SUITE, not MUST;"
    ):
        load(write(tmp_path, text + 'source_level = "MAY"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD, "id: 'move.no-rarp' is already in move/requirements.toml; choose another"),
        (
            GOOD.replace("move.no-rarp", "move.same-label"),
            "alias: 'MOVE-10' is already in move/requirements.toml; choose another",
        ),
        (
            OTHER.replace("MOVE-11", "move.no-rarp"),
            "alias: 'move.no-rarp' is already in move/requirements.toml; choose another",
        ),
    ],
)
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(write(tmp_path, GOOD + text))
    assert str(caught.value).endswith(message)


def test_a_label_that_is_in_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "move")
    files = write(tmp_path, GOOD.replace("move.no-rarp", "nat.no-rarp"), "nat")
    with pytest.raises(
        CatalogueError, match=r"^nat/requirements.toml: nat.no-rarp: alias: 'MOVE-10' is already in move/"
    ):
        load(files)
