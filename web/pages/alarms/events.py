"""Alarms in the event stream of the pages: each change at once, repeats at most once a second.

If too many change at once for the feed to name them, new ones that the stream has not told yet are
told, as many as a page shows.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from functools import partial

import trio
from msgspec import Struct
from quart import current_app

from hub.live.feed import keys_of
from hub.services import Services
from hub.services.rounds import News
from hub.store.alarms.alarm import Alarm
from hub.wire.uploads.records import Record
from web import language
from web.pages.shown.alarm_cards import make_alarm_cards
from web.pages.shown.alarm_state import alarm_state, choose_shown, new_alarms

_REPEAT_SECONDS = 1.0
#: In what streams share, in place of the token of a session's forms.
_TOKEN = secrets.token_hex()


class AlarmEvent(Struct, frozen=True):
    """A change of an alarm. `html`: its card on the live page, "" once it is not new any more.

    `record`: the last one of a new alarm, else 0. `state`: the part of every page that says how
    many are new. `changes`: as in other events.
    """

    seq: int
    record: int
    html: str
    state: str
    changes: int


class _Sent(Struct, frozen=True):
    """What a browser was last told of an alarm, and when (monotonic seconds)."""

    at: float
    since: int
    escalated_at: int | None

    def tells(self, alarm: Alarm) -> bool:
        """Whether no more than the count has changed since."""
        return (self.since, self.escalated_at) == (alarm.new_since, alarm.escalated_at)


class AlarmEvents:
    """What one stream has told of alarms."""

    def __init__(self, services: Services, csrf_token: str, *, may_keep: bool) -> None:
        self._services = services
        self._csrf_token = csrf_token
        self._may_keep = may_keep
        self._card = current_app.jinja_env.get_template("alarms/_alarm.html")
        self._state = current_app.jinja_env.get_template("alarms/_state.html")
        self._language = language.current()
        self._sent: dict[int, _Sent] = {}
        for alarm in new_alarms(services):  # The page has shown them already.
            self._note(alarm, -math.inf)
        #: Repeats that were left out, and follow with the next news.
        self._late: set[int] = set()

    async def take(self, news: News, changes: int) -> list[AlarmEvent]:
        """The events for these news. `changes`: the counter of all changes."""
        changed = keys_of("alarm", news.changes)
        if changed is not None and not (changed or self._late):
            return []
        # All tell of the same state of an alarm, of which most send the same.
        active = await news.shared(AlarmEvents, self._active)
        self._sent = {seq: one for seq, one in self._sent.items() if seq in active}
        seqs = self._untold(active.values()) if changed is None else map(int, changed)
        wanted, self._late = sorted({*seqs, *self._late}), set()
        shown: dict[int, str] = {}
        for seq in wanted:
            alarm = active.get(seq)
            if alarm is None:
                shown[seq] = ""
            elif self._is_repeat(alarm):
                self._late.add(seq)
            else:
                self._note(alarm, trio.current_time())
                shown[seq] = await self._render(alarm, news)
        if not shown:
            return []
        state = await news.shared((AlarmEvents, *self._look()), self._render_state)
        last = {seq: active[seq].last_seq if html else 0 for seq, html in shown.items()}
        return [AlarmEvent(seq, last[seq], html, state, changes) for seq, html in shown.items()]

    async def _active(self) -> dict[int, Alarm]:
        return {one.seq: one for one in new_alarms(self._services)}

    async def _render(self, alarm: Alarm, news: News) -> str:
        render = partial(self._render_card, alarm, news.records)
        html = await news.shared((AlarmEvents, alarm.seq, *self._look()), render)
        return html.replace(_TOKEN, self._csrf_token)

    async def _render_card(self, alarm: Alarm, records: Sequence[Record]) -> str:
        known = {record.seq: record for record in records}
        (card,) = await make_alarm_cards(self._services, [alarm], known)
        return await self._card.render_async(alarm=card, **self._values())

    async def _render_state(self) -> str:
        state = alarm_state(self._services)
        return await self._state.render_async(alarm_state=state, **self._values())

    def _look(self) -> tuple[str, str, bool]:
        return self._language.tag, self._services.core.site.zone().key, self._may_keep

    def _untold(self, active: Iterable[Alarm]) -> list[int]:
        """Those to tell of, if it is not known which have changed."""
        sent = self._sent
        untold = [one for one in active if one.seq not in sent or not sent[one.seq].tells(one)]
        return [one.seq for one in choose_shown(untold)]

    def _is_repeat(self, alarm: Alarm) -> bool:
        """Whether only the count has changed since this alarm was sent a moment ago."""
        sent = self._sent.get(alarm.seq)
        if sent is None or not sent.tells(alarm):
            return False
        return trio.current_time() - sent.at < _REPEAT_SECONDS

    def _note(self, alarm: Alarm, at: float) -> None:
        self._sent[alarm.seq] = _Sent(at, alarm.new_since, alarm.escalated_at)

    def _values(self) -> dict[str, object]:
        return {
            "language": self._language,
            "zone": self._services.core.site.zone(),
            "may_keep": self._may_keep,
            "csrf_token": lambda: _TOKEN,
        }
