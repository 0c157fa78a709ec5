"""Repeats: records of the same person or plate at the same camera, shown as one card ("×4")."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hub.wire.person_numbers import canonical_number, names_nobody
from hub.wire.uploads.records import AccessDetail, FaceDetail, Record, VehicleDetail

#: A record repeats an earlier one if it occurred at most this much before or after it.
REPEAT_MS = 60_000


class RepeatGroup(Struct, frozen=True):
    """Records that one card shows: at least one, in the order in which they were given.

    The first one gives the card its place: on a page with the newest first, the newest.
    """

    records: tuple[Record, ...]

    @property
    def lead(self) -> Record:
        """The first record, which the card shows."""
        return self.records[0]

    @property
    def count(self) -> int:
        return len(self.records)


def group_repeats(records: Sequence[Record]) -> list[RepeatGroup]:
    """Group the records of one page, given in either order of `seq`, without losing any.

    A group continues as long as each of its records is within REPEAT_MS of the one before. Records
    of other cameras and people may lie in between. Groups are in the order of their first records.
    """
    groups: list[list[Record]] = []
    open_groups: dict[str, list[Record]] = {}
    for record in records:
        key = repeat_key(record)
        group = open_groups.get(key) if key else None
        if group and abs(group[-1].occurred_at - record.occurred_at) <= REPEAT_MS:
            group.append(record)
            continue
        groups.append([record])
        if key:
            open_groups[key] = groups[-1]
    return [RepeatGroup(tuple(group)) for group in groups]


def repeat_key(record: Record) -> str:
    """Return what is equal for records that may repeat each other; "" if none repeats this one.

    Strangers, events, and what was erased or is damaged repeat nothing. Nor do records that differ
    in more than their time: a change of the list or of an access decision must be seen.
    """
    if record.erased:
        return ""
    match record.detail:
        case FaceDetail(name=name, uuid=uuid, category=category):
            who, state = _person(uuid, name), str(category or 0)
        case AccessDetail(uuid=uuid, type=type, status=status):
            who, state = _person(uuid, None), f"{type} {status}"
        case VehicleDetail(plate=plate):
            who, state = (plate.id or "").strip().casefold(), ""
        case _:
            return ""
    return "\n".join((record.did, record.kind, state, who)) if record.did and who else ""


def _person(uuid: str | None, name: str | None) -> str:
    """Whom a camera recognised; "" for a stranger."""
    if uuid is not None and not names_nobody(uuid):
        return f"pid {canonical_number(uuid)}"
    return f"name {name.strip()}" if name and name.strip() else ""
