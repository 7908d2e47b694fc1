"""The arrow: act, then judge. Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "conformance"

ABOVE = {"running", "plugin", "commands", "upkeep", "cli"}
"""What joins both sides of the arrow: no room below imports it."""

FORBIDDEN = {
    "pairs": {"lab", "adapters", "scenarios", "report", "judging", "checks", "recording", "selftest", *ABOVE},
    "policy": {"lab", "adapters", "scenarios", "report", "judging", "checks", "recording", "selftest", *ABOVE},
    "checks": {"lab", "adapters", "scenarios", "report", "selftest", *ABOVE},
    "judging": {"lab", "adapters", "scenarios", "report", "selftest", *ABOVE},
    "recording": {"lab", "adapters", "scenarios", "report", "judging", "checks", "selftest", *ABOVE},
    "frames": {"lab", "adapters", "scenarios", "report", "judging", "checks", "recording", *ABOVE},
    "report": {"lab", "adapters", "scenarios", "judging", "checks", "recording", "frames", *ABOVE},
    "scenarios": {"report", "judging", "checks", *ABOVE},
    "partners": {"report", "judging", "checks", "scenarios", "recording", "adapters", "selftest", *ABOVE},
    "adapters": {"report", "judging", "checks", "scenarios", "recording", *ABOVE},
    "attest": {"lab", "adapters", "scenarios", "judging", "checks", "selftest", *ABOVE},
    "selftest": {"report", *(ABOVE - {"running"})},
    "running": ABOVE - {"running"},
    "showing": {"lab", "adapters", "scenarios", "selftest", *ABOVE},
}

TOP = {
    "cli.py", "plugin.py", "profile.py", "testbed.py", "requirement.py", "classes.py", "verdict.py", "limits.py",
    "errors.py", "places.py", "__init__.py", "__main__.py",
}  # fmt: skip
"""What lies outside every room: the words that all rooms use, and the two ways in."""


def imported(path: Path) -> set[str]:
    """Rooms of the package that a module imports anywhere, type-checking blocks left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update(
                [node.module] if node.module != "conformance" else [f"conformance.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("conformance.")}


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_imports_follow_the_arrow(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        wrong = imported(path) & FORBIDDEN[room]
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


def test_the_top_level_is_short() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == TOP


def test_only_one_module_calls_setns() -> None:
    users = [p.name for p in (PACKAGE).rglob("*.py") if "setns(" in p.read_text()]
    assert users == ["namespace.py"]


def test_nothing_sleeps() -> None:
    for path in PACKAGE.rglob("*.py"):
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
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in {"helpers", "utils", "util", "common", "misc"}
        assert len(path.read_text().splitlines()) <= 400, f"{path.name} wants splitting"
