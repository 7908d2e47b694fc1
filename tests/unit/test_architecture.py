"""The arrow: act, then judge. Who may import whom is the whitelist that ARCHITECTURE.md prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conformance.upkeep import architecture
from conformance.upkeep.architecture import ACROSS, PACKAGE, RULES, imports, rule_of, wrong

FILES = sorted(PACKAGE.rglob("*.py"))
ENGINE = [path for path in FILES if "families" not in path.relative_to(PACKAGE).parts]

TOP = {
    "cli.py", "plugin.py", "profile.py", "testbed.py", "requirement.py", "classes.py", "family.py", "extension.py",
    "validation.py", "verdict.py", "limits.py", "errors.py", "places.py", "files.py", "__init__.py", "__main__.py",
}  # fmt: skip
"""The files outside every package: the words that all of them use, and the two ways in."""


@pytest.mark.parametrize("role", [rule.role for rule in RULES])
def test_imports_follow_the_whitelist(role: str) -> None:
    mine = [path for path in FILES if rule_of(path).role == role]
    found = {str(path.relative_to(PACKAGE)): wrong(path) for path in mine}
    assert {name: names for name, names in found.items() if names} == {}


def test_every_row_and_every_exception_is_needed() -> None:
    assert {rule.role for rule in RULES} == {rule_of(path).role for path in FILES}
    for place, others in ACROSS.items():
        mine = [path for path in FILES if str(path.relative_to(PACKAGE)).replace("/", ".").startswith(place)]
        used = {name for path in mine for name in imports(path)}
        assert all(any(name.startswith(other) for name in used) for other in others), place


def test_the_engine_names_no_family() -> None:
    for path in ENGINE:
        assert not [name for name in imports(path) if name.startswith("families.")], path
        assert "conformance.families." not in path.read_text(), path


def test_the_lab_names_no_adapter() -> None:
    for path in (PACKAGE / "lab").rglob("*.py"):
        assert "conformance.adapters" not in path.read_text(), path


@pytest.mark.parametrize(
    "pattern", ["lab/**/*.py", "provoking/*.py", "families/*/scenario*.py", "families/*/checks*.py"]
)
def test_nobody_asks_which_implementation_it_has(pattern: str) -> None:
    for path in PACKAGE.glob(pattern):
        text = path.read_text()
        assert "profile.kind" not in text, path
        assert "GuestNamespace" not in text, path


def test_nothing_imports_in_a_circle() -> None:
    known = {
        str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".").removesuffix(".__init__"): path
        for path in FILES
    }
    left = {name: {one for one in imports(path) if one in known and one != name} for name, path in known.items()}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "imports in a circle, or behind one: " + ", ".join(sorted(left))


def test_the_table_in_the_documentation_is_the_whitelist() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    assert "\n".join(architecture.table()) in page, "run python -m conformance.upkeep.documentation"


def test_the_top_level_is_short() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == TOP


def test_only_one_module_calls_setns() -> None:
    users = [p.name for p in PACKAGE.rglob("*.py") if "setns(" in p.read_text()]
    assert users == ["namespace.py"]


def test_nothing_sleeps() -> None:
    for path in FILES:
        assert "sleep(" not in path.read_text(), path.name


@pytest.mark.parametrize("arguments", [["--help"], ["list", "requirements"], ["list", "profiles"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from conformance.cli import main\n"
        f"sys.argv = ['plugfest', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'scapy', 'docker', 'pyroute2', 'pytest', 'numpy'} & set(sys.modules)\n"
        "print(heavy, file=sys.stderr)\n"
        "sys.exit(bool(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_say_what_they_hold() -> None:
    for path in FILES:
        assert path.stem not in {"helpers", "utils", "util", "common", "misc"}
        assert len(path.read_text().splitlines()) <= 400, f"{path.name} wants splitting"


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in FILES}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
