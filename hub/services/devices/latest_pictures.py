"""The latest picture of each device, for the list of cameras."""

from __future__ import annotations

import logging

import trio

from hub.errors import HubError
from hub.live.feed import Feed
from hub.log import limited
from hub.store.records.record_log import LatestPicture, RecordLog
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)


class LatestPictures:
    """Keeps the paths of the latest pictures in memory while `follow` runs."""

    def __init__(self, records: RecordLog, feed: Feed[Record]) -> None:
        self._records = records
        self._feed = feed
        self._latest: dict[str, LatestPicture] = {}
        #: Of whom the picture was forgotten since they were read.
        self._forgotten: set[str] = set()

    def path(self, did: str) -> str | None:
        """Return the URL path of the device's latest picture; None if none is kept."""
        latest = self._latest.get(did)
        return latest.path if latest is not None and self._records.is_kept(latest) else None

    def forget(self, did: str) -> None:
        """Forget the picture of a device that was removed, or is another camera now."""
        self._latest.pop(did, None)
        self._forgotten.add(did)

    async def follow(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Read the record log once, report `started`, and follow committed records."""
        with self._feed.subscribe() as subscription:
            await self._load()
            task_status.started()
            while True:
                for record in await subscription.next():
                    if record.images:
                        path = record.images[0].path
                        latest = LatestPicture(record.seq, record.received_at, path)
                        self._latest[record.did] = latest
                if subscription.lagged:
                    subscription.catch_up()
                    await self._load()

    async def _load(self) -> None:
        self._forgotten.clear()
        try:
            latest = await self._records.latest_pictures()
        except HubError as error:
            # The next records bring newer pictures.
            limited(log, logging.WARNING, "latest pictures", "cannot read pictures: %s", error)
            return
        self._latest = {did: one for did, one in latest.items() if did not in self._forgotten}
