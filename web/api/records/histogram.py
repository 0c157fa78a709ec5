"""GET /records/histogram: how many records there are over time, under any filter."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.services import Services
from hub.services.records.histogram import BUCKETS, MAX_BUCKETS
from hub.wire.times import format_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.records.filter_query import FilterQuery, filter_of
from web.api.routes import Call, Routes

BucketName = Literal["1m", "5m", "15m", "1h", "6h", "1d", "1w"]


class HistogramQuery(FilterQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    bucket: Annotated[
        BucketName | None,
        Meta(description="length of a bucket; by default chosen by the range"),
    ] = None


class RecordHistogram(Struct, frozen=True):
    """Records by the time at which they occurred."""

    since: Time
    until: Time
    bucket: BucketName
    exact: Annotated[
        bool,
        Meta(description="false: some are estimated, or there was no time to count all"),
    ]
    total: int
    starts: Annotated[
        list[Time], Meta(description="when each bucket begins; it ends where the next one begins")
    ]
    counts: Annotated[list[int], Meta(description="how many records each bucket has")]


READ = Endpoint(
    method="GET",
    path=f"{PREFIX}/records/histogram",
    tag="Records",
    summary="How many records there are over time",
    description=(
        "Counts the records that `GET /records` returns for the same parameters, in buckets of "
        "`occurred_at`. Without `since` it begins with the first day of the log, without `until` "
        "it ends now. Buckets of 6 hours and more begin by the site's clock, shorter ones at full "
        "hours and minutes of UTC; the first and the last are cut to the range. There are at most "
        f"{MAX_BUCKETS} of them. Counts of names, plates and uuids with very many records are "
        "estimated (`exact` is false). What cannot be counted within 2 s is left out: then `exact` "
        "is false as well, and the newest buckets are complete."
    ),
    query=HistogramQuery,
    answer_example=RecordHistogram(
        since="2026-11-25T06:00:00.000Z",
        until="2026-11-25T08:30:00.000Z",
        bucket="1h",
        exact=True,
        total=421,
        starts=[
            "2026-11-25T06:00:00.000Z",
            "2026-11-25T07:00:00.000Z",
            "2026-11-25T08:00:00.000Z",
        ],
        counts=[97, 248, 76],
    ),
    query_example="since=2026-11-25T06:00:00Z&until=2026-11-25T08:30:00Z&bucket=1h&did=12",
    role="viewer",
)

_NAMES: dict[int, BucketName] = {length: name for name, length in BUCKETS.items()}  # type: ignore[misc]


def add(routes: Routes, services: Services) -> None:
    async def record_histogram(call: Call[HistogramQuery, Nothing]) -> RecordHistogram:
        filter = filter_of(call.query, services.people.groups)
        bucket = None if call.query.bucket is None else BUCKETS[call.query.bucket]
        found = await services.records.histograms.histogram(filter, bucket_ms=bucket)
        return RecordHistogram(
            since=format_rfc3339(found.since),
            until=format_rfc3339(found.until),
            bucket=_NAMES[found.bucket_ms],
            exact=found.is_exact,
            total=sum(found.counts),
            starts=[format_rfc3339(at) for at in found.edges[:-1]],
            counts=list(found.counts),
        )

    routes.add(READ, record_histogram)
