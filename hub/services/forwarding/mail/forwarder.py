"""Tells of new alarms by mail: what happens until the next mail is due is in that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from msgspec.structs import replace

from hub.services.forwarding.forwarder import Forwarder, ReadAgain
from hub.services.forwarding.sender import AlarmItem
from hub.store.alarms.alarm import SEVERITIES

if TYPE_CHECKING:
    from hub.wire.uploads.records import Record

#: Alarms of one mail. As many are open at most.
_MAX_ALARMS = 2_000
#: Pictures of one mail.
_MAX_PICTURES = 3
_MINUTE_SECONDS = 60


class MailForwarder(Forwarder):
    """Sends what is new of alarms. Its cursor counts the changes that made them new.

    Records are not followed, nor is anybody told of erasures: a mail cannot be taken back.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Another log does not tell of old alarms again: their changes are numbered on.
        self.cursor = replace(self.target.cursor, log=self._store.log_id)
        self._next_mail = trio.current_time()

    @property
    def behind(self) -> int:
        return 0

    async def _find_position(self) -> None:
        if self._is_placed:
            # After a failure: the next try tells what has happened meanwhile, too.
            raise ReadAgain
        self._is_placed = True

    async def _tell_erasures(self) -> None:
        last = await self._store.erased.last_number()
        if last > self.cursor.erasure_number:
            self.cursor = replace(self.cursor, erasure_number=last)
            await self._save()
            await self._store.erasures.forget_told()

    async def _send_records(self) -> bool:
        return True

    async def _send_alarms(self) -> bool:
        """Send one mail, if there is something to tell; return whether that was all."""
        options = self.target.options
        assert options.mail is not None
        number, news = await self._store.targets.alarm_news(self.cursor.alarm_number, _MAX_ALARMS)
        told = SEVERITIES[: SEVERITIES.index(options.mail.severity) + 1]
        alarms = [alarm for alarm in news if alarm.severity in told]
        alarms.sort(key=lambda one: (told.index(one.severity), -one.last_at))
        if alarms:
            if (pause := self._next_mail - trio.current_time()) > 0:
                await self._save()
                await trio.sleep(pause)
                return False
            if await self._store.erased.is_under_way():
                return True  # for now: they may name the person until that is over
            wanted = _MAX_PICTURES if options.selection.pictures != "none" else 0
            records = [await self._record(alarm.last_seq) for alarm in alarms[:wanted]]
            records += [None] * (len(alarms) - len(records))
            await self._deliver(
                [AlarmItem(number, *each) for each in zip(alarms, records, strict=True)]
            )
            self._next_mail = trio.current_time() + _MINUTE_SECONDS * options.mail.minutes
        if number > self.cursor.alarm_number:
            self.cursor = replace(self.cursor, alarm_number=number)
            await self._save()
        return len(news) < _MAX_ALARMS

    async def _record(self, seq: int) -> Record | None:
        return await self._store.records.get(seq)
