"""What a service takes, for tests of one service without a hub."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import trio

from hub.clock_reading import Reading
from hub.config import Config
from hub.config_sources import Loaded, Sources
from hub.live.feed import ChangeFeed, Feed
from hub.services.audit import Audit
from hub.services.core import Core
from hub.services.feeds import AlarmFeed
from hub.services.settings.settings import Settings
from tests.support.clock import FrozenClock
from tests.support.hub_services import outside


class TrustedClock:
    """The site's clock, which shows what `clock` shows."""

    is_trusted = True

    def __init__(self, clock: Any) -> None:
        self.expiry = self.likely_time = self.shown_time = clock

    @property
    def is_doubted(self) -> bool:
        return False

    def reading(self) -> Reading:
        ms = round(self.expiry() * 1000)
        return Reading(ms, ms, ms)

    def forget_before(self) -> int:
        return round(self.expiry() * 1000)


def core_of(store: Any, now: Any, config: Config | None = None, /, **parts: Any) -> Core:
    """The core of services on `store`, whose clock `now` is trusted; `parts` replace others."""
    changes = parts.setdefault("changes", ChangeFeed())
    audit = Audit(store, now) if hasattr(store, "audit") else None
    given: dict[str, Any] = {
        "data_dir": Path(),
        "outside": outside(cast(FrozenClock, now)),
        "store": store,
        "records": Feed(),
        "alarm_changes": AlarmFeed(changes),
        "closing": trio.Event(),
        "now": now,
        "audit": audit,
        "settings": Settings(
            Loaded(config or Config(), Sources(Path())), cast(Audit, audit), changes
        ),
        "site": SimpleNamespace(),
        "clock": TrustedClock(now),
    }
    return Core(**given | parts)
