"""The latest picture of each device."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from hub.live.feed import Feed
from hub.services.devices.latest_pictures import LatestPictures
from hub.store.records.record_log import LatestPicture
from hub.wire.uploads.records import Record


class Log:
    """A record log whose answer waits for `may_answer`."""

    def __init__(self) -> None:
        self.may_answer = trio.Event()

    async def latest_pictures(self) -> dict[str, LatestPicture]:
        found = {did: LatestPicture(1, 0, f"/media/{did}") for did in ("1", "2")}
        await self.may_answer.wait()
        return found

    def is_kept(self, latest: LatestPicture) -> bool:
        return True


async def test_the_picture_of_a_replaced_camera_does_not_come_back_with_a_slow_reading(
    nursery: trio.Nursery,
) -> None:
    log: Any = Log()
    feed: Feed[Record] = Feed()
    latest = LatestPictures(log, feed)
    nursery.start_soon(latest.follow)
    await wait_all_tasks_blocked()
    latest.forget("1")
    log.may_answer.set()
    await wait_all_tasks_blocked()
    assert latest.path("1") is None
    assert latest.path("2") == "/media/2"
