"""What the parts of a hub tell each other, and pages and streams: records and changes, in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hub.live.feed import Change, ChangeFeed, Feed
from hub.store.alarms.alarm import AlarmChange
from hub.wire.uploads.records import EventDetail, Record


class AlarmFeed(Feed[AlarmChange]):
    """The changes of alarms, each after its commit; `changes` is told that the alarm changed."""

    def __init__(self, changes: Feed[Change]) -> None:
        super().__init__()
        self._changes = changes
        #: The seqs of alarms whose escalation was published before it could be stored.
        self.escalated: Collection[int] = ()

    def publish(self, items: Sequence[AlarmChange]) -> None:
        """Queue the changes for every subscription, but those that it has got. Never waits."""
        super().publish([one for one in items if not self._is_told(one)])
        self._changes.publish([Change("alarm", str(one.alarm.seq)) for one in items])

    def _is_told(self, one: AlarmChange) -> bool:
        return one.change == "escalated" and one.alarm.seq in self.escalated


@dataclass(frozen=True)
class Feeds:
    """The feeds of one hub, made before everything that publishes into them."""

    #: The records that were stored.
    records: Feed[Record]
    #: What has changed, and is to be read again.
    changes: ChangeFeed
    alarms: AlarmFeed


def make_feeds() -> Feeds:
    """Return feeds that nobody follows yet."""
    changes = ChangeFeed()
    return Feeds(Feed(record_weight), changes, AlarmFeed(changes))


def record_weight(record: Record) -> int:
    """Return the bytes in memory of the fields that a device can make large."""
    data = record.detail.data if isinstance(record.detail, EventDetail) else b""
    return memoryview(record.extra).nbytes + memoryview(data).nbytes
