from __future__ import annotations

import pytest

from hub.services.csv_cells import as_text, from_text

FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "﹦1",
    "\u22121",
    "\t=1",
    "\tplain",
    "\rplain",
    "\nplain",
    " =1",
    "\u3000＝1",
    "\u00a0+1",
    "\u200b=1",
    "\ufeff=1",
    '"=1',
    "'=1",
    "''-1",
    " \"'=1",
    "\x00=1",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_what_could_be_a_formula_becomes_text_and_can_be_read_back(text: str) -> None:
    assert as_text(text) == f"'{text}"
    assert from_text(as_text(text)) == text


@pytest.mark.parametrize(
    "text", ["", " ", "'", '"', "a=1", "gate 1-2", "1+1", "北门", "o'Neil", "(=1)", "'quoted'"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert as_text(text) == text
    assert from_text(text) == text
