"""Which records a reader wants."""

from __future__ import annotations

from msgspec import Struct

from hub.wire.uploads.records import RecordKind


class RecordFilter(Struct, frozen=True, kw_only=True):
    """Which records to return: those that meet every condition. None is no condition.

    `since` <= occurred_at < `until`, in UNIX milliseconds. `plate` and `name` match any part,
    ignoring case; in them `?` stands for one character and `*` for any number of them. `dids`: any
    of these cameras, `categories`: any of these; an empty tuple matches nothing. `has_pictures`:
    with or without pictures.
    """

    kind: RecordKind | None = None
    did: str | None = None
    dids: tuple[str, ...] | None = None
    since: int | None = None
    until: int | None = None
    type: int | None = None
    plate: str | None = None
    name: str | None = None
    uuid: str | None = None
    category: int | None = None
    categories: tuple[int, ...] | None = None
    has_pictures: bool | None = None


def has_wildcards(text: str) -> bool:
    """Return whether `?` or `*` in a name or plate stand for other characters."""
    return "?" in text or "*" in text


def glob_of(folded: str) -> str:
    """Return the pattern of SQLite's GLOB that matches texts with such a part."""
    return f"*{folded.replace('[', '[[]')}*"
