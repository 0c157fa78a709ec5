"""The answer to a question: a page of cards, with repeats on one, and the pages beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from hub.services.records.repeat_groups import group_repeats
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import Record
from web import auth
from web.pages.faults import seq_of
from web.pages.search.question import Question
from web.pages.shown.known_people import make_group_cards
from web.pages.shown.record_cards import RecordCard

RECORDS_PER_PAGE = 60


class Place(Struct, frozen=True):
    """Where a page is: the records `after` or `before` a seq, or the first ones."""

    after: int | None = None
    before: int | None = None

    @property
    def is_first(self) -> bool:
        return self.after is None and self.before is None


class ResultPage(Struct, frozen=True, kw_only=True):
    """`previous`, `next`, `go_on`: addresses, "" if there is nothing.

    `go_on`: the rest of a page that took too long to find.
    """

    cards: list[RecordCard]
    records: int
    previous: str
    next: str
    go_on: str

    @property
    def has_repeats(self) -> bool:
        """Whether one of the cards stands for several records."""
        return self.records > len(self.cards)


class _Reading(Struct, frozen=True, kw_only=True):
    """Records in the order of the page, and what is before and after them.

    `go_on`: where a search that took too long goes on, in the direction in which it was read.
    """

    records: Sequence[Record]
    previous: Place | None
    next: Place | None
    go_on: Place | None = None


async def result_page(question: Question, place: Place) -> ResultPage:
    """One page of the answer. Raises as RecordLog.page does."""
    read = await _read(question, place)
    return ResultPage(
        cards=await make_group_cards(group_repeats(read.records)),
        records=len(read.records),
        previous=_url(question, read.previous),
        next=_url(question, read.next),
        go_on=_url(question, read.go_on),
    )


async def _read(question: Question, place: Place) -> _Reading:
    """Read a page. One that is read backwards and reaches the beginning is read again as the first
    one, or it would show only what is left.
    """
    newest_first = question.is_newest_first
    is_backward = (place.after if newest_first else place.before) is not None
    found = await _page(question, place, newest_first=newest_first != is_backward)
    if is_backward and found.next is None and found.is_complete:
        place, is_backward = Place(), False
        found = await _page(question, place, newest_first=newest_first)
    on = None if found.next is None else _beyond(found.next, newest_first != is_backward)
    go_on = None if found.is_complete else on
    on = on if found.is_complete else None
    if is_backward:
        records = found.items[::-1]
        rest = _beyond(records[-1].seq, newest_first) if records else None
        return _Reading(records=records, previous=on, next=rest, go_on=go_on)
    came_from = place.before if newest_first else place.after
    back = None
    if came_from is not None:
        first = found.items[0].seq if found.items else came_from
        back = _beyond(first, not newest_first)
    return _Reading(records=found.items, previous=back, next=on, go_on=go_on)


async def _page(question: Question, place: Place, *, newest_first: bool) -> RecordPage:
    services = auth.services()
    return await services.records.log.page(
        question.filter(services),
        after=place.after,
        before=place.before,
        newest_first=newest_first,
        limit=RECORDS_PER_PAGE,
    )


def _beyond(seq: int, newest_first: bool) -> Place:
    return Place(before=seq) if newest_first else Place(after=seq)


def _url(question: Question, place: Place | None) -> str:
    return "" if place is None else question.url(after=place.after, before=place.before)


def read_place(args: Mapping[str, str]) -> Place:
    """Read the place from the address. Raises BadParameter."""
    after, before = (
        seq_of(args[name], name) if args.get(name) else None for name in ("after", "before")
    )
    return Place(after=after, before=before)
