"""Where a long list of a camera goes on: the page of the device, and how much was shown before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from hub.services.commands import PagesOfDevice

#: No list is longer than what is read of one (hub.wire.paging).
_MOST_DIGITS = 6


class Place(Struct, frozen=True):
    """None and 0 is the beginning."""

    page: int | None = None
    read: int = 0


def place_of(args: Mapping[str, str]) -> Place:
    """The place that an address names; the beginning where it names none."""
    page, read = _number(args.get("page")), _number(args.get("read"))
    return Place() if page is None else Place(page, read or 0)


def _number(text: str | None) -> int | None:
    if text and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None


def next_query(pages: PagesOfDevice[Any], query: Mapping[str, str]) -> str:
    """The query of where the list goes on; empty at its end."""
    if pages.wanted is None:
        return ""
    return "?" + urlencode({**query, "page": pages.wanted, "read": pages.read})
