"""The arrow: act, then judge. Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "conformance"

FORBIDDEN = {
    "checks": {"lab", "adapters", "scenarios", "report", "plugin", "cli", "record", "selftest"},
    "judging": {"lab", "adapters", "scenarios", "report", "plugin", "cli", "record", "selftest"},
    "recording": {"lab", "adapters", "scenarios", "report", "plugin", "cli", "judging", "checks", "selftest"},
    "frames": {"lab", "adapters", "scenarios", "report", "plugin", "cli", "judging", "checks", "recording"},
    "report": {"lab", "adapters", "scenarios", "plugin", "cli", "judging", "checks", "recording", "frames"},
    "scenarios": {"report", "plugin", "cli", "judging", "checks"},
    "partners": {"report", "plugin", "cli", "judging", "checks", "scenarios", "recording", "adapters", "selftest"},
    "adapters": {"report", "plugin", "cli", "judging", "checks", "scenarios", "recording"},
}


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
