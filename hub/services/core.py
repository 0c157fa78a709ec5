"""What nearly every service takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.services.audit import Audit
from hub.services.clock.clock import SiteClock
from hub.services.settings.settings import Settings
from hub.services.site import Site

if TYPE_CHECKING:
    import trio

    from hub.config_sources import Loaded
    from hub.live.feed import Change, Feed
    from hub.outside import Outside
    from hub.services.feeds import AlarmFeed, Feeds
    from hub.store.db import Store
    from hub.wire.uploads.records import Record


@dataclass(frozen=True, kw_only=True)
class Core:
    """The store, the log of who did what, what others are told, the clocks, and the settings."""

    data_dir: Path
    outside: Outside
    store: Store
    #: What has changed, and is to be read again.
    changes: Feed[Change]
    #: The records that were stored.
    records: Feed[Record]
    alarm_changes: AlarmFeed
    #: Set as soon as the hub begins to stop, so that streams end by themselves.
    closing: trio.Event
    #: The wall clock, in UNIX seconds, which may be wrong: see `clock`.
    now: Callable[[], float]
    audit: Audit
    #: Read a setting where it is used, since some change while the hub runs.
    settings: Settings
    site: Site
    clock: SiteClock


def make_core(
    loaded: Loaded,
    data_dir: Path,
    outside: Outside,
    store: Store,
    feeds: Feeds,
    closing: trio.Event,
) -> Core:
    """Build the core of a hub on its store."""
    audit, changes = Audit(store, outside.now), feeds.changes
    settings = Settings(loaded, audit, changes)
    return Core(
        data_dir=data_dir,
        outside=outside,
        store=store,
        changes=changes,
        records=feeds.records,
        alarm_changes=feeds.alarms,
        closing=closing,
        now=outside.now,
        audit=audit,
        settings=settings,
        site=Site(store.settings, settings, changes, adapters=outside.adapters),
        clock=SiteClock(store, audit, outside.now, steady_now=outside.steady_now),
    )
