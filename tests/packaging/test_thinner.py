"""A hub does not need what the executable leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import babel
import pytest

ROOT = Path(__file__).parents[2]

#: Replaces the modules by the stand-ins, then imports all that a hub and a client import.
_PROGRAM = """
import importlib.util, sys
sys.path.insert(0, "packaging")
import thinner

for name in thinner.STOOD_IN_FOR:
    spec = importlib.util.spec_from_file_location(
        name, thinner.STAND_IN, submodule_search_locations=[]
    )
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    if parent in thinner.STOOD_IN_FOR:
        setattr(sys.modules[parent], child, module)

import hub.app, hub.cli.run.summary, hub.process.control.channel, web.server
print(*sys.modules)
import web.app
print(*sys.modules)
import hub.cli.simulate.fleet_run, httpx
httpx.Client().close()
sys.modules["h2.connection"].H2Connection()
"""

#: Formats dates as the pages do, with the babel data in argv[1] if it is given.
_WRITER = """
import datetime, sys
from babel import core, localedata
if len(sys.argv) > 1:
    core.__file__ = sys.argv[1] + "/core.py"
    localedata._dirname = sys.argv[1] + "/locale-data"
from web.language import LANGUAGES
for language in LANGUAGES.values():
    print(language.weekdays())
    for month in range(1, 13):
        day = datetime.date(2026, month, 2 * month)
        ms = 1000 * (month + day.toordinal() * 86_400)
        print(language.month(2026, month), language.long_day(day), language.day(ms, datetime.UTC))
        print(language.moment(ms, datetime.UTC))
"""


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )


def test_a_hub_and_a_client_can_be_imported_with_the_stand_ins() -> None:
    done = run(_PROGRAM)
    assert done.stderr.endswith("h2.connection.H2Connection is not in this executable\n")
    first, imported = (line.split() for line in done.stdout.splitlines())
    assert "web.server" in first
    # Imported when the first page is asked for.
    late = {"quart", "werkzeug", "jinja2", "web.pages", "web.api", "web.auth", "web.language"}
    assert not late.intersection(first)
    # Stood in for, or imported where they are used.
    unused = {"hpack", "click.testing", "html.entities", "multiprocessing.context", "segno", "PIL"}
    assert not unused.intersection(imported)
    assert not any(name.startswith("greenlet.") for name in imported)


def test_dates_are_formatted_the_same_with_the_thinned_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "packaging")
    import thinner

    whole = Path(babel.__file__).parent
    (tmp_path / "locale-data").mkdir()
    for language in thinner.LANGUAGES:
        thinner.thin_file(whole / "locale-data" / f"{language}.dat", tmp_path / "locale-data")
    thinner.thin_file(whole / "global.dat", tmp_path)
    thin = run(_WRITER, str(tmp_path))
    assert thin.stderr == ""
    assert "星期一" in thin.stdout
    assert thin.stdout == run(_WRITER).stdout


def test_functions_lose_their_annotations_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "packaging")
    import thinner

    source = """
import typing
class Row:
    \"\"\"One row.\"\"\"
    did: str
    def of(self, a: int = 1, *b: str, c: str = "c", **d: typing.Any) -> (
        str
    ):
        return a, b, c, d
async def ask(question: "str") -> int:
    async def inner(x: int): ...
    return inner
x: int = 1
fail = lambda: 1 / 0
"""
    built: dict[str, Any] = {}
    code = thinner.compile_thin(source.encode(), "rows.py", optimize=0, with_docstrings=True)
    exec(code, built)
    row = built["Row"]
    assert (row.__annotations__, row.__doc__) == ({"did": str}, "One row.")
    assert row.of.__annotations__ == built["ask"].__annotations__ == {}
    assert row().of(2, "b", e=3) == (2, ("b",), "c", {"e": 3})
    assert built["__annotations__"] == {"x": int}
    line = source.splitlines().index("fail = lambda: 1 / 0") + 1
    code = built["fail"].__code__
    assert (code.co_filename, code.co_firstlineno) == ("rows.py", line)


def test_functions_that_nobody_describes_lose_their_docstrings_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "packaging")
    import thinner

    source = """
class Row:
    \"\"\"One row.\"\"\"
    def of(self):
        \"\"\"Return it.\"\"\"
        return self
    def nothing(self):
        \"\"\"Do nothing.\"\"\"
async def ask():
    \"\"\"Ask.\"\"\"
    return "asked"
"""
    built: dict[str, Any] = {}
    code = thinner.compile_thin(source.encode(), "rows.py", optimize=0, with_docstrings=False)
    exec(code, built)
    row = built["Row"]
    assert (row.__doc__, row.of.__doc__, built["ask"].__doc__) == ("One row.", None, None)
    assert row().nothing() is None
    assert isinstance(row().of(), row)
    assert [thinner.is_described(name) for name in ("hub.cli.run", "web.api", "trio")] == [True] * 3
    assert not thinner.is_described("hub.services.site")
    assert not thinner.is_described("web.apis")
