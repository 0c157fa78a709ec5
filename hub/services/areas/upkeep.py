"""Upkeep: what keeps the hub working, and what says whether it does. It needs all other areas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub import __version__
from hub.services.alarms.watch import AlarmWatch
from hub.services.areas.access import Access
from hub.services.areas.alarms import Alarms
from hub.services.areas.cameras import Cameras
from hub.services.areas.firmware import Firmware
from hub.services.areas.forwarding import Forwarding
from hub.services.areas.parts import Parts
from hub.services.areas.people import People
from hub.services.areas.records import Records
from hub.services.areas.reports import Reports
from hub.services.backups.backups import Backups
from hub.services.certificates.certificates import Certificates
from hub.services.core import Core
from hub.services.disk_space import DiskSpace
from hub.services.doctor.health_checks import HealthChecks
from hub.services.figures import SiteFigures
from hub.services.jobs.jobs import Jobs
from hub.services.retention.forecast import Forecasts
from hub.services.updates.updates import Updates
from hub.services.upkeep.first_restore import FirstRestore
from hub.services.upkeep.health import Health, Watched
from hub.services.upkeep.lost_pictures import LostPictures
from hub.services.upkeep.maintenance import Maintenance


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """The services of this area."""

    certificates: Certificates
    maintenance: Maintenance
    figures: SiteFigures
    forecasts: Forecasts
    updates: Updates
    backups: Backups
    first_restore: FirstRestore
    health: Health
    health_checks: HealthChecks
    lost_pictures: LostPictures
    alarm_watch: AlarmWatch

    @property
    def restart_is_due(self) -> bool:
        """Whether the hub stops in order to be started again."""
        return self.updates.restart_is_due or self.first_restore.restart_is_due

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "the certificate renewal", self.certificates.run
        yield "the store maintenance", self.maintenance.run
        yield "the forecast", self.forecasts.run
        yield "watching for alarms", self.alarm_watch.run
        yield "the updates", self.updates.run
        yield "the nightly backup", self.backups.run
        yield "the restore of a backup", self.first_restore.run
        yield "the health check", self.health.run
        yield "the check of everything", self.health_checks.run


def build_upkeep(
    core: Core,
    jobs: Jobs,
    backups: Backups,
    *,
    access: Access,
    cameras: Cameras,
    firmware: Firmware,
    people: People,
    reports: Reports,
    records: Records,
    alarms: Alarms,
    forwarding: Forwarding,
) -> Upkeep:
    """Build this area."""
    registry, targets = cameras.presence.registry, forwarding.targets
    certificates, updates = Certificates(core), Updates(core, version=__version__)
    prune: tuple[Callable[[], Awaitable[None]], ...] = (
        cameras.authentication.tokens.prune,
        access.sessions.prune,
        access.setup_links.prune,
        access.api_keys.forget_used_signatures,
        jobs.prune,
        people.imports.remove_old,
        firmware.releases.remove_unused,
    )
    maintenance = Maintenance(
        core,
        DiskSpace(core),
        records.retention,
        prune=prune,
        save=(access.api_keys.save_used,),
        is_needed=targets.needs,
        note_dropped=targets.note_dropped,
    )
    watched = Watched(
        registry=registry,
        certificates=certificates,
        maintenance=maintenance,
        retention=records.retention,
        updates=updates,
        backups=backups,
        guesses=cameras.guesses,
        misuse=cameras.authentication.misuse,
        delivery=reports.delivery,
        targets=targets,
        people_sync=people.sync,
    )
    health, figures = Health(core, watched), SiteFigures(core)
    return Upkeep(
        certificates=certificates,
        maintenance=maintenance,
        figures=figures,
        forecasts=Forecasts(core, records.retention, figures),
        updates=updates,
        backups=backups,
        first_restore=FirstRestore(core, access.users, people.register),
        health=health,
        health_checks=HealthChecks(core, backups),
        lost_pictures=LostPictures(core),
        alarm_watch=AlarmWatch(core, registry, health.reasons, alarms.raised),
    )
