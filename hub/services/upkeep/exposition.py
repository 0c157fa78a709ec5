"""The text of /metrics: the gauges of the site are read, then all metrics are written out."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hub import __version__, metrics
from hub.log import limited
from hub.services.upkeep.status import camera_counts
from hub.store.alarms.alarm import SEVERITIES

if TYPE_CHECKING:
    from hub.services import Services

log = logging.getLogger(__name__)

#: Devices whose clock offset is shown: of more, those whose clocks are off the most.
_MOST_DEVICES = 256


async def read_metrics(services: Services) -> bytes:
    """Return all metrics in Prometheus' text format."""
    for update in _UPDATES:
        try:
            await update(services)
        except Exception as error:  # what cannot be read must not hide the other figures
            name = update.__name__
            limited(log, logging.WARNING, f"metrics {name}", "%s: %r", name, error)
    return metrics.exposition()


async def _update_hub(services: Services) -> None:
    metrics.build_info.clear()
    metrics.build_info.labels(__version__).set(1)
    metrics.start_time.set(services.upkeep.figures.started_at)


async def _update_health(services: Services) -> None:
    reasons = services.upkeep.health.reasons()
    metrics.healthy.set(not any(reason.is_fault for reason in reasons))
    metrics.problems.clear()
    for reason in reasons:
        severity = "fault" if reason.is_fault else "notice"
        metrics.problems.labels(reason.code, severity).set(1)


async def _update_devices(services: Services) -> None:
    counts = camera_counts(services)
    metrics.devices.labels("online").set(counts.online)
    metrics.devices.labels("offline").set(counts.offline)
    metrics.devices.labels("disabled").set(counts.disabled)
    metrics.devices.labels("waiting").set(counts.waiting)
    offsets = [
        (device.did, device.clock_offset)
        for device in services.cameras.devices.list()
        if device.clock_offset is not None
    ]
    offsets.sort(key=lambda one: -abs(one[1]))
    metrics.device_clock_offsets.clear()
    for did, offset in offsets[:_MOST_DEVICES]:
        metrics.device_clock_offsets.labels(did).set(offset)


async def _update_targets(services: Services) -> None:
    for gauge in (metrics.target_behind, metrics.target_state, metrics.target_parked):
        gauge.clear()
    for view in services.forwarding.targets.list():
        which = (str(view.target.id), view.target.kind)
        metrics.target_behind.labels(*which).set(view.behind)
        metrics.target_state.labels(*which, view.state).set(1)
        metrics.target_parked.labels(*which).set(view.dead_letters)


async def _update_people(services: Services) -> None:
    devices = await services.people.sync.summary()
    metrics.device_people.labels("held").set(sum(one.is_ for one in devices))
    metrics.device_people.labels("pending").set(sum(one.pending for one in devices))
    metrics.device_people.labels("failed").set(sum(one.failed for one in devices))
    metrics.device_people.labels("unknown").set(sum(one.unknown for one in devices))


async def _update_alarms(services: Services) -> None:
    alarms = services.alarms.raised.shown()
    new = [alarm for alarm in alarms if alarm.state == "new"]
    counts = Counter((alarm.state, alarm.severity) for alarm in alarms)
    escalated = Counter(alarm.severity for alarm in new if alarm.escalated_at is not None)
    for severity in SEVERITIES:
        for state in ("new", "acknowledged"):
            metrics.alarms.labels(state, severity).set(counts[state, severity])
        metrics.alarms_escalated.labels(severity).set(escalated[severity])
    metrics.oldest_new_alarm.set(_seconds(min((one.new_since for one in new), default=None)))


async def _update_store(services: Services) -> None:
    disk, days = services.upkeep.figures.disk(), services.upkeep.figures.days()
    metrics.disk_free.set(math.nan if disk.free is None else disk.free)
    metrics.disk_needed.set(disk.needed)
    metrics.database_bytes.set(disk.database)
    metrics.wal_bytes.set(disk.write_ahead_log)
    metrics.picture_bytes.set(days.bytes)
    held = services.records.holds.use()
    metrics.held_records.set(held.records)
    metrics.held_bytes.set(held.bytes)
    metrics.days.set(days.count)
    metrics.keep_days.set(services.config.store.keep_days)
    metrics.last_seq.set(services.records.log.last_seq)
    writes, size = services.upkeep.figures.queue()
    metrics.queue_writes.set(writes)
    metrics.queue_bytes.set(size)


async def _update_records(services: Services) -> None:
    oldest, newest = await services.upkeep.figures.record_times()
    metrics.oldest_record.set(_seconds(oldest))
    metrics.newest_record.set(_seconds(newest))


async def _update_certificate(services: Services) -> None:
    config = services.config
    has_tls = config.web.tls or config.devices.tls
    metrics.certificate_end.set(services.upkeep.certificates.expires_at if has_tls else math.nan)


def _seconds(ms: int | None) -> float:
    return math.nan if ms is None else ms / 1000


_UPDATES: tuple[Callable[[Services], Awaitable[None]], ...] = (
    _update_hub,
    _update_health,
    _update_devices,
    _update_people,
    _update_targets,
    _update_alarms,
    _update_store,
    _update_records,
    _update_certificate,
)
