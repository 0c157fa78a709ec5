"""The records of an answer over time: a bar for each length of time, each leading into it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, CannotStoreNow, TooManyRequests
from hub.services.records.histogram import BUCKETS, DAY_MS, Histogram
from hub.store.records.record_filter import RecordFilter
from web import auth, language
from web.pages.search.period import SearchPeriod
from web.pages.search.question import Question
from web.pages.times import time_field

#: More bars are too narrow to point at.
_MOST_BARS = 100
#: The height of the tallest bar, in the units of the picture.
_HEIGHT = 100
#: A bar of a single record among thousands is seen all the same.
_LEAST_HEIGHT = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_FIELD_MS = 221_845_392_000_000


class TimeBar(Struct, frozen=True):
    """`time`: in words; `url`: the same question about this time; `since`, `until`: as fields."""

    count: int
    height: int
    time: str
    url: str
    since: str
    until: str


class TimeChart(Struct, frozen=True, kw_only=True):
    """`marks`: times below the first, the middle and the last bar. `total`: of all bars.

    `wider_url`: the same question about three times as long. `ahead`: records that are dated after
    now and in no bar, if the question does not end earlier.
    """

    bars: list[TimeBar]
    total: int
    most: int
    ahead: int
    is_exact: bool
    marks: list[str]
    wider_url: str


async def make_chart(question: Question) -> TimeChart | None:
    """The chart of a question; None if it cannot be counted now, or nothing was found."""
    services = auth.services()
    matching = question.filter(services)
    bounds = matching.since, matching.until
    with suppress(BadParameter, CannotStoreNow, TooManyRequests):
        counted = await services.records.histograms.histogram(matching, bucket_ms=_bucket(*bounds))
        if not any(counted.counts):
            return None
        return _chart(question, counted, await _count_ahead(matching))
    return None


def wider_url(question: Question) -> str:
    """The same question about three times as long; "" if it is about no time with two ends."""
    services = auth.services()
    since, until = question.bounds(services)
    if since is None or until is None:
        return ""
    length = until - since
    return _about(question, since - length, until + length, language.zone())


async def _count_ahead(matching: RecordFilter) -> int:
    """How many records of a question without an end are dated after now; 0 if unknown."""
    if matching.until is None:
        with suppress(CannotStoreNow, TooManyRequests):
            return await auth.services().records.histograms.dated_ahead(matching)
    return 0


def _bucket(since: int | None, until: int | None) -> int | None:
    """The shortest bucket with which there are not too many bars; None: as the service chooses."""
    if since is None or until is None:
        return None
    fitting = (one for one in BUCKETS.values() if until - since <= one * _MOST_BARS)
    return next(fitting, BUCKETS["1w"])


def _chart(question: Question, counted: Histogram, ahead: int) -> TimeChart:
    zone, most = language.zone(), max(counted.counts)
    ends = zip(counted.edges, counted.edges[1:], strict=False)
    bars = [
        TimeBar(
            count=count,
            height=max(round(count * _HEIGHT / most), _LEAST_HEIGHT) if count else 0,
            time=_time_text(since, until, counted.bucket_ms, zone),
            url=_about(question, since, until, zone),
            since=time_field(_moment(since, zone)),
            until=time_field(_moment(until, zone, is_end=True)),
        )
        for count, (since, until) in zip(counted.counts, ends, strict=True)
    ]
    length = counted.until - counted.since
    is_bounded = bool(question.period.pairs())
    return TimeChart(
        bars=bars,
        total=sum(counted.counts),
        most=most,
        ahead=ahead,
        is_exact=counted.is_exact,
        marks=_marks(counted.edges, counted.bucket_ms, zone),
        wider_url=_about(question, counted.since - length, counted.until + length, zone)
        if is_bounded
        else "",
    )


def _about(question: Question, since: int, until: int, zone: tzinfo) -> str:
    """The address of the same question about another time."""
    period = SearchPeriod(since=_moment(since, zone), until=_moment(until, zone, is_end=True))
    return replace(question, period=period).url()


def _moment(ms: int, zone: tzinfo, *, is_end: bool = False) -> datetime:
    """A time of the site in whole seconds, which fields have; an end is rounded up."""
    seconds = -(-ms // 1000) if is_end else ms // 1000
    seconds = min(max(seconds, 0), _LAST_FIELD_MS // 1000)
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)


def _time_text(since: int, until: int, bucket_ms: int, zone: tzinfo) -> str:
    words = language.current()
    first, last = words.day(since, zone), words.day(until - 1, zone)
    if bucket_ms >= DAY_MS:
        return first if first == last else f"{first} – {last}"
    begin, end = (words.time(at, zone)[:5] for at in (since, until))
    return f"{first} {begin} – {end}"


def _marks(edges: Sequence[int], bucket_ms: int, zone: tzinfo) -> list[str]:
    words = language.current()
    shown = (edges[0], edges[len(edges) // 2], edges[-1])
    if bucket_ms >= DAY_MS:
        return [words.date(at, zone) for at in shown]
    return [f"{words.day(at, zone)} {words.time(at, zone)[:5]}" for at in shown]
