"""Reads how the hub is, for the owner of many sites."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub import __version__
from hub.services.forwarding.site_state import MAX_PROBLEMS, SiteState
from hub.services.upkeep.status import camera_counts, state_of

if TYPE_CHECKING:
    from hub.services import Services

_MAX_TEXT = 80


async def read_site_state(services: Services) -> SiteState:
    """Return how the hub is. Raises CannotStoreNow, TooManyRequests."""
    upkeep, cameras = services.upkeep, services.cameras
    reasons = upkeep.health.reasons()
    problems = tuple(dict.fromkeys(reason.code for reason in reasons))
    targets = [view.state for view in services.forwarding.targets.list()]
    counts, backup = camera_counts(services), upkeep.backups.last_complete
    offline = [one.did for one in cameras.devices.list() if one.state == "offline"]
    config, forecast = services.config, upkeep.forecasts.last
    has_tls = config.web.tls or config.devices.tls
    return SiteState(
        at=_utc(services.core.now()),
        version=__version__,
        update_version="" if (offer := upkeep.updates.offer) is None else offer.version[:_MAX_TEXT],
        schema=await services.core.store.read(_schema),
        site=services.core.site.name()[:_MAX_TEXT],
        state=state_of(reasons),
        problems=problems[:MAX_PROBLEMS],
        cameras_online=counts.online,
        cameras_offline=counts.offline,
        cameras_refused=sum(cameras.presence.pending.failure(did) is not None for did in offline),
        cameras_disabled=counts.disabled,
        cameras_waiting=counts.waiting,
        last_seq=services.records.log.last_seq,
        alarms_new=services.alarms.raised.new_count,
        people_waiting=sum(one.pending for one in await services.people.sync.summary()),
        targets_waiting=targets.count("waiting"),
        targets_held=targets.count("held"),
        disk_free=upkeep.figures.disk().free,
        days_left=None if forecast is None else forecast.full_in_days,
        last_backup=None if backup is None else _utc(backup.made_at),
        certificate_ends=_utc(upkeep.certificates.expires_at) if has_tls else None,
    )


def _schema(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(round(moment, 3), UTC)
