"""Alarms in the event stream of the pages: each change at once, repeats at most once a second."""

from __future__ import annotations

import trio
from msgspec import Struct
from quart import current_app

from hub.services import Services
from hub.services.alarms.alarms import Alarm
from web.live_events import News
from web.pages import language
from web.pages.alarms.cards import make_alarm_cards
from web.pages.alarms.state import alarm_state, new_alarms

_REPEAT_SECONDS = 1.0


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
        #: Repeats that were left out, and follow with the next news.
        self._late: set[int] = set()

    async def take(self, news: News, changes: int) -> list[AlarmEvent]:
        """The events for these news. `changes`: the counter of all changes."""
        changed = {int(one.key) for one in news.changes if one.kind == "alarm" and one.key}
        wanted, self._late = sorted(changed | self._late), set()
        if not wanted:
            return []
        known = {record.seq: record for record in news.records}
        active = {one.seq: one for one in new_alarms(self._services)}
        self._sent = {seq: one for seq, one in self._sent.items() if seq in active}
        shown: dict[int, str] = {}
        for seq in wanted:
            alarm = active.get(seq)
            if alarm is None:
                shown[seq] = ""
            elif self._is_repeat(alarm):
                self._late.add(seq)
            else:
                self._note(alarm)
                (card,) = await make_alarm_cards(self._services, [alarm], known)
                shown[seq] = await self._card.render_async(alarm=card, **self._values())
        if not shown:
            return []
        state = await self._state.render_async(
            alarm_state=alarm_state(self._services), **self._values()
        )
        last = {seq: active[seq].last_seq if html else 0 for seq, html in shown.items()}
        return [AlarmEvent(seq, last[seq], html, state, changes) for seq, html in shown.items()]

    def _is_repeat(self, alarm: Alarm) -> bool:
        """Whether only the count has changed since this alarm was sent a moment ago."""
        sent = self._sent.get(alarm.seq)
        return (
            sent is not None
            and (sent.since, sent.escalated_at) == (alarm.new_since, alarm.escalated_at)
            and trio.current_time() - sent.at < _REPEAT_SECONDS
        )

    def _note(self, alarm: Alarm) -> None:
        self._sent[alarm.seq] = _Sent(trio.current_time(), alarm.new_since, alarm.escalated_at)

    def _values(self) -> dict[str, object]:
        return {
            "language": self._language,
            "zone": self._services.site.zone(),
            "may_keep": self._may_keep,
            "csrf_token": lambda: self._csrf_token,
        }
