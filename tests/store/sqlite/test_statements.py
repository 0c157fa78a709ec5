"""How values reach SQL statements, in the text of the whole tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_TREE = Path(__file__).parents[3]
_NUMBERED = re.compile(r"[\s(,=<>|]\?\d")


@pytest.mark.parametrize("folder", ["hub", "web", "packaging", "tests"])
def test_no_statement_numbers_its_values(folder: str) -> None:
    # Python 3.12 to 3.12.3 warns of "?1" with a sequence, and tests turn that into an error.
    found = [
        f"{path.relative_to(_TREE)}:{node.lineno}"
        for path in sorted((_TREE / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _NUMBERED.search(node.value)
    ]
    assert found == [], 'bind by name, with a dict, or with "?"'
