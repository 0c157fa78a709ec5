"""All areas of a hub, each built from those that it may know."""

from __future__ import annotations

from hub.services import Services
from hub.services.areas.access import build_access
from hub.services.areas.alarms import build_alarms
from hub.services.areas.cameras import build_cameras
from hub.services.areas.firmware import build_firmware
from hub.services.areas.forwarding import build_forwarding
from hub.services.areas.people import build_people
from hub.services.areas.records import build_records
from hub.services.areas.reports import build_reports
from hub.services.areas.upkeep import build_upkeep
from hub.services.backups.backups import Backups
from hub.services.changes import Changes
from hub.services.core import Core
from hub.services.forwarding.mail.options import WriteMail
from hub.services.jobs.jobs import Jobs
from hub.services.reports.delivery import Render


def build_services(
    core: Core,
    changes: Changes,
    render_report: Render,
    write_mail: WriteMail,
    *,
    has_demo: bool,
) -> Services:
    """Build every service on an open store. `has_demo`: cameras may be on this computer."""
    jobs, backups = Jobs(core), Backups(core)
    cameras = build_cameras(core, changes, jobs, has_demo=has_demo)
    access = build_access(core, cameras)
    firmware = build_firmware(core, cameras)
    people = build_people(core, cameras, jobs)
    alarms = build_alarms(core, people)
    reports = build_reports(core, cameras, people, render_report)
    records = build_records(core, cameras, firmware, people, reports, backups)
    forwarding = build_forwarding(core, cameras, alarms, records, write_mail)
    upkeep = build_upkeep(
        core,
        jobs,
        backups,
        access=access,
        cameras=cameras,
        firmware=firmware,
        people=people,
        reports=reports,
        records=records,
        alarms=alarms,
        forwarding=forwarding,
    )
    return Services(
        core=core,
        changes=changes,
        jobs=jobs,
        cameras=cameras,
        access=access,
        firmware=firmware,
        people=people,
        reports=reports,
        records=records,
        alarms=alarms,
        forwarding=forwarding,
        upkeep=upkeep,
    )
