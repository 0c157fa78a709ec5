"""How many records there are over time, under any filter: histograms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.errors import BadParameter
from hub.store.media.packs import day_bounds
from hub.store.records.record_filter import RecordFilter

if TYPE_CHECKING:
    from hub.services.core import Core

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
#: The lengths that a bucket can have, by name. From 6 hours on, buckets begin by the site's clock.
BUCKETS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "1d": DAY_MS,
    "1w": 7 * DAY_MS,
}
MAX_BUCKETS = 1000
#: By default, the shortest buckets are taken of which there are not more than this.
_USUAL_BUCKETS = 200
#: What `datetime` can tell in every time zone, as UNIX milliseconds: 1900 to 9000.
_FIRST, _LAST = -2_208_988_800_000, 221_845_392_000_000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Histogram(Struct, frozen=True):
    """How many records occurred in each bucket of time.

    `since`, `until`: UNIX milliseconds. `edges`: the beginnings of the buckets, and `until`; the
    first and last bucket are cut to the range, a day can have 23 or 25 hours. `is_exact`: False if
    the counts are nearly right, or there was no time to count all; those of the newest are then
    right.
    """

    since: int
    until: int
    bucket_ms: int
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    is_exact: bool


class Histograms:
    """Counts records. `now`: the wall clock, in UNIX seconds."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._site = core.site
        self._now = core.clock.likely_time

    async def histogram(self, filter: RecordFilter, *, bucket_ms: int | None = None) -> Histogram:
        """Count the records that match in buckets of `bucket_ms`, one of BUCKETS' lengths.

        Without `since`, the log's first day begins the range, without `until` it ends now. Without
        `bucket_ms`, a length is chosen by the range. Answers within 2 s. Raises BadParameter for
        "since" or "bucket", TooManyRequests.
        """
        since, until = self._range(filter)
        chosen = _usual_bucket(until - since) if bucket_ms is None else bucket_ms
        edges = _edges(since, until, chosen, self._site.zone())
        counted = await self._store.counter.by_bucket(filter, edges, chosen)
        return Histogram(since, until, chosen, edges, counted.counts, counted.is_exact)

    async def dated_ahead(self, filter: RecordFilter) -> int:
        """Count the records that match, whatever the filter's times, and are dated after now.

        A camera whose clock is ahead sends them; a histogram until now leaves them out. Where there
        are none, that takes a millisecond. Raises TooManyRequests.
        """
        ahead = (int(self._now() * 1000) + 1, _LAST)
        counter = self._store.counter
        everything = await counter.by_bucket(RecordFilter(), ahead, DAY_MS)
        if not any(everything.counts):
            return 0
        return sum((await counter.by_bucket(filter, ahead, DAY_MS)).counts)

    def _range(self, filter: RecordFilter) -> tuple[int, int]:
        """Return since and until of a histogram. Raises BadParameter."""
        until = int(self._now() * 1000) + 1 if filter.until is None else filter.until
        since = self._oldest(until) if filter.since is None else filter.since
        since, until = max(since, _FIRST), min(until, _LAST)
        if since >= until:
            raise BadParameter("must be before until", field="since")
        return since, until

    def _oldest(self, until: int) -> int:
        """Return when the log's first day began, a day before `until` if that is later."""
        days = self._store.retention.days()
        return min(day_bounds(days[0].day)[0] if days else until, until - DAY_MS)


def _usual_bucket(length: int) -> int:
    fitting = (one for one in BUCKETS.values() if length <= one * _USUAL_BUCKETS)
    return next(fitting, BUCKETS["1w"])


def _edges(since: int, until: int, bucket_ms: int, zone: tzinfo) -> tuple[int, ...]:
    """Return the edges of all buckets. Raises BadParameter."""
    if bucket_ms not in BUCKETS.values():
        raise BadParameter(f"one of {', '.join(BUCKETS)} is expected", field="bucket")
    if until - since > BUCKETS["1w"] * MAX_BUCKETS:
        raise BadParameter(
            f"at most {MAX_BUCKETS} weeks are counted at once: begin later", field="since"
        )
    if until - since > bucket_ms * MAX_BUCKETS:
        raise BadParameter(
            f"at most {MAX_BUCKETS} buckets are counted: choose a longer one", field="bucket"
        )
    if bucket_ms <= HOUR_MS:
        inner = iter(range(since // bucket_ms * bucket_ms, until, bucket_ms))
    else:
        inner = _local_edges(since, until, bucket_ms, zone)
    return (since, *(at for at in inner if since < at < until), until)


def _local_edges(since: int, until: int, bucket_ms: int, zone: tzinfo) -> Iterator[int]:
    """Yield the beginnings of buckets of 6 hours, days or weeks by the site's clock, ascending."""
    # Not `fromtimestamp`: on Windows it knows no time before 1970.
    at = (_EPOCH + timedelta(milliseconds=since)).astimezone(zone)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if bucket_ms > DAY_MS:
        day -= timedelta(days=day.weekday())
    hours = range(0, 24, 6) if bucket_ms < DAY_MS else (0,)
    step = timedelta(days=max(bucket_ms // DAY_MS, 1))
    while (begin := _ms(day)) < until:
        yield begin
        # At the local time, whatever the offset of that day.
        yield from (_ms(day.replace(hour=hour)) for hour in hours[1:])
        day += step


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
