"""/alarm-rules and /plate-lists: what raises alarms (D11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.config import RaisedBy
from hub.services import Services
from hub.services.alarms.plate_lists import MAX_NAME_LENGTH, MAX_NOTE_LENGTH
from hub.services.alarms.ready_sets import FEW, USUAL
from hub.store.alarms.alarm import Severity
from hub.store.tables.alarm_rules import MAX_RULES, AlarmRule
from hub.store.tables.plate_lists import MAX_ENTRIES, MAX_LISTS, MAX_WILDCARDS, NewPlateList
from hub.store.tables.plate_lists import PlateEntry as StoredEntry
from hub.store.tables.plate_lists import PlateList as StoredList
from hub.wire.times import format_rfc3339, parse_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Text
from web.api.resource import Resource
from web.api.routes import Call, Routes, id_of

TAG = "Alarms"
_RULES = f"{PREFIX}/alarm-rules"
#: Room for as many plates as all lists may have, each with its note.
_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_FIELDS = 4 * MAX_ENTRIES


class AlarmRules(Struct, frozen=True, forbid_unknown_fields=True):
    """All rules, in their order. `raised_by`: the events that raise an alarm where none decides."""

    items: Annotated[list[AlarmRule], Meta(max_length=MAX_RULES)]
    raised_by: RaisedBy | UnsetType = UNSET


class PlateEntryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A plate or a pattern. `until`: when it ends, in RFC 3339; null: it has no end."""

    pattern: Annotated[str, Meta(max_length=200)]
    note: Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)] = ""
    until: Text | None = None


class PlateListBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    severity: Severity = "critical"
    entries: Annotated[list[PlateEntryBody], Meta(max_length=MAX_ENTRIES)] = []

    def wanted(self) -> NewPlateList:
        """Return the list. Raises BadParameter."""
        entries = enumerate(self.entries)
        return NewPlateList(
            name=self.name,
            severity=self.severity,
            entries=tuple(_entry(one, f"entries[{number}].until") for number, one in entries),
        )


class PlateEntry(Struct, frozen=True):
    """A plate or a pattern, as it is compared."""

    pattern: str
    note: str
    until: Time | None


class PlateList(Struct, frozen=True, kw_only=True):
    """Watched plates, and the severity of the alarms that they raise."""

    id: int
    name: str
    severity: Severity
    entries: list[PlateEntry]


class PlateLists(Struct, frozen=True):
    items: list[PlateList]


def _numbers(types: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(types)))


_RULES_EXAMPLE = AlarmRules(
    [
        AlarmRule(types=(2,), severity="critical", days=(6, 7), groups=(3,)),
        AlarmRule(types=(2,), severity="major", start="20:00", end="06:00", renew=False),
        AlarmRule(kind="offline", severity="none", dids=("12",)),
    ],
    "usual",
)
_EXAMPLE = PlateList(
    id=3,
    name="Stolen",
    severity="critical",
    entries=[PlateEntry("粤B1234*", "white van", "2027-12-31T16:00:00.000Z")],
)
_BODY = PlateListBody(
    "Stolen", "critical", [PlateEntryBody("粤B·1234*", "white van", "2027-12-31T16:00:00Z")]
)
_COMPARED = (
    "Plates are compared without blanks, dots, hyphens and case, full-width forms reduced. `*` "
    f"stands for any text, `?` for one character. All lists together have at most {MAX_ENTRIES:,} "
    f"entries, {MAX_WILDCARDS:,} of them with `*` or `?`."
)

GET_RULES = Endpoint(
    method="GET",
    path=_RULES,
    tag=TAG,
    summary="The rules of alarms",
    answer_example=_RULES_EXAMPLE,
    role="guard",
)
PUT_RULES = Endpoint(
    method="PUT",
    path=_RULES,
    tag=TAG,
    summary="Replace the rules of alarms",
    description=(
        "Of the rules about an event (by `types` and camera), an offline device or a problem of "
        "the hub, the first whose hours it is decides; outside of the hours of all of them, the "
        "first by its `otherwise`: no alarm (`none`), or as without rules (`default`). What no "
        "rule is about is as without: offline devices and problems raise an alarm, and events by "
        "`raised_by`, which stays if it is left out. "
        f"`few`: types {_numbers(FEW)}; `usual`: {_numbers(USUAL)}; both: 12, unless the person's "
        "category is known and is not 2; `all`: every type but 11. "
        "Rules do not apply to the blacklist and to plates. An event after a quiet minute makes an "
        "acknowledged alarm new again if it is critical or major, unless `renew` says otherwise."
    ),
    body_example=_RULES_EXAMPLE,
    max_body_bytes=_MAX_BODY_BYTES,
    answer_example=_RULES_EXAMPLE,
)


def add(routes: Routes, services: Services) -> None:
    rules, lists = services.alarms.rules, services.alarms.plate_lists

    async def get_alarm_rules(call: Call[Nothing, Nothing]) -> AlarmRules:
        return AlarmRules(list(rules.all()), rules.raised_by)

    async def put_alarm_rules(call: Call[Nothing, AlarmRules]) -> AlarmRules:
        raised_by = "" if call.body.raised_by is UNSET else call.body.raised_by
        await rules.put(call.body.items, call.caller.actor, raised_by=raised_by)
        return AlarmRules(list(rules.all()), rules.raised_by)

    routes.add(GET_RULES, get_alarm_rules)
    routes.add(PUT_RULES, put_alarm_rules)
    calls = Resource(
        routes,
        f"{PREFIX}/plate-lists/{{plate_list}}",
        tag=TAG,
        example=_EXAMPLE,
        get=lambda call: lists.get(id_of(call, "plate_list")),
        show=_list_fields,
        read="guard",
    )
    calls.list("The plate lists", PlateLists, lists.list)
    calls.add(
        "Add a plate list",
        _BODY,
        lambda call: lists.add(call.body.wanted(), call.caller.actor),
        description=f"At most {MAX_LISTS}. {_COMPARED}",
        max_body_bytes=_MAX_BODY_BYTES,
        max_fields=_MAX_FIELDS,
    )
    calls.one("One plate list")
    calls.change(
        "PUT",
        "Replace a plate list",
        _BODY,
        lambda call: lists.change(id_of(call, "plate_list"), call.body.wanted(), call.caller.actor),
        description=_COMPARED,
        max_body_bytes=_MAX_BODY_BYTES,
        max_fields=_MAX_FIELDS,
    )
    calls.remove(
        "Remove a plate list",
        lambda gone, by: lists.remove(gone.id, by),
        description="Returns the removed list. Alarms that it raised stay.",
    )


def _entry(body: PlateEntryBody, field: str) -> StoredEntry:
    until = None if body.until is None else parse_rfc3339(body.until, field)
    return StoredEntry(body.pattern, body.note, until)


def _list_fields(one: StoredList) -> PlateList:
    return PlateList(
        id=one.id,
        name=one.name,
        severity=one.severity,
        entries=[
            PlateEntry(
                entry.pattern,
                entry.note,
                None if entry.until is None else format_rfc3339(entry.until),
            )
            for entry in one.entries
        ],
    )
