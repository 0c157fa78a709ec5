"""Alarms (D11): reading, acknowledging and closing them. They are raised with their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, existing
from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.changes import undoes_nothing
from hub.store.alarms.alarm import Alarm, AlarmChange, AlarmStep, Move, StepKind
from hub.store.alarms.listing import ListPlace
from hub.store.tables.alarms import AlarmFilter, AlarmPage, ListedAlarms

if TYPE_CHECKING:
    from hub.services.core import Core

MAX_NOTE_LENGTH = 500
#: Alarms of one bulk change.
MAX_SEQS = 2_000


class Unstored(Struct, frozen=True):
    """What has happened to alarms and cannot be stored now.

    `alarms`: of the hub, with negative numbers for seqs. `escalated`: when stored ones escalated,
    by seq.
    """

    alarms: tuple[Alarm, ...] = ()
    escalated: Mapping[int, int] = {}


class RaisedAlarms:
    """All alarms. `core.alarm_changes` publishes each change after its commit."""

    def __init__(self, core: Core) -> None:
        self._alarms = core.store.alarms
        self._audit = core.audit
        self._change_feed = core.changes
        self._now = core.now
        self._feed = core.alarm_changes
        self._unstored = Unstored()

    # -- reading

    def active(self) -> tuple[Alarm, ...]:
        """Return the stored alarms that are not closed, the oldest first."""
        if not self._unstored.escalated:
            return self._alarms.active()
        return tuple(self._with_escalation(alarm) for alarm in self._alarms.active())

    def shown(self) -> tuple[Alarm, ...]:
        """Return what `active` does, and those of the hub that cannot be stored now."""
        return *self.active(), *self._unstored.alarms

    def _with_escalation(self, alarm: Alarm) -> Alarm:
        at = self._unstored.escalated.get(alarm.seq)
        if at is None or alarm.state != "new" or alarm.escalated_at is not None:
            return alarm
        return replace(alarm, escalated_at=at)

    @property
    def new_count(self) -> int:
        """How many alarms nobody has acknowledged."""
        return sum(alarm.state == "new" for alarm in self._alarms.active())

    async def get(self, seq: int) -> Alarm:
        """Return an alarm. Raises NoSuchResource."""
        return existing(await self._alarms.get(seq), "alarm", seq=seq)

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

    async def listed(
        self, filter: AlarmFilter, *, after: ListPlace | None = None, limit: int = 100
    ) -> ListedAlarms:
        """Return the alarms that match, as a guard looks through them: what is open first."""
        return await self._alarms.listed(filter, after=after, limit=limit)

    async def histories(self, seqs: Sequence[int]) -> dict[int, list[AlarmStep]]:
        """Return the steps of alarms, the oldest first, by the seqs of the alarms."""
        return await self._alarms.histories(seqs)

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
        if not note:  # It would replace that of another guard.
            undoes_nothing()
        changes = await self._alarms.move(wanted, Move(step, int(self._now() * 1000), by.who, note))
        action = "alarm.acknowledge" if step == "acknowledged" else "alarm.close"
        await self._audit.add_each(by, action, [str(change.alarm.seq) for change in changes])
        return changes

    def hold(self, unstored: Unstored) -> None:
        """Show from now on what cannot be stored, instead of what was held before."""
        before, self._unstored = self._unstored, unstored
        escalated = unstored.escalated.keys() - before.escalated.keys()
        told = [alarm for alarm in self.active() if alarm.seq in escalated]
        self._feed.publish([AlarmChange(alarm, "escalated") for alarm in told])
        self._feed.escalated = unstored.escalated.keys()
        old, new = ({one.seq: one for one in held.alarms} for held in (before, unstored))
        changed = [seq for seq in old | new if old.get(seq) != new.get(seq)]
        self._change_feed.publish([Change("alarm", str(seq)) for seq in changed])


def _checked_note(note: str) -> str:
    note = " ".join(note.split())
    if len(note) > MAX_NOTE_LENGTH:
        raise BadParameter(f"at most {MAX_NOTE_LENGTH} characters are expected", field="note")
    return note
