"""/holds: records that are held beyond their day, and their export."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from quart import Response

from hub.errors import BadParameter, NotAllowed
from hub.services import Services
from hub.services.records.holds import MAX_REASON_LENGTH, HoldSelection, may_change
from hub.store.records.record_log import RecordPage
from hub.store.tables.holds import MAX_RECORDS_PER_HOLD, Added
from hub.store.tables.holds import Hold as StoredHold
from hub.store.tables.users import User
from hub.wire.times import format_rfc3339, parse_rfc3339
from hub.wire.uploads.records import RecordKind
from web.api.answers import Time
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing, Seq, Text
from web.api.records.answers import Records
from web.api.records.record_list import PIECE_BYTES, RecordLists
from web.api.routes import Call, Routes, id_of
from web.pages.hold_export import response

TAG = "Evidence"
_HOLDS = f"{PREFIX}/holds"
#: Room for as many seqs as a hold may have, one in a line.
MAX_BODY_BYTES = 256 * 1024
_ONE = f"{_HOLDS}/{{hold}}"

Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON_LENGTH)]


class Hold(Struct, frozen=True, kw_only=True):
    """Records that are kept, whatever the age of their day."""

    id: int
    source: Annotated[str, Meta(description="what made it: `person`")]
    reason: str
    until: Annotated[Time | None, Meta(description="null: until someone releases it")]
    created_by: Annotated[str, Meta(description="`user NAME`, `key APPID` or `command line`")]
    created_at: Time
    ended_by: Annotated[
        str | None, Meta(description="null: it is in force; empty: it ended by itself")
    ]
    ended_at: Time | None
    records: Annotated[int, Meta(description="how many it holds, or held when it ended")]


class HoldList(Struct, frozen=True):
    """Newest first. `next` is the `after` of the next call; null: this is the last page."""

    items: list[Hold]
    next: int | None


class HoldAdded(Struct, frozen=True):
    """The hold, how many records were added, and the seqs of those that are gone."""

    hold: Hold
    added: int
    missing: list[int]


class HoldsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Seq | None, Meta(description="holds that follow this id: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class HoldRecordsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[Seq, Meta(description="records with higher seqs")] = 0
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class ExportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    language: Annotated[Literal["en", "zh"], Meta(description="of the page in the archive")] = "en"


class SelectionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Records of a camera, a time and some kinds. What is left out matches all."""

    did: Did | None = None
    since: Annotated[Text | None, Meta(description="`since` ≤ `occurred_at`, in RFC 3339")] = None
    until: Annotated[Text | None, Meta(description="`occurred_at` < `until`, in RFC 3339")] = None
    kinds: list[RecordKind] = []


class NewHoldBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    reason: Reason
    until: Annotated[Text | None, Meta(description="when it ends, in RFC 3339")] = None
    seqs: list[Seq] = []
    select: SelectionBody | None = None


class HoldRecordsBody(Struct, frozen=True, forbid_unknown_fields=True):
    seqs: list[Seq] = []
    select: SelectionBody | None = None


class HoldChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason | UnsetType = UNSET
    until: Annotated[Text | UnsetType | None, Meta(description="null: no end")] = UNSET


_EXAMPLE = Hold(
    id=7,
    source="person",
    reason="Theft at the north gate, case 2026/311",
    until="2027-05-25T16:00:00.000Z",
    created_by="user mei",
    created_at="2026-11-25T08:00:00.000Z",
    ended_by=None,
    ended_at=None,
    records=42,
)
_ADDED = HoldAdded(_EXAMPLE, 42, [])

LIST = Endpoint(
    method="GET",
    path=_HOLDS,
    tag=TAG,
    summary="Holds, newest first",
    description="In force, and the last ones that ended.",
    query=HoldsQuery,
    query_example="limit=100",
    answer_example=HoldList([_EXAMPLE], None),
    role="guard",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="One hold",
    answer_example=_EXAMPLE,
    role="guard",
)
RECORDS = Endpoint(
    method="GET",
    path=f"{_ONE}/records",
    tag=TAG,
    summary="The records of a hold",
    query=HoldRecordsQuery,
    query_example="after=0&limit=100",
    answer_example=Records([], None, "3f2c8a5d9b1e4706a1c2d3e4f5061728"),
    role="guard",
)
ADD = Endpoint(
    method="POST",
    path=_HOLDS,
    tag=TAG,
    summary="Hold records",
    description=(
        f"Give either `seqs` or `select`; at most {MAX_RECORDS_PER_HOLD:,} records. They and their "
        "pictures stay until the hold ends, whatever the age of their day."
    ),
    max_body_bytes=MAX_BODY_BYTES,
    body_example=NewHoldBody(reason=_EXAMPLE.reason, until="2027-05-25T16:00:00Z", seqs=[4711]),
    answer_example=_ADDED,
    role="guard",
)
ADD_RECORDS = Endpoint(
    method="POST",
    path=f"{_ONE}/records",
    tag=TAG,
    summary="Hold more records",
    max_body_bytes=MAX_BODY_BYTES,
    body_example=HoldRecordsBody(seqs=[4712]),
    answer_example=_ADDED,
    role="guard",
)
CHANGE = Endpoint(
    method="PATCH",
    path=_ONE,
    tag=TAG,
    summary="Change reason and end date",
    description="For the guard who made it, administrators and API keys.",
    body_example=HoldChangeBody(until=None),
    answer_example=_EXAMPLE,
    role="guard",
)
RELEASE = Endpoint(
    method="DELETE",
    path=_ONE,
    tag=TAG,
    summary="Release a hold",
    description=(
        "What no other hold has goes with its day, or at once if that is gone. For the guard who "
        "made it, administrators and API keys."
    ),
    answer_example=_EXAMPLE,
    role="guard",
)
EXPORT = Endpoint(
    method="GET",
    path=f"{_ONE}/export",
    tag=TAG,
    summary="A hold as a ZIP",
    description=(
        "Pictures, `records.json`, a page that opens without a network, `manifest.json` and "
        "`SHA256SUMS` of all of them. Recorded in the audit log."
    ),
    query=ExportQuery,
    query_example="language=en",
    media_type="application/zip",
    role="guard",
)


def add(routes: Routes, services: Services, lists: RecordLists) -> None:
    """Add the calls. `lists`: in which an address has its turns, as for other records."""
    holds = services.records.holds

    async def list_holds(call: Call[HoldsQuery, Nothing]) -> HoldList:
        found = await holds.newest(call.query.after, call.query.limit + 1)
        items = found[: call.query.limit]
        return HoldList(
            [hold_fields(one) for one in items], items[-1].id if len(found) > len(items) else None
        )

    async def get_hold(call: Call[Nothing, Nothing]) -> Hold:
        return hold_fields(await holds.get(id_of(call, "hold")))

    async def get_hold_records(call: Call[HoldRecordsQuery, Nothing]) -> Response:
        hold = await holds.get(id_of(call, "hold"))
        after = call.query.after

        async def read(position: int | None, count: int) -> RecordPage:
            start = after if position is None else position
            return await holds.records(hold.id, after=start, limit=count, max_bytes=PIECE_BYTES)

        log_id = services.records.log.log_id
        return await lists.answer(read, call.query.limit, log_id, call.caller)

    async def add_hold(call: Call[Nothing, NewHoldBody]) -> HoldAdded:
        body = call.body
        seqs = await _seqs(services, body.seqs, body.select)
        until = None if body.until is None else parse_rfc3339(body.until, "until")
        return _added(await holds.create(seqs, body.reason, until, by=call.caller.actor))

    async def add_hold_records(call: Call[Nothing, HoldRecordsBody]) -> HoldAdded:
        seqs = await _seqs(services, call.body.seqs, call.body.select)
        return _added(await holds.add(id_of(call, "hold"), seqs, by=call.caller.actor))

    async def change_hold(call: Call[Nothing, HoldChangeBody]) -> Hold:
        hold, body = await _own(call, services), call.body
        until = hold.until
        if body.until is not UNSET:
            until = None if body.until is None else parse_rfc3339(body.until, "until")
        reason = hold.reason if body.reason is UNSET else body.reason
        return hold_fields(await holds.change(hold.id, reason, until, by=call.caller.actor))

    async def release_hold(call: Call[Nothing, Nothing]) -> Hold:
        hold = await _own(call, services)
        return hold_fields(await holds.release(hold.id, by=call.caller.actor))

    async def export_hold(call: Call[ExportQuery, Nothing]) -> Response:
        hold = await holds.get(id_of(call, "hold"))
        return await response.export_response(
            services,
            hold,
            call.query.language,
            by=call.caller.actor,
            sees_numbers=call.caller.may("admin"),
        )

    routes.add(LIST, list_holds)
    routes.add(ADD, add_hold)
    routes.add(ONE, get_hold)
    routes.add(CHANGE, change_hold)
    routes.add(RELEASE, release_hold)
    routes.add(RECORDS, get_hold_records)
    routes.add(ADD_RECORDS, add_hold_records)
    routes.add(EXPORT, export_hold)


async def _own(call: Call[Any, Any], services: Services) -> StoredHold:
    """The hold of the path. Raises NotAllowed for a guard who did not make it."""
    hold = await services.records.holds.get(id_of(call, "hold"))
    who = call.caller.who
    if isinstance(who, User) and not may_change(who, hold):
        raise NotAllowed("only the guard who made this hold, or an administrator, may do that")
    return hold


async def _seqs(
    services: Services, seqs: list[int], select: SelectionBody | None
) -> tuple[int, ...]:
    if bool(seqs) == (select is not None):
        raise BadParameter("either seqs or select is expected", field="seqs")
    if select is None:
        return tuple(seqs)
    selected = await services.records.holds.select(
        HoldSelection(
            did=select.did,
            since=None if select.since is None else parse_rfc3339(select.since, "select.since"),
            until=None if select.until is None else parse_rfc3339(select.until, "select.until"),
            kinds=tuple(select.kinds),
        )
    )
    if selected.is_too_many:
        raise BadParameter(f"more than {MAX_RECORDS_PER_HOLD} records", field="select")
    return selected.seqs


def hold_fields(hold: StoredHold) -> Hold:
    """A hold as the API shows it."""
    return Hold(
        id=hold.id,
        source=hold.source,
        reason=hold.reason,
        until=None if hold.until is None else format_rfc3339(hold.until),
        created_by=hold.created_by,
        created_at=format_rfc3339(hold.created_at),
        ended_by=hold.ended_by,
        ended_at=None if hold.ended_at is None else format_rfc3339(hold.ended_at),
        records=hold.records,
    )


def _added(added: Added) -> HoldAdded:
    return HoldAdded(hold_fields(added.hold), added.added, list(added.missing))
