"""Which records a reader wants."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hub.wire.uploads.records import RECORD_KINDS, RecordKind
from hub.wire.uploads.searchable import SEARCHABLE, AskedAttributes

T = TypeVar("T")

_ALL_KINDS = frozenset(RECORD_KINDS)
#: The kinds of record that can have what a condition asks for.
_KINDS_WITH: dict[str, frozenset[RecordKind]] = {
    "type": frozenset({"event", "access"}),
    "plate": frozenset({"vehicle"}),
    "name": frozenset({"face", "event"}),
    "uuid": frozenset({"face", "event", "access"}),
    "category": frozenset({"face", "event"}),
    "categories": frozenset({"face", "event"}),
    "lists": frozenset({"face", "event", "access"}),
}


class RecordFilter(Struct, frozen=True, kw_only=True):
    """Which records to return: those that meet every condition. None is no condition.

    `since` <= occurred_at < `until`, in UNIX milliseconds. `plate` and `name` match any part,
    ignoring case; in them `?` stands for one character and `*` for any number of them, and in
    double quotes they match the whole. `dids`: any of these cameras, `categories`: any of these; an
    empty tuple matches nothing. `has_pictures`: with or without pictures.

    `category` and `categories` are what the camera sent, which many leave out. `lists` are what
    pages show: 1 to 4 also match a person whom the register has on such a list, 0 (strangers) also
    a face that has no category, number or name, and an access of nobody's number (D8).

    `attributes`: those of `hub.wire.uploads.searchable`, each with the words of which one is
    enough. A word that is in no table matches nothing.
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
    lists: tuple[int, ...] | None = None
    has_pictures: bool | None = None
    attributes: AskedAttributes = ()


def simplified(filter: RecordFilter) -> RecordFilter | None:
    """Return a filter with fewer conditions that matches the same records.

    None if no record can match, because the conditions contradict each other.
    """
    filter = replace(filter, name=filter.name or None, plate=filter.plate or None)
    if filter.since is not None and filter.until is not None and filter.since >= filter.until:
        return None
    dids = _either(filter.did, filter.dids)
    categories = _either(filter.category, filter.categories)
    words = [words for _, words in filter.attributes]
    if () in (dids, categories, filter.lists, *words) or not possible_kinds(filter):
        return None
    return replace(
        filter,
        kind=None if filter.plate and filter.kind == "vehicle" else filter.kind,
        did=dids[0] if dids and len(dids) == 1 else None,
        dids=dids if dids and len(dids) > 1 else None,
        category=categories[0] if categories and len(categories) == 1 else None,
        categories=categories if categories and len(categories) > 1 else None,
    )


def possible_kinds(filter: RecordFilter) -> frozenset[RecordKind]:
    """Return the kinds that can have what a filter asks for."""
    kinds = _ALL_KINDS if filter.kind is None else frozenset({filter.kind})
    for name, having in _KINDS_WITH.items():
        if getattr(filter, name) is not None:
            kinds &= having
    for key, _ in filter.attributes:
        kinds &= {SEARCHABLE[key].of}
    return kinds


def is_quoted(part: str) -> bool:
    """Return whether a text asks for a whole name or plate rather than for a part of it."""
    return len(part) > 2 and part[0] == part[-1] == '"'


def is_by_term(filter: RecordFilter) -> bool:
    """Return whether an index answers a filter by a name or a plate, perhaps of one camera."""
    term = filter.name if filter.plate is None else filter.plate
    return term is not None and filter == RecordFilter(
        name=filter.name, plate=filter.plate, did=filter.did
    )


def _either(one: T | None, some: tuple[T, ...] | None) -> tuple[T, ...] | None:
    """Return the values that meet both conditions; None if there is none."""
    if one is None:
        return None if some is None else tuple(dict.fromkeys(some))
    return (one,) if some is None or one in some else ()
