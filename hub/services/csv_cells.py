"""Text in cells of CSV files, written so that no spreadsheet takes it for a formula."""

from __future__ import annotations

import unicodedata

from hub.folding import normalise

#: After normalisation, which turns full-width and small forms into these; the last is a minus sign.
_FORMULA_SIGNS = "=+-@\u2212"
_SKIPPED_CATEGORIES = ("Cc", "Cf", "Zl", "Zp", "Zs")
_QUOTES = "'\"\u2018\u2019\u201c\u201d"


def as_text(value: str) -> str:
    """Return the cell for a text: with an apostrophe before it if it could be a formula."""
    return f"'{value}" if _could_be_formula(value) else value


def from_text(cell: str) -> str:
    """Undo `as_text`."""
    return cell[1:] if cell[:1] == "'" and _could_be_formula(cell[1:]) else cell


def _could_be_formula(value: str) -> bool:
    """Whether it begins like a formula, or with a tab or line end.

    Spreadsheets leave out blanks, invisible characters and quotation marks in front of a formula.
    """
    if value[:1] in ("\t", "\r", "\n"):
        return True
    for character in value:
        if character in _QUOTES or unicodedata.category(character) in _SKIPPED_CATEGORIES:
            continue
        return normalise("NFKC", character)[:1] in _FORMULA_SIGNS
    return False
