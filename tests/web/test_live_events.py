from __future__ import annotations

from pathlib import Path
from typing import get_args

from hub.live.feed import Change, ChangeKind
from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from web.live_events import open_live_events


async def may_read() -> bool:
    return True


async def test_a_reader_that_fell_behind_reads_everything_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        feed = hub.services.core.changes
        with open_live_events(hub.services, COMMAND_LINE, None, may_read) as events:
            for kind in ("device", "person", "job", "sync", "group"):
                feed.publish([Change(kind, str(key)) for key in range(60)])
            news = await events.next()
    assert news is not None
    assert {change.kind for change in news.changes} == set(get_args(ChangeKind))
    assert {change.key for change in news.changes} == {""}
