from __future__ import annotations

from pathlib import Path

import hub.folding
from hub.folding import MAX_NORMALISED, normalise
from hub.services.access.validation import MAX_NAME_LENGTH, check_name

ROOT = Path(hub.folding.__file__).parents[1]


def test_text_is_normalised_in_one_place_which_cuts_it() -> None:
    for path in [*ROOT.glob("hub/**/*.py"), *ROOT.glob("web/**/*.py")]:
        if path != Path(hub.folding.__file__):
            assert "unicodedata.normalize" not in path.read_text(), path


def test_what_is_normalised_is_cut_before() -> None:
    assert normalise("NFC", "e\u0301" * MAX_NORMALISED) == "é" * (MAX_NORMALISED // 2)
    assert normalise("NFC", "x" * 99, 7) == "x" * 7


def test_a_name_whose_marks_are_typed_separately_is_as_long_as_it_looks() -> None:
    assert check_name(" " + "e\u0302\u0301" * MAX_NAME_LENGTH) == "ế" * MAX_NAME_LENGTH
