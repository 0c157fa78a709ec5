"""GET /records and /records/{seq}: the record log, forward to catch up, backward to browse."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct
from quart import Response

from hub.services import Services
from hub.services.records.record_log import RecordFilter, RecordPage
from hub.wire.times import parse_rfc3339
from hub.wire.uploads.records import RecordKind
from web.api.endpoint import PREFIX, Did, Endpoint, Integer, Nothing, Seq, Text
from web.api.records import answers
from web.api.records.record_list import PIECE_BYTES, RecordLists
from web.api.records.shown import renderer
from web.api.routes import Call, Routes, seq_of

#: The id of the record log: see `LIST`.
LOG_HEADER = "Sitehub-Log"


class RecordQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Seq | None,
        Meta(description="records that follow this seq in the list: `next` of the previous page"),
    ] = None
    before: Annotated[Seq | None, Meta(description="records with a lower seq")] = None
    order: Annotated[Literal["asc", "desc"], Meta(description="by seq; `desc`: newest first")] = (
        "asc"
    )
    kind: Annotated[RecordKind | None, Meta(description="of this kind")] = None
    did: Annotated[Did | None, Meta(description="of this device")] = None
    since: Annotated[Text | None, Meta(description="`since` ≤ `occurred_at`, in RFC 3339")] = None
    until: Annotated[Text | None, Meta(description="`occurred_at` < `until`, in RFC 3339")] = None
    type: Annotated[Integer | None, Meta(description="type of event")] = None
    plate: Annotated[Text | None, Meta(description="part of the plate; case is ignored")] = None
    name: Annotated[Text | None, Meta(description="part of the name; case is ignored")] = None
    uuid: Annotated[Text | None, Meta(description="of the person with exactly this uuid")] = None
    category: Annotated[
        Integer | None,
        Meta(description="0 stranger, 1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100

    def filter(self) -> RecordFilter:
        return RecordFilter(
            kind=self.kind,
            did=self.did,
            since=_time(self.since, "since"),
            until=_time(self.until, "until"),
            type=self.type,
            plate=self.plate,
            name=self.name,
            uuid=self.uuid,
            category=self.category,
        )


_FACE = answers.FaceRecord(
    seq=4711,
    did="12",
    sn="Y3CA12348912345",
    device_name="Gate",
    occurred_at="2026-11-25T08:00:00.000Z",
    received_at="2026-11-25T08:00:00.412Z",
    images={"face": "/media/4711/face.jpg", "background": "/media/4711/background.jpg"},
    extra={"score": Raw(b"91.5")},
    name="Li Lei",
    age=31,
    gender=1,
    uuid="1001",
    category=1,
)

LIST = Endpoint(
    method="GET",
    path=f"{PREFIX}/records",
    tag="Records",
    summary="Records by seq, page by page",
    description=(
        "Ascending by `seq`, so that a reader resumes after the last seq it has, without a gap; "
        "with `order=desc`, newest first. While `next` is not null, continue with `after=` that "
        "value (with `order=desc` also `before=`). `log` is the id of the log, also in the header "
        "`Sitehub-Log`: a `seq` is unique within it. It changes only when numbers could be given "
        "again, as after a restore; a reader that sees a new one starts from the beginning. "
        "Signed-in users see the last four digits of personal numbers in `extra` and `data`; keys "
        "get them as the device sent them."
    ),
    query=RecordQuery,
    answer=answers.Records,
    answer_example=answers.Records([_FACE], 4711, "5f0c1d2e3a4b5c6d7e8f901234567890"),
    query_example="after=0&limit=100",
)
ONE = Endpoint(
    method="GET",
    path=f"{PREFIX}/records/{{seq}}",
    tag="Records",
    summary="One record",
    answer=answers.Record,
    answer_example=_FACE,
    path_example={"seq": "4711"},
)


def add_records(routes: Routes, services: Services, lists: RecordLists) -> None:
    async def list_records(call: Call[RecordQuery, Nothing]) -> Response:
        query, filter = call.query, call.query.filter()
        is_descending = query.order == "desc"
        after, before = _bounds(query)

        async def read(position: int | None, count: int) -> RecordPage:
            return await services.records.page(
                filter,
                after=after if is_descending or position is None else position,
                before=position if is_descending and position is not None else before,
                newest_first=is_descending,
                limit=count,
                max_bytes=PIECE_BYTES,
            )

        log_id = services.records.log_id
        response = await lists.answer(read, query.limit, log_id, call.caller)
        response.headers[LOG_HEADER] = log_id
        return response

    async def get_record(call: Call[Nothing, Nothing]) -> Response:
        record = await services.records.get(seq_of(call.path["seq"]))
        return Response(renderer(call.caller)(record), content_type="application/json")

    routes.add(LIST, list_records)
    routes.add(ONE, get_record)


def _bounds(query: RecordQuery) -> tuple[int | None, int | None]:
    """`after` and `before` as bounds of seq: in a descending list, `after` is an upper bound."""
    if query.order == "asc" or query.after is None:
        return query.after, query.before
    if query.before is None:
        return None, query.after
    return None, min(query.after, query.before)


def _time(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    if text[-6:-5] == " ":
        # "+08:00" was not escaped: in a query a plus sign means a space.
        text = f"{text[:-6]}+{text[-5:]}"
    return parse_rfc3339(text, field)
