"""Alarms (D11): reading, acknowledging and closing them. They are raised with their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hub.errors import BadParameter, NoSuchResource
from hub.live.feed import Change, Feed
from hub.services.access.audit import Actor, Audit
from hub.store.alarms.alarm import SEVERITIES as SEVERITIES
from hub.store.alarms.alarm import Alarm as Alarm
from hub.store.alarms.alarm import AlarmChange as AlarmChange
from hub.store.alarms.alarm import AlarmDetail as AlarmDetail
from hub.store.alarms.alarm import AlarmKind as AlarmKind
from hub.store.alarms.alarm import AlarmState as AlarmState
from hub.store.alarms.alarm import AlarmStep as AlarmStep
from hub.store.alarms.alarm import ChangeKind as ChangeKind
from hub.store.alarms.alarm import Move
from hub.store.alarms.alarm import Severity as Severity
from hub.store.alarms.alarm import StepKind as StepKind
from hub.store.alarms.alarms import AlarmFilter as AlarmFilter
from hub.store.alarms.alarms import AlarmPage as AlarmPage

if TYPE_CHECKING:
    from hub.store.db import Store

MAX_NOTE_LENGTH = 500
#: Alarms of one bulk change.
MAX_SEQS = 2_000


class Alarms:
    """All alarms. `feed` publishes each change after its commit."""

    def __init__(
        self,
        store: Store,
        audit: Audit,
        change_feed: Feed[Change],
        now: Callable[[], float],
    ) -> None:
        self._alarms = store.alarms
        self._audit = audit
        self._change_feed = change_feed
        self._now = now
        self.feed: Feed[AlarmChange] = Feed()
        self._alarms.on_changes = self._publish

    # -- reading

    def active(self) -> tuple[Alarm, ...]:
        """Return the alarms that are not closed, the oldest first."""
        return self._alarms.active()

    @property
    def new_count(self) -> int:
        """How many alarms nobody has acknowledged."""
        return sum(alarm.state == "new" for alarm in self._alarms.active())

    async def get(self, seq: int) -> Alarm:
        """Return an alarm. Raises NoSuchResource."""
        found = await self._alarms.get(seq)
        if found is None:
            raise NoSuchResource(f"no alarm {seq}")
        return found

    async def history(self, seq: int) -> tuple[AlarmStep, ...]:
        """Return the steps of an alarm, the oldest first. Raises NoSuchResource."""
        await self.get(seq)
        return await self._alarms.history(seq)

    async def evidence(self, seq: int) -> tuple[int, ...]:
        """Return the seqs of an alarm's records that are kept: the first ones, and the last."""
        return await self._alarms.evidence(seq)

    async def page(
        self,
        filter: AlarmFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> AlarmPage:
        """Return the alarms that match, by seq; the page's `next` is None at the end."""
        return await self._alarms.page(
            filter, after=after, before=before, newest_first=newest_first, limit=limit
        )

    # -- changing

    async def acknowledge(
        self, seqs: Sequence[int], note: str, by: Actor
    ) -> tuple[AlarmChange, ...]:
        """Acknowledge alarms; return those that it changed.

        One that is over is closed by that. One that is acknowledged already takes the note. Closed
        ones, and seqs of no alarm, are left out. Raises BadParameter.
        """
        return await self._move(seqs, "acknowledged", note, by)

    async def close(self, seqs: Sequence[int], note: str, by: Actor) -> tuple[AlarmChange, ...]:
        """Close alarms, as `acknowledge` does: one that is new is acknowledged by that as well."""
        return await self._move(seqs, "closed", note, by)

    async def _move(
        self, seqs: Sequence[int], step: StepKind, note: str, by: Actor
    ) -> tuple[AlarmChange, ...]:
        wanted = list(dict.fromkeys(seqs))
        if len(wanted) > MAX_SEQS:
            raise BadParameter(f"at most {MAX_SEQS} alarms at once", field="seqs")
        note = _checked_note(note)
        changes = await self._alarms.move(wanted, Move(step, int(self._now() * 1000), by.who, note))
        action = "alarm.acknowledge" if step == "acknowledged" else "alarm.close"
        await self._audit.add_each(by, action, [str(change.alarm.seq) for change in changes])
        return changes

    def _publish(self, changes: Sequence[AlarmChange]) -> None:
        self.feed.publish(changes)
        self._change_feed.publish([Change("alarm", str(one.alarm.seq)) for one in changes])


def _checked_note(note: str) -> str:
    note = " ".join(note.split())
    if len(note) > MAX_NOTE_LENGTH:
        raise BadParameter(f"at most {MAX_NOTE_LENGTH} characters are expected", field="note")
    return note
