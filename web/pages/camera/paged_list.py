"""Long lists from a camera, paged by address.

A page of the hub shows several answers of the device. The address says where the list continues:
the device's page number, how many rows were shown before, and marks of the last rows shown, so that
no row is repeated.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from hub.services.commands.paging import DeviceList
from hub.wire.commands.paging import LIST_START, MAX_MARKS, ListPosition
from web.pages.camera.streamed_page import PartRenderer

RowT = TypeVar("RowT")

#: Pages of the device per page of the hub.
_DEVICE_PAGES_PER_PAGE = 2

#: Enough for the longest list that is read (hub.wire.commands.paging).
_MAX_DIGITS = 6
#: 4 bytes per mark; Base64 turns 3 bytes into 4 characters.
_MAX_MARKS_LENGTH = -(-MAX_MARKS * 4 // 3) * 4


class PagePosition(Struct, frozen=True):
    """Where a page of the list starts. `page` is None at the start of the list."""

    page: int | None = None
    left: ListPosition = LIST_START


def read_position(args: Mapping[str, str]) -> PagePosition:
    """Read the position from the query parameters; the start if there is none."""
    page, read = _parse_number(args.get("page")), _parse_number(args.get("read"))
    if page is None:
        return PagePosition()
    return PagePosition(page, ListPosition(read or 0, _decode_marks(args.get("last", ""))))


def _decode_marks(text: str) -> tuple[int, ...]:
    """Decode what `_encode_marks` wrote; empty if the text is anything else."""
    try:
        data = base64.b64decode(text[:_MAX_MARKS_LENGTH], b"-_", validate=True)
        return struct.unpack(f">{len(data) // 4}I", data)
    except (ValueError, struct.error):
        return ()


def _encode_marks(marks: Sequence[int]) -> str:
    return base64.urlsafe_b64encode(struct.pack(f">{len(marks)}I", *marks)).decode()


def _parse_number(text: str | None) -> int | None:
    if text and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text)
    return None


def each(
    make_row: Callable[[RowT], object],
) -> Callable[[Sequence[RowT]], Awaitable[Sequence[object]]]:
    """Rows that are made one by one, for stream_list()."""

    async def make_rows(rows: Sequence[RowT]) -> Sequence[object]:
        return [make_row(row) for row in rows]

    return make_rows


async def stream_list(
    renderer: PartRenderer,
    pages: Callable[[], DeviceList[RowT]],
    make_rows: Callable[[Sequence[RowT]], Awaitable[Sequence[object]]],
    template: str,
    end: str,
    *,
    query: Mapping[str, str],
    is_first: bool,
    **values: object,
) -> AsyncGenerator[str, None]:
    """Render each answer with `template` as it arrives, then `end` below all of them.

    `query` holds the search parameters for the link to the next page.
    """
    found = pages()
    everything: list[object] = []
    for _ in range(_DEVICE_PAGES_PER_PAGE):
        rows = await found.next()
        if rows is None:
            break
        new = await make_rows(rows)
        everything += new
        yield await renderer.render(template, rows=new)
    yield await renderer.render(
        end,
        rows=everything,
        total=found.total,
        read=found.read,
        unreadable=found.unreadable,
        is_first=is_first,
        more=_next_query(found, query),
        **values,
    )


def _next_query(pages: DeviceList[RowT], query: Mapping[str, str]) -> str:
    """The query string of the next page; empty at the end of the list."""
    return "" if pages.wanted is None else next_query(pages.wanted, pages.left, query)


def next_query(page: int, left: ListPosition, query: Mapping[str, str]) -> str:
    """The query string of the list that continues at the device's page `page`."""
    position = {"page": page, "read": left.read, "last": _encode_marks(left.marks)}
    return "?" + urlencode({**query, **position})
