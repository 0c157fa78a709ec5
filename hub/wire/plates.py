"""Number plates as they are compared (D11), and patterns that they match."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

from hub.folding import normalise

T = TypeVar("T")

#: Longer text is no plate, and is cut off.
MAX_PLATE_LENGTH = 32
_DOTS_AND_HYPHENS = frozenset(".·•‧∙⋅・。-‐‑‒–—―−")
_WILDCARDS = "*?"


def reduce_plate(text: str) -> str:
    """Return a plate without blanks, dots, hyphens and case, full-width forms reduced (D11)."""
    # Reduced text can be much longer than what it was made of.
    whole = normalise("NFKC", text, MAX_PLATE_LENGTH * 4).upper()
    kept = (one for one in whole if one.isprintable() and not one.isspace())
    return "".join(one for one in kept if one not in _DOTS_AND_HYPHENS)[:MAX_PLATE_LENGTH]


def reduce_pattern(text: str) -> str:
    """Return a pattern as plates are reduced; `*` stands for any text, `?` for one character."""
    return re.sub(r"\*+", "*", reduce_plate(text))


def part_pattern(text: str) -> str:
    """Return the pattern that finds a plate by a part, as people write it and cameras may send it.

    Full-width forms are reduced; for blanks, dots and hyphens there may be any text, or none.
    """
    whole = normalise("NFKC", text, MAX_PLATE_LENGTH * 4)
    kept = ("*" if one.isspace() or one in _DOTS_AND_HYPHENS else one for one in whole)
    return re.sub(r"\*+", "*", "".join(kept))[: MAX_PLATE_LENGTH * 4]


def is_wildcard(pattern: str) -> bool:
    """Return whether a pattern can match more than one plate."""
    return any(sign in pattern for sign in _WILDCARDS)


class PlateMatcher(Generic[T]):
    """Finds what belongs to the patterns that a plate matches.

    Patterns without wildcards are looked up; of the others only those are tried that begin like
    the plate, or with a wildcard.
    """

    def __init__(self, patterns: Iterable[tuple[str, T]]) -> None:
        """`patterns`: as `reduce_pattern` returns them, each with what belongs to it."""
        self._exact: dict[str, list[T]] = {}
        self._wild: dict[str, list[tuple[re.Pattern[str], T]]] = {}
        for pattern, item in patterns:
            if is_wildcard(pattern):
                self._wild.setdefault(_first_literal(pattern), []).append(
                    (_compiled(pattern), item)
                )
            else:
                self._exact.setdefault(pattern, []).append(item)

    def __bool__(self) -> bool:
        return bool(self._exact or self._wild)

    def find(self, plate: str) -> list[T]:
        """Return what belongs to all patterns that match a reduced plate."""
        found = list(self._exact.get(plate, ()))
        for first in ("", plate[:1]):
            found += [item for pattern, item in self._wild.get(first, ()) if pattern.match(plate)]
        return found


def _first_literal(pattern: str) -> str:
    return "" if pattern[:1] in _WILDCARDS else pattern[:1]


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern so that a match takes no longer than its length times the plate's."""
    first, *others = (_literal(part) for part in pattern.split("*"))
    if not others:
        return re.compile(rf"{first}\Z")
    # The leftmost match of each part is as good as any later one, so nothing is tried twice.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    return re.compile(rf"{first}{middle}.*{others[-1]}\Z", re.DOTALL)


def _literal(part: str) -> str:
    return "".join("." if sign == "?" else re.escape(sign) for sign in part)
