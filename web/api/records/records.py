"""GET /records and /records/{seq}: the record log, forward to catch up, backward to browse."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw
from quart import Response

from hub.services import Services
from hub.store.records.record_log import RecordPage
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.records import answers, holds
from web.api.records.filter_query import FilterQuery, filter_of
from web.api.records.record_list import PIECE_BYTES, RecordLists
from web.api.records.shown import renderer
from web.api.routes import Call, Routes, seq_of

#: The id of the record log: see `LIST`.
LOG_HEADER = "Sitehub-Log"


class RecordQuery(FilterQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    after: Annotated[
        Seq | None,
        Meta(description="records that follow this seq in the list: `next` of the previous page"),
    ] = None
    before: Annotated[Seq | None, Meta(description="records with a lower seq")] = None
    order: Annotated[Literal["asc", "desc"], Meta(description="by seq; `desc`: newest first")] = (
        "asc"
    )
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


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
        "value (with `order=desc` also `before=`). A search that takes longer than 2 s answers "
        "with what it found so far, maybe nothing, and `next` goes on. `log` is the id of the log, "
        "also in the header `Sitehub-Log`: a `seq` is unique within it. It changes only when "
        "numbers could be given again, as after a restore; a reader that sees a new one starts "
        "from the beginning. "
        "Signed-in users see the last four digits of personal numbers in `extra` and `data`; keys "
        "get them as the device sent them."
    ),
    query=RecordQuery,
    answer_example=answers.Records([_FACE], 4711, "5f0c1d2e3a4b5c6d7e8f901234567890"),
    query_example="after=0&limit=100",
    role="viewer",
)
ONE = Endpoint(
    method="GET",
    path=f"{PREFIX}/records/{{seq}}",
    tag="Records",
    summary="One record",
    answer=answers.Record,
    answer_example=_FACE,
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    lists = RecordLists()
    holds.add(routes, services, lists)

    async def list_records(call: Call[RecordQuery, Nothing]) -> Response:
        query, filter = call.query, filter_of(call.query, services.people.groups)
        is_descending = query.order == "desc"
        after, before = _bounds(query)

        async def read(position: int | None, count: int) -> RecordPage:
            return await services.records.log.page(
                filter,
                after=after if is_descending or position is None else position,
                before=position if is_descending and position is not None else before,
                newest_first=is_descending,
                limit=count,
                max_bytes=PIECE_BYTES,
            )

        log_id = services.records.log.log_id
        response = await lists.answer(read, query.limit, log_id, call.caller)
        response.headers[LOG_HEADER] = log_id
        return response

    async def get_record(call: Call[Nothing, Nothing]) -> Response:
        record = await services.records.log.get(seq_of(call.path["seq"]))
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
