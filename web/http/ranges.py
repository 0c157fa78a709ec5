"""The part of a file that a request asks for."""

from __future__ import annotations

import re

from hypercorn.typing import HTTPScope
from msgspec import Struct

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)


class FilePart(Struct, frozen=True):
    """The bytes of a file from `start` to `end`, exclusive.

    `is_range`: the request had a range, even if it covers the whole file. The answer is then 206,
    which devices that download in pieces expect.
    """

    start: int
    end: int
    is_range: bool = True


def whole(size: int) -> FilePart:
    return FilePart(0, size, is_range=False)


def part_of(scope: HTTPScope, size: int, etag: bytes) -> FilePart | None:
    """The requested part (RFC 9110, 14.2); None if it lies outside the file.

    A malformed range, several ranges, and a range of another file (If-Range) are ignored, as the
    RFC allows or demands: the whole file is sent.
    """
    wanted = _RANGE.fullmatch(_header(scope, b"range").strip())
    condition = _header(scope, b"if-range").strip()
    if wanted is None or (condition and condition.encode("latin-1") != etag):
        return whole(size)
    first, last = wanted.groups()
    if not first:
        return _last_bytes(int(last), size) if last else whole(size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return whole(size)
    return FilePart(start, end) if start < size else None


def _last_bytes(count: int, size: int) -> FilePart | None:
    return FilePart(max(0, size - count), size) if count else None


def _header(scope: HTTPScope, wanted: bytes) -> str:
    values = [value for name, value in scope["headers"] if name == wanted]
    # Ignore a header that is given twice: it is ambiguous.
    return values[0].decode("latin-1") if len(values) == 1 else ""
