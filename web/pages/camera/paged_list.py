"""A long list of a camera: a few answers of the device on a page, and where it goes on.

The page's address names the place: the page of the device, how much was shown before, and marks
of what was shown last, which does not come again.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from hub.services.commands.paging import DeviceList
from hub.wire.commands.paging import LIST_START, MAX_MARKS, ListPosition
from web.pages.camera.streamed_page import Parts

R = TypeVar("R")

#: How many answers of the device one page holds.
_PAGES_AT_ONCE = 2

#: No list is longer than what is read of one (hub.wire.commands.paging).
_MOST_DIGITS = 6
#: Each mark has 4 bytes, and 3 bytes are 4 letters.
_MOST_MARK_LETTERS = -(-MAX_MARKS * 4 // 3) * 4


class Place(Struct, frozen=True):
    """Without a page it is the beginning."""

    page: int | None = None
    left: ListPosition = LIST_START


def place_of(args: Mapping[str, str]) -> Place:
    """The place that an address names; the beginning where it names none."""
    page, read = _number(args.get("page")), _number(args.get("read"))
    return (
        Place()
        if page is None
        else Place(page, ListPosition(read or 0, _marks(args.get("last", ""))))
    )


def _marks(text: str) -> tuple[int, ...]:
    """What `_marks_text` wrote; none where somebody else did."""
    try:
        data = base64.b64decode(text[:_MOST_MARK_LETTERS], b"-_", validate=True)
        return struct.unpack(f">{len(data) // 4}I", data)
    except (ValueError, struct.error):
        return ()


def _marks_text(marks: Sequence[int]) -> str:
    return base64.urlsafe_b64encode(struct.pack(f">{len(marks)}I", *marks)).decode()


def _number(text: str | None) -> int | None:
    if text and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None


async def listed(
    parts: Parts,
    pages: Callable[[], DeviceList[R]],
    shown: Callable[[R], object],
    template: str,
    end: str,
    *,
    query: Mapping[str, str],
    is_first: bool,
    **values: object,
) -> AsyncGenerator[str, None]:
    """The rows of each answer as it comes, by `template`, and below all of them the `end`.

    `query` is what is looked for, as the address has it.
    """
    found = pages()
    everything: list[object] = []
    for _ in range(_PAGES_AT_ONCE):
        rows = await found.next()
        if rows is None:
            break
        new = [shown(row) for row in rows]
        everything += new
        yield await parts.show(template, rows=new)
    yield await parts.show(
        end,
        rows=everything,
        total=found.total,
        read=found.read,
        unreadable=found.unreadable,
        is_first=is_first,
        more=_next_query(found, query),
        **values,
    )


def _next_query(pages: DeviceList[R], query: Mapping[str, str]) -> str:
    """The query of where the list goes on; empty at its end."""
    if pages.wanted is None:
        return ""
    left = pages.left
    place = {"page": pages.wanted, "read": left.read, "last": _marks_text(left.marks)}
    return "?" + urlencode({**query, **place})
