"""The status of the hub in one answer: `sitehub status`, and GET /status of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from hub import __version__
from hub.services.problems import HealthReason
from hub.services.urls import dashboard_urls, device_urls
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.services import Services

HubState = Literal["ok", "unwell", "starting", "not responding", "not running"]
Moment = Annotated[str, Meta(description="RFC 3339 in UTC with milliseconds")]


class Problem(Struct, frozen=True):
    """Something that is not well. A `fault` keeps the hub from working, a `notice` does not."""

    code: Annotated[str, Meta(description="stable, such as `disk-low`")]
    severity: Literal["fault", "notice"]
    text: Annotated[str, Meta(description="what is not well, in English")]
    advice: Annotated[str, Meta(description="what to do about it, in English")]


class CameraCounts(Struct, frozen=True):
    """The cameras by their state. `waiting`: those that connect, but are not enrolled."""

    online: int
    offline: int
    disabled: int
    waiting: int


class RecordFigures(Struct, frozen=True):
    """The record log. Days are UTC."""

    log: Annotated[str, Meta(description="the id of the log, within which `seq` is unique")]
    last_seq: Annotated[int, Meta(description="of the newest record; 0 before the first")]
    oldest: Annotated[Moment | None, Meta(description="when the oldest record was received")]
    newest: Annotated[Moment | None, Meta(description="when the newest record was received")]
    days: Annotated[int, Meta(description="days that hold records")]
    keep_days: Annotated[int, Meta(description="the setting `store.keep_days`")]


class BackupFigures(Struct, frozen=True):
    """The nightly backups."""

    folder: str
    last_good: Annotated[Moment | None, Meta(description="when the last good one was made")]
    bytes: Annotated[int, Meta(description="all backups in the folder")]


class DiskFigures(Struct, frozen=True):
    """The disk of the data directory, in bytes."""

    free: Annotated[int | None, Meta(description="null if the disk does not tell")]
    needed: Annotated[int, Meta(description="must stay free: `store.min_free_gb`")]
    pictures: Annotated[int, Meta(description="the pictures of all records")]
    database: int
    write_ahead_log: Annotated[int, Meta(description="of the database")]


class HubStatus(Struct, frozen=True, kw_only=True):
    """The status of a hub. Of one that does not run, only `state` and `version` are known."""

    state: HubState
    version: Annotated[str, Meta(description="of this program")]
    since: Annotated[Moment | None, Meta(description="when the hub started")] = None
    site: str | None = None
    dashboard: Annotated[list[str], Meta(description="addresses for browsers")] = []
    devices: Annotated[list[str], Meta(description="addresses for cameras")] = []
    fingerprint: Annotated[
        str | None, Meta(description="SHA-256 of the certificate that browsers are shown")
    ] = None
    cameras: CameraCounts | None = None
    records: RecordFigures | None = None
    backups: BackupFigures | None = None
    disk: DiskFigures | None = None
    problems: Annotated[list[Problem], Meta(description="faults first; empty if all is well")] = []


async def read_status(services: Services) -> HubStatus:
    """Return the status of the running hub."""
    reasons = services.upkeep.health.reasons()
    problems = [
        Problem(one.code, "fault" if one.is_fault else "notice", one.text, one.advice)
        for one in reasons
    ]
    return HubStatus(
        state=state_of(reasons),
        version=__version__,
        since=_moment(round(services.upkeep.figures.started_at * 1000)),
        site=services.core.site.name(),
        dashboard=_urls(services, dashboard_urls),
        devices=_urls(services, device_urls),
        fingerprint=services.upkeep.certificates.leaf_fingerprint
        if services.config.web.tls
        else None,
        cameras=camera_counts(services),
        records=await _record_figures(services),
        backups=_backup_figures(services),
        disk=_disk_figures(services),
        problems=problems,
    )


def camera_counts(services: Services) -> CameraCounts:
    """Count the cameras by state."""
    states = Counter(device.state for device in services.cameras.devices.list())
    waiting = len(services.cameras.enrolment.waiting())
    return CameraCounts(states["online"], states["offline"], states["disabled"], waiting)


def state_of(reasons: Sequence[HealthReason]) -> HubState:
    """Return the state of a running hub with these problems."""
    faults = [one.code for one in reasons if one.is_fault]
    if "starting" in faults:
        return "starting"
    return "unwell" if faults else "ok"


def _urls(services: Services, of: Callable[[Services], list[str]]) -> list[str]:
    with suppress(OSError):
        return of(services)
    return []


async def _record_figures(services: Services) -> RecordFigures:
    oldest, newest = await services.upkeep.figures.record_times()
    return RecordFigures(
        log=services.records.log.log_id,
        last_seq=services.records.log.last_seq,
        oldest=_moment(oldest),
        newest=_moment(newest),
        days=services.upkeep.figures.days().count,
        keep_days=services.config.store.keep_days,
    )


def _backup_figures(services: Services) -> BackupFigures:
    backups = services.upkeep.backups
    complete = backups.last_complete
    return BackupFigures(
        folder=str(backups.folder),
        last_good=None if complete is None else _moment(round(complete.made_at * 1000)),
        bytes=backups.folder_bytes,
    )


def _disk_figures(services: Services) -> DiskFigures:
    disk = services.upkeep.figures.disk()
    return DiskFigures(
        free=disk.free,
        needed=disk.needed,
        pictures=services.upkeep.figures.days().bytes,
        database=disk.database,
        write_ahead_log=disk.write_ahead_log,
    )


def _moment(ms: int | None) -> str | None:
    return None if ms is None else format_rfc3339(ms)
