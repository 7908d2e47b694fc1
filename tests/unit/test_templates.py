"""Templates of dialects are data: they read values and write lines, end soon, and reach nothing of Python."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conformance.adapters.switch.dialect import FOLDER, load
from conformance.adapters.switch.templates import rendered
from conformance.errors import UsageError

VALUES = {"port": "Ethernet1", "rows": [{"line": "set x"}], "number": 3}
TEXT = "y" * 6000
ESCAPES = [
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ port | attr('__class__') }}",
    "{{ rows.append(1) }}",
    "{{ rows.__class__ }}",
    "{{ rows[0].line.format }}",
    "{{ port.format(1) }}",
    "{{ port['__class__'] }}",
    "{{ self._TemplateReference__context }}",
    "{{ [1] | map(attribute='__class__') | list }}",
    "{{ rows | join(attribute='__class__') }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ lipsum() }}",
]
ENDLESS = [
    "{% for i in range(9999999) %}{% endfor %}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "{% for a in 'a' * 99999999 %}{% endfor %}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%999999999d' % 1 }}",
    "{% set x = number %}" + "{% set x = x * x %}" * 50 + "{{ x }}",
    "{% set x = 'ab' %}" + "{% set x = x ~ x %}" * 50,
    "{% set x = 'ab' %}" + "{% set x = x + x %}" * 50,
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x | length }}",
    "{% set x = 'a' %}" + "{% set x = x | replace('a', 'aaaaaaaaaaaaaaaa') %}" * 20,
    "{% for i in 'yyyyyyyyyyyy' %}" * 12 + "{% endfor %}" * 12,
    f"{{% set x = '{TEXT}' %}}" + "{% set x = x ~ x %}" * 5 + "{% for i in x %}{{ 'z' in x }}{% endfor %}",
    f"{{% set x = '{TEXT}' %}}" + "{% set x = x ~ x %}" * 5 + "{% for i in x %}{{ x.split('z') }}{% endfor %}",
    "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
    "{{ 1 }}" * 20000,
]


@pytest.mark.parametrize("template", [*ESCAPES, "{{ 1 / 0 }}", "{{ missing }}", "{{ number", "{{ rows }}"])
def test_a_template_reaches_nothing_but_its_values(template: str) -> None:
    with pytest.raises(UsageError, match=r"^dialect mine: ") as said:
        rendered(template, VALUES, "mine")
    assert len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize("template", ENDLESS)
def test_a_template_ends_soon(template: str) -> None:
    began = time.process_time()
    with pytest.raises(UsageError, match=r"^dialect mine: "):
        rendered(template, VALUES, "mine")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for row in rows %}{{ loop.index }} {{ row.line.strip() }}{% endfor %}", "1 set x"),
        ("{{ rows[0].get('none', 'nothing') }}", "nothing"),
        ("{% set a, b = ('x', 'y') if number else ('y', 'x') %}{{ a ~ b }}", "xy"),
        ("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice(port) }}", "Ethernet1Ethernet1"),
        ("{{ (number * 100) | int }}", "300"),
        ("{{ '192.0.2.0/24' | wildcard }}", "192.0.2.0 0.0.0.255"),
        ("{{ port | replace('Ethernet', 'Et') }}", "Et1"),
    ],
)
def test_what_dialects_need_is_there(template: str, text: str) -> None:
    assert rendered(template, VALUES, "mine") == text


def test_a_dialect_from_anywhere_is_data(tmp_path: Path) -> None:
    text = (FOLDER / "frr.toml").read_text()
    begin = text.index("apply = ")
    end = text.index("undo = ", begin)
    evil = f"apply = \"{{{{ cycler.__init__.__globals__.os.popen('id >{tmp_path}/f').read() }}}}\"\n"
    (tmp_path / "mine.toml").write_text(text[:begin] + evil + text[end:])
    dialect = load(str(tmp_path / "mine.toml"))
    intent = next(iter(dialect.intent.values()))
    with pytest.raises(UsageError, match="is unsafe"):
        dialect.lines(intent.apply, VALUES)
    assert not (tmp_path / "f").exists()
