"""The event stream of the pages: rendered cards, and what to refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import msgspec
import trio
from msgspec import Struct
from quart import current_app
from quart.wrappers.response import ResponseBody

from hub.errors import CannotStoreNow, TooManyRequests
from hub.services.rounds import News
from hub.store.people.person_rows import PersonName
from hub.store.tables.users import User
from hub.wire.uploads.records import Record
from web import auth, language
from web.live_events import open_live_events
from web.pages.alarms.events import AlarmEvent, AlarmEvents
from web.pages.shown.known_people import known_people
from web.pages.shown.record_cards import make_card

#: Cards on a page of the wall; a browser that is further behind reloads the wall.
CARDS_PER_PAGE = 60


class _Card(Struct, frozen=True):
    """What a page is told of a record. `after`: the one before it. `picture`: its path, or "".

    `listed`: a person on the blacklist, whom every page tells of.
    """

    after: int
    seq: int
    kind: str
    did: str
    picture: str
    listed: bool
    html: str


class _ChangeEvent(Struct, frozen=True):
    """What to refresh. `changes` counts all changes, so that a tab notices a missed one."""

    kind: str
    key: str
    changes: int


class _Position(Struct, frozen=True):
    seq: int
    changes: int


class _LastErasure(Struct, frozen=True):
    """Tells a page that was not connected whether records were erased meanwhile."""

    mark: str


class WallStream(ResponseBody):
    """Server-sent events `card`, `alarm`, `change`, `beat` and `jump`, one stream per browser.

    It begins with `erasure` if anything has ever been erased.

    It ends when the user is signed out, or has another role; then browsers open it again.
    """

    def __init__(self, me: User, after: int | None) -> None:
        self._me = me
        self._by = auth.actor()
        self._sees_records = auth.reaches(me, "viewer")
        self._may_keep = may_keep = auth.reaches(me, "guard")
        self._services = auth.services()
        self._may_read = auth.remains(self._services, me)
        self._card_template = current_app.jinja_env.get_template("live/_card.html")
        self._language = language.current()
        self._alarms = AlarmEvents(self._services, auth.csrf_token(), may_keep=may_keep)
        last = self._services.records.log.last_seq
        # A position that is not there yet is one of another log: a backup was restored.
        self._jumps = after is not None and not 0 <= last - after <= CARDS_PER_PAGE
        self._seq = last if after is None or self._jumps else min(after, last)
        self._open = ExitStack()
        self._begun = False

    async def __aenter__(self) -> Self:
        self._events = self._open.enter_context(
            open_live_events(self._services, self._by, self._seq, self._may_read)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return await self._encode_last_erasure() + _encode_event(
                "jump" if self._jumps else "beat", self._position()
            )
        while True:
            news = await self._events.next()
            if news is None:
                raise StopAsyncIteration
            try:
                if data := await self._encode_news(news):
                    return data
            except (CannotStoreNow, TooManyRequests):
                # The page opens the stream again, and gets what it has not got yet.
                raise StopAsyncIteration from None

    async def _encode_last_erasure(self) -> bytes:
        newest = await self._services.records.erasures.newest(limit=1)
        marks = [_LastErasure(f"{one.id}-{one.finished_at or 0}") for one in newest]
        return b"".join(_encode_event("erasure", mark) for mark in marks)

    async def _encode_news(self, news: News) -> bytes:
        if not self._sees_records:
            return self._encode_changes(news)
        language.use(self._language, self._services.core.site.zone())
        cards = await self._cards(news) if news.records else b""
        count = self._services.core.changes.published
        alarms = await self._alarms.take(news, count)
        told = [_encode_event("alarm", alarm) for alarm in alarms]
        return b"".join([cards, *told, self._encode_changes(news)])

    def _encode_changes(self, news: News) -> bytes:
        """What to refresh; for who sees no records, without what it is about."""
        count = self._services.core.changes.published
        told = dict.fromkeys((c.kind, c.key if self._sees_records else "") for c in news.changes)
        parts = [_encode_event("change", _ChangeEvent(*one, count)) for one in told]
        if news.beat:
            parts.append(_encode_event("beat", self._position()))
        return b"".join(parts)

    def _position(self) -> _Position:
        return _Position(self._seq, self._services.core.changes.published)

    async def _cards(self, news: News) -> bytes:
        """The events of these records; most pages get the same."""
        zone = self._services.core.site.zone()
        render = partial(self._render_cards, news.records, zone)
        look = (_Card, self._seq, self._language.tag, zone.key, self._may_keep)
        cards = await news.shared(look, render)
        self._seq = news.records[-1].seq
        return cards

    async def _render_cards(self, records: Sequence[Record], zone: ZoneInfo) -> bytes:
        """Each `after` is the record before it, so that a tab notices a gap."""
        people = await known_people(self._services.people.register, records, self._me)
        events, after = [], self._seq
        for record in records:
            # Other tasks need not wait for all of them.
            await trio.lowlevel.checkpoint()
            card = await self._render(record, after, people, zone)
            events.append(_encode_event("card", card))
            after = record.seq
        return b"".join(events)

    async def _render(
        self, record: Record, after: int, people: Mapping[str, PersonName], zone: ZoneInfo
    ) -> _Card:
        card = make_card(record, people)
        html = await self._card_template.render_async(
            card=card,
            query="",
            language=self._language,
            zone=zone,
            may_keep=self._may_keep,
            may_review=self._may_keep,
        )
        picture = card.picture.image.path if card.picture else ""
        listed = card.look == "black"
        return _Card(after, record.seq, record.kind, record.did, picture, listed, html)


def _encode_event(
    name: str, data: _Card | AlarmEvent | _ChangeEvent | _Position | _LastErasure
) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
