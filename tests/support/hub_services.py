"""The services of a hub on a real store, without its edges."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.config import Config
from hub.config_sources import Loaded, Sources
from hub.live.feed import ChangeFeed, Feed
from hub.live.old_tls import OldTls
from hub.live.pending_devices import PendingDevices
from hub.live.registry import Registry
from hub.net.places import KnownAddresses
from hub.precedence import Precedence
from hub.services import Services
from hub.services.access.api_keys import ApiKeys
from hub.services.access.audit import COMMAND_LINE, Audit
from hub.services.access.passwords import Cost, Passwords
from hub.services.access.screens import Screens
from hub.services.access.sessions import Sessions
from hub.services.access.setup_links import SetupLinks
from hub.services.access.sign_in import SignIn
from hub.services.access.users import Users
from hub.services.admission.enrolment import Enrolment
from hub.services.admission.unsigned.addresses import SecretAddresses
from hub.services.alarms.alarms import Alarms
from hub.services.alarms.plate_lists import PlateLists
from hub.services.alarms.rules import AlarmRules
from hub.services.alarms.watch import AlarmWatch
from hub.services.changes import open_changes
from hub.services.commands.calls import Commands
from hub.services.commands.files import DeviceFiles
from hub.services.commands.many import ManyDevices
from hub.services.commands.photo_search import PhotoSearches
from hub.services.commands.photos import Photos
from hub.services.devices.availability import DeviceAvailability
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.services.devices.frame_trace import Trace
from hub.services.doctor.health_checks import HealthChecks
from hub.services.doctor.surroundings import Surroundings
from hub.services.equipment.inquiries import CameraInquiries
from hub.services.equipment.moves import AddressMoves
from hub.services.equipment.names import PictureNames
from hub.services.equipment.pan_tilt import PanTilt
from hub.services.equipment.readings import CameraReadings
from hub.services.equipment.relays.relays import Relays
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.downloads import Downloads
from hub.services.firmware.prompting import FirmwarePrompts
from hub.services.firmware.releases import Releases
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.targets import Targets
from hub.services.jobs.jobs import Jobs
from hub.services.people.groups import CameraGroups
from hub.services.people.import_export.imports import Imports
from hub.services.people.photos import PersonPhotos
from hub.services.people.register import People
from hub.services.people.sync.people_sync import PeopleSync
from hub.services.records.erasures import Erasures, older_copies
from hub.services.records.histogram import Histograms
from hub.services.records.holds import Holds
from hub.services.records.matches import PartMatching
from hub.services.records.record_log import RecordLog
from hub.services.records.reviews import Reviews
from hub.services.records.saved_searches import SavedSearches
from hub.services.records.thumbnails import Thumbnails
from hub.services.reports.delivery import ReportDelivery
from hub.services.reports.reports import Reports
from hub.services.site.backups.backups import Backups
from hub.services.site.clock.clock import SiteClock
from hub.services.site.disk_space import GB, DiskSpace
from hub.services.site.lost_pictures import LostPictures
from hub.services.site.retention.forecast import Forecasts
from hub.services.site.retention.retention import RetentionPolicy
from hub.services.site.settings.settings import Settings
from hub.services.site.site import Site
from hub.services.site.status.figures import SiteFigures
from hub.services.site.updates.updates import Updates
from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.disk import Disk
from hub.store.opening import open_store
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail, Record
from tests.support.clock import FrozenClock
from tests.support.traces import new_traces

#: Makes password hashes fast.
CHEAP = Cost(memory_kib=8, iterations=1)
PASSWORD = "correct horse"


class FreeBytes:
    """The free disk space; tests set `bytes`."""

    def __init__(self) -> None:
        self.bytes = 100 * GB

    def __call__(self) -> int:
        return self.bytes


class HubServices:
    """A store, the services on it, and shortcuts to fill it."""

    def __init__(
        self,
        store: Store,
        services: Services,
        pending_devices: PendingDevices,
        registry: Registry,
        free: FreeBytes,
    ) -> None:
        self.store = store
        self.services = services
        self.pending_devices = pending_devices
        #: The devices that are online: attach a `tests.support.commanded_link.AskedLink`.
        self.registry = registry
        self.free = free

    async def add_faces(self, *names: str, did: str = "1", pictures: bool = False) -> list[int]:
        """Store a capture for each name, each from a separate upload; returns their seqs."""
        return [await self.add(face(name, pictures=pictures), did=did) for name in names]

    async def add(self, upload: CheckedUpload, *, did: str = "1") -> int:
        """Store one record of a device; returns its seq."""
        batch = RecordBatch(
            [upload],
            did=did,
            sn=f"SN{did}",
            device_name="Gate",
            digest=secrets.token_bytes(16),
            arrived_at=0,
        )
        (seq,) = (await self.store.records.append(batch)).seqs
        return seq

    async def add_user(self, name: str, role: str = "admin") -> str:
        """Add a user who is signed in; returns the session's token."""
        await self.services.users.add(name, role, PASSWORD, by=COMMAND_LINE)
        return (await self.services.sessions.sign_in(name, PASSWORD, "10.0.0.1")).token

    async def bearer(self, *, read_only: bool = False) -> dict[str, str]:
        """Make an API key; returns the header with it."""
        key = await self.services.api_keys.add(
            "test", read_only, targets=not read_only, by=COMMAND_LINE
        )
        return {"Authorization": f"Bearer {key.appid}:{key.secret}"}


def face(name: str, *, pictures: bool = False, at: int = 0) -> CheckedUpload:
    return CheckedUpload(
        kind="face",
        occurred_at=at,
        detail=FaceDetail(name=name),
        pictures=(Picture("face", "image/jpeg", b"\xff\xd8\xff" + name.encode()),)
        if pictures
        else (),
    )


@asynccontextmanager
async def open_hub_services(
    data_dir: Path,
    clock: FrozenClock,
    config: Config | Loaded | None = None,
    *,
    disk: Disk | None = None,
    update_key: Ed25519PublicKey | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    steady: FrozenClock | None = None,
) -> AsyncIterator[HubServices]:
    """A `Loaded` says where settings are read again, and written; else in `data_dir`.

    `transport`: what webhooks are sent through. `steady`: a clock that is not set; without it,
    advancing `clock` is time that passes, not a step.
    """
    loaded = config if isinstance(config, Loaded) else Loaded(config or Config(), Sources(data_dir))
    config = loaded.config
    record_feed: Feed[Record] = Feed()
    change_feed = ChangeFeed()
    on_records = record_feed.publish
    async with (
        open_store(data_dir, now=clock, on_records=on_records, disk=disk) as store,
        open_changes(trio.Event()) as changes,
    ):
        registry = Registry(clock)
        free = FreeBytes()
        pending_devices = PendingDevices(config.devices.max_waiting, change_feed, clock)
        traces = new_traces(clock)
        closing = trio.Event()
        site = Site(store.settings, config, change_feed)
        audit = Audit(store, clock)
        precedence = Precedence()
        site_clock = SiteClock(store, audit, clock, steady_now=steady or clock)
        settings = Settings(loaded, audit, change_feed)
        retention = RetentionPolicy(store, site_clock, audit, config.store.keep_days, clock)
        figures = SiteFigures(store, data_dir, config.store.min_free_gb, clock)
        passwords = Passwords(CHEAP)
        sign_in = SignIn(store, passwords, site_clock.lives)
        sessions = Sessions(store, sign_in, audit, site_clock.lives)
        users = Users(store, passwords, sign_in, sessions, audit, clock)
        devices = Devices(store, registry, pending_devices, traces, record_feed, change_feed, clock)
        room_on_disk = DiskSpace(config.store.min_free_gb, free)
        releases = Releases(store, site, room_on_disk, change_feed, site_clock.likely_time)
        campaigns = Campaigns(store, releases, devices, change_feed, clock)
        capabilities = CameraCapabilities(store, clock)
        commands = Commands(store, registry, devices, change_feed, clock, capabilities)
        readings = CameraReadings(devices, commands, clock)
        enrolment = Enrolment(store, devices, pending_devices, config.devices, changes.carry_out)
        photos = Photos()
        person_photos = PersonPhotos(photos)
        people = People(
            store,
            person_photos,
            audit,
            change_feed,
            site_clock.reading,
            clock,
            sends_id_numbers=True,
        )
        device_files = DeviceFiles(store, commands, clock)
        camera_groups = CameraGroups(store, audit, change_feed)
        backups = Backups(
            store,
            site,
            audit,
            config.backup,
            config.store,
            data_dir,
            change_feed,
            is_clock_trusted=lambda: True,
            now=site_clock.likely_time,
            speed=0,
        )
        jobs = Jobs(store, audit, change_feed, clock)
        alarms = Alarms(store, audit, change_feed, clock)
        alarm_rules = AlarmRules(store, site, audit, change_feed, camera_groups, site_clock.reading)
        imports = Imports(
            data_dir,
            people,
            person_photos,
            camera_groups,
            jobs,
            site,
            room_on_disk,
            audit,
            clock,
        )
        availability = DeviceAvailability(
            store, registry, pending_devices, site_clock, clock, steady_now=clock
        )
        reports = Reports(store, site, people, camera_groups, availability, audit, clock)
        thumbnails = Thumbnails(store.pictures, precedence)
        services = Services(
            settings=settings,
            data_dir=data_dir,
            now=clock,
            closing=closing,
            changes=changes,
            record_feed=record_feed,
            change_feed=change_feed,
            traces=traces,
            site=site,
            audit=audit,
            sessions=sessions,
            users=users,
            screens=Screens(store, users, sessions, audit, site_clock.lives),
            setup_links=SetupLinks(
                store, site, passwords, users, sessions, audit, site_clock.lives
            ),
            precedence=precedence,
            known_addresses=KnownAddresses([*sessions.addresses(), *devices.addresses()]),
            old_tls=OldTls(clock),
            api_keys=ApiKeys(store, audit, clock_skew=config.devices.clock_skew, now=clock),
            devices=devices,
            availability=availability,
            reports=reports,
            report_delivery=ReportDelivery(store, reports, site, site_clock, audit, data_dir),
            enrolment=enrolment,
            commands=commands,
            readings=readings,
            address_moves=AddressMoves(devices, commands, readings, enrolment.moves, clock),
            picture_names=PictureNames(devices, capabilities, commands, readings, jobs, audit),
            pan_tilt=PanTilt(commands),
            relays=Relays(
                store,
                devices,
                audit,
                lambda: settings.current.devices.unsigned_networks,
                allow_loopback=True,
            ),
            device_files=device_files,
            photos=photos,
            releases=releases,
            campaigns=campaigns,
            downloads=Downloads(store, devices, campaigns, clock, site_clock.lives),
            records=RecordLog(store, record_feed),
            thumbnails=thumbnails,
            histograms=Histograms(store, site, clock),
            part_matching=PartMatching(store),
            person_photos=person_photos,
            people=people,
            people_sync=PeopleSync(
                store,
                people,
                person_photos.simplify,
                devices,
                commands,
                device_files,
                audit,
                jobs,
                change_feed,
                site_clock,
                clock,
                site.zone,
                lambda: 0.5,
                precedence,
                sends_id_numbers=config.people.send_id_numbers,
            ),
            camera_groups=camera_groups,
            holds=Holds(store, audit, site_clock, change_feed, clock),
            saved_searches=SavedSearches(store, audit, clock),
            reviews=Reviews(store, clock),
            alarm_rules=alarm_rules,
            plate_lists=PlateLists(store, alarm_rules, audit, change_feed),
            alarms=alarms,
            alarm_watch=AlarmWatch(
                store, registry, site_clock, config.alarms, clock, list, alarms, steady_now=clock
            ),
            erasures=Erasures(
                store,
                audit,
                traces,
                record_feed,
                change_feed,
                older_copies(data_dir, backups.list),
                imports,
                clock,
                (reports.forget, thumbnails.forget),
            ),
            targets=Targets(
                store,
                site,
                audit,
                record_feed,
                change_feed,
                SiteView(
                    store,
                    site,
                    devices,
                    alarms,
                    commands,
                    audit,
                    change_feed,
                    clock,
                    base_url=lambda: "https://hub:8443",
                ),
                hold_days=config.targets.hold_days,
                age_of=retention.age,
                own_ports=lambda: frozenset({8443}),
                base_url=lambda: "https://hub:8443",
                now=clock,
                random=lambda: 0.0,
                transport=transport,
            ),
            jobs=jobs,
            imports=imports,
            photo_searches=PhotoSearches(devices, commands, person_photos, jobs, site, audit),
            many_devices=ManyDevices(store, devices, commands, jobs, audit, change_feed, clock),
            trace=Trace(traces, devices, pending_devices, closing),
            figures=figures,
            forecasts=Forecasts(store, retention, figures, lambda: config.store),
            updates=Updates(
                data_dir,
                audit,
                change_feed,
                closing,
                version="0.1.0",
                key=update_key,
                obstacle="",
                now=clock,
            ),
            health=cast(Any, SimpleNamespace(reasons=list, faults=list)),
            lost_pictures=LostPictures(store, audit, change_feed),
            health_checks=HealthChecks(
                lambda: Surroundings(
                    data_dir,
                    settings.current,
                    clock,
                    os.getpid(),
                    site.zone_name(),
                    site_clock.is_doubted,
                    failure.reason if (failure := backups.last_failure) else "",
                ),
                change_feed,
                clock,
            ),
            capabilities=capabilities,
            inquiries=CameraInquiries(devices, commands, change_feed, capabilities),
            firmware_prompts=FirmwarePrompts(
                campaigns, devices, commands, change_feed, capabilities
            ),
            secret_addresses=SecretAddresses(store, registry, devices, lambda: settings.current),
            # Not used by these tests.
            certificates=cast(Any, None),
            authentication=cast(Any, None),
            admission=cast(Any, None),
            ingest=cast(Any, None),
            clock=site_clock,
            retention=retention,
            maintenance=cast(Any, None),
            backups=backups,
        )
        yield HubServices(store, services, pending_devices, registry, free)
