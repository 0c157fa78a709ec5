"""The composition root: every part of a running hub is a named line here.

Indentation shows lifetimes: the store contains the services, which contain the background tasks,
which contain the ports. A signal ends them from the inside out: the ports accept nothing new,
finish the requests in progress and close the links; the background tasks save what they hold; the
store is closed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from hub import __version__
from hub.config import ListeningPort, ports_of, udp_ports_of
from hub.config_sources import Loaded
from hub.link.listener import serve_devices
from hub.live.feed import ChangeFeed, Feed
from hub.live.frame_trace import FrameTraces
from hub.live.old_tls import OldTls
from hub.live.pending_devices import PendingDevices
from hub.live.registry import Registry
from hub.log import set_level
from hub.net.binding import check_ports, open_udp_sockets
from hub.net.open_files import require_open_files
from hub.net.places import KnownAddresses
from hub.net.sntp import serve_sntp
from hub.outside import Outside
from hub.precedence import Precedence
from hub.process.control.channel import remove_channel_file, serve_control
from hub.process.memory import release_regularly, share_one_heap
from hub.process.parts import BeginEnd, Part, start_part, watch_for_end
from hub.process.signals import reload_on_signal, watch_stop_signals
from hub.process.trial_run import try_out
from hub.services import Services
from hub.services.access.api_keys import ApiKeys
from hub.services.access.audit import Audit
from hub.services.access.passwords import Passwords
from hub.services.access.screens import Screens
from hub.services.access.sessions import Sessions
from hub.services.access.setup_links import SetupLinks
from hub.services.access.sign_in import SignIn
from hub.services.access.users import Users
from hub.services.admission.authentication import Authentication
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.admission.connect import Admission
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
from hub.services.records.ingest import Ingest
from hub.services.records.matches import PartMatching
from hub.services.records.record_log import RecordLog, record_weight
from hub.services.records.reviews import Reviews
from hub.services.records.saved_searches import SavedSearches
from hub.services.records.thumbnails import Thumbnails
from hub.services.reports.delivery import ReportDelivery
from hub.services.reports.reports import Reports
from hub.services.signed_times import SignedTimes
from hub.services.site.backups.backups import Backups
from hub.services.site.certificates.certificates import Certificates
from hub.services.site.clock.clock import SiteClock
from hub.services.site.clock.plausibility import EARLIEST_PLAUSIBLE
from hub.services.site.disk_space import DiskSpace
from hub.services.site.lost_pictures import LostPictures
from hub.services.site.maintenance import Maintenance
from hub.services.site.retention.forecast import Forecasts
from hub.services.site.retention.retention import RetentionPolicy
from hub.services.site.settings.settings import Settings
from hub.services.site.site import Site
from hub.services.site.status.figures import SiteFigures
from hub.services.site.status.health import Health
from hub.services.site.updates.updates import Updates
from hub.services.site.urls import web_urls
from hub.store.opening import open_store
from hub.wire.redaction import redact_frame
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

#: Called when every port is open.
Announce = Callable[[Services], Awaitable[None]]

#: The ports have this long to finish requests in progress; stopping takes at most 10 s in total.
_CLOSE_PORTS_SECONDS = 7.0


class ServeWeb(Protocol):
    """The web server, which the caller passes in: this package does not import `web`."""

    async def __call__(
        self,
        services: Services,
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None: ...


class ServiceManager(Protocol):
    """Reports the hub's state to the service manager that started it."""

    def ready(self) -> None:
        """Report that every port is open."""

    def stopping(self) -> None:
        """Report that the ports are about to close."""

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send signs of life until cancelled: without them, a hung hub is restarted."""


async def run_hub(
    loaded: Loaded,
    data_dir: Path,
    *,
    serve_web: ServeWeb,
    announce: Announce,
    demo_cameras: Part | None = None,
    manager: ServiceManager | None = None,
    begin_end: BeginEnd = lambda seconds: None,
    confirm_trial: Callable[[], None] | None = None,
    outside: Outside | None = None,
) -> bool:
    """Run the hub until SIGINT or SIGTERM; a second signal ends it at once.

    Returns whether it stopped by itself, to be started again for an update. `confirm_trial` is
    given if this is the trial of an update: it is called once the hub is known to work.

    The caller holds the lock of the data directory. `demo_cameras` start once the ports are open.
    `begin_end` is called when the hub begins to end, for whatever reason: the caller ends the
    process if that takes too long.
    Raises StartFault, or an exception group that contains one, if the hub cannot start or keep
    running.
    """
    outside = outside or Outside()
    share_one_heap()
    require_open_files()
    _warn_if_clock_was_never_set(outside.now())
    # First, since opening the store may migrate it, and older versions could not read it then.
    await check_ports(loaded.config)
    remove_channel_file(data_dir)
    closing = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(watch_stop_signals, closing, nursery.cancel_scope, begin_end)
        await nursery.start(watch_for_end, closing, begin_end)
        has_demo = demo_cameras is not None
        async with open_hub(
            loaded, data_dir, closing=closing, outside=outside, has_demo=has_demo
        ) as services:
            if confirm_trial is not None:
                await services.updates.load()
                await try_out(
                    services,
                    serve_web=serve_web,
                    serve_devices=serve_devices,
                    known_faults=services.updates.known_faults,
                )
                await trio.to_thread.run_sync(confirm_trial)
            await _run_parts(services, serve_web, announce, demo_cameras, manager, begin_end)
        nursery.cancel_scope.cancel()
    log.info("the hub has stopped")
    return services.updates.restart_is_due


@asynccontextmanager
async def open_hub(
    loaded: Loaded,
    data_dir: Path,
    *,
    closing: trio.Event,
    outside: Outside | None = None,
    has_demo: bool = False,
) -> AsyncIterator[Services]:
    """Open the store and build the services on it, without background tasks and ports.

    `outside`: the real world by default. `has_demo`: cameras may be on this computer.
    """
    config, outside = loaded.config, outside or Outside()
    now, steady_now = outside.now, outside.steady_now
    record_feed: Feed[Record] = Feed(record_weight)
    change_feed = ChangeFeed()
    async with (
        open_store(data_dir, now=now, on_records=record_feed.publish, disk=outside.disk) as store,
        open_changes(closing) as changes,
    ):
        registry = Registry(now)
        pending_devices = PendingDevices(config.devices.max_waiting, change_feed, now)
        traces = FrameTraces(
            now,
            redact_frame,
            is_listed=lambda sn: pending_devices.has_row(sn) or store.devices.by_sn(sn) is not None,
            # For the pending devices, and as many enrolled ones whose connects fail.
            max_pending=2 * config.devices.max_waiting,
        )
        audit = Audit(store, now)
        settings = Settings(loaded, audit, change_feed)
        disk_space = DiskSpace(config.store.min_free_gb, lambda: outside.free_bytes(data_dir))
        site = Site(store.settings, config, change_feed, adapters=outside.adapters)
        clock = SiteClock(store, audit, now, steady_now=steady_now)
        certificates = Certificates(data_dir, config.tls, now=clock.likely_time)
        passwords = Passwords(outside.password_cost)
        sign_in = SignIn(store, passwords, clock.lives)
        sessions = Sessions(store, sign_in, audit, clock.lives)
        users = Users(store, passwords, sign_in, sessions, audit, now)
        setup_links = SetupLinks(store, site, passwords, users, sessions, audit, clock.lives)
        times = SignedTimes(now, clock.likely_time, lambda: clock.is_doubted)
        api_keys = ApiKeys(store, audit, clock_skew=config.devices.clock_skew, now=now, times=times)
        devices = Devices(store, registry, pending_devices, traces, record_feed, change_feed, now)
        enrolment = Enrolment(store, devices, pending_devices, config.devices, changes.carry_out)
        authentication = Authentication(
            store, registry, config.devices, times, clock.lives, clock.forget_before
        )
        guesses, capabilities = CodeGuesses(), CameraCapabilities(store, now)
        admission = Admission(
            store,
            registry,
            pending_devices,
            devices,
            enrolment,
            authentication.tokens,
            change_feed,
            config.devices,
            now,
            guesses=guesses,
            audit=audit,
            capabilities=capabilities,
            times=times,
        )
        secret_addresses = SecretAddresses(store, registry, devices, lambda: settings.current)
        releases = Releases(store, site, disk_space, change_feed, clock.likely_time)
        campaigns = Campaigns(store, releases, devices, change_feed, now)
        downloads = Downloads(store, devices, campaigns, now, clock.lives)
        commands = Commands(store, registry, devices, change_feed, now, capabilities)
        readings = CameraReadings(devices, commands, now)
        retention = RetentionPolicy(store, clock, audit, config.store.keep_days, now)
        jobs = Jobs(store, audit, change_feed, now)
        photos = Photos()
        person_photos = PersonPhotos(photos)
        people = People(
            store,
            person_photos,
            audit,
            change_feed,
            clock.reading,
            now,
            sends_id_numbers=config.people.send_id_numbers,
        )
        camera_groups = CameraGroups(store, audit, change_feed)
        imports = Imports(
            data_dir,
            people,
            person_photos,
            camera_groups,
            jobs,
            site,
            disk_space,
            audit,
            now,
        )
        alarms = Alarms(store, audit, change_feed, now)

        def base_url() -> str:
            return web_urls(site, settings.current.web)[0].rstrip("/")

        view = SiteView(store, site, devices, alarms, commands, audit, change_feed, now, base_url)
        targets = Targets(
            store,
            site,
            audit,
            record_feed,
            change_feed,
            view,
            hold_days=config.targets.hold_days,
            age_of=retention.age,
            own_ports=lambda: frozenset(one.port for one in ports_of(settings.current)),
            base_url=base_url,
            now=now,
            random=outside.random,
            transport=outside.transport,
        )
        maintenance = Maintenance(
            store,
            config.store,
            disk_space,
            clock,
            retention,
            prune=(
                authentication.tokens.prune,
                sessions.prune,
                setup_links.prune,
                api_keys.forget_used_signatures,
                jobs.prune,
                imports.remove_old,
                releases.remove_unused,
            ),
            save=(api_keys.save_used,),
            now=now,
            zone=site.zone,
            is_needed=targets.needs,
            note_dropped=targets.note_dropped,
        )
        updates = Updates(
            data_dir,
            audit,
            change_feed,
            closing,
            version=__version__,
            key=outside.update_key,
            obstacle=outside.update_obstacle,
            now=now,
        )
        backups = Backups(
            store,
            site,
            audit,
            config.backup,
            config.store,
            data_dir,
            change_feed,
            is_clock_trusted=lambda: clock.is_trusted,
            now=clock.likely_time,
            speed=outside.copy_speed,
        )
        alarm_rules = AlarmRules(store, site, audit, change_feed, camera_groups, clock.reading)
        figures = SiteFigures(store, data_dir, config.store.min_free_gb, now)
        forecasts = Forecasts(store, retention, figures, lambda: settings.current.store)
        device_files = DeviceFiles(store, commands, now)
        precedence = Precedence()
        people_sync = PeopleSync(
            store,
            people,
            person_photos.simplify,
            devices,
            commands,
            device_files,
            audit,
            jobs,
            change_feed,
            clock,
            now,
            site.zone,
            outside.random,
            precedence,
            sends_id_numbers=config.people.send_id_numbers,
        )
        availability = DeviceAvailability(
            store, registry, pending_devices, clock, now, steady_now=steady_now
        )
        reports = Reports(
            store, site, people, camera_groups, availability, audit, clock.likely_time
        )
        thumbnails = Thumbnails(store.pictures, precedence)
        report_delivery = ReportDelivery(store, reports, site, clock, audit, data_dir)
        health = Health(
            store,
            registry,
            certificates,
            maintenance,
            clock,
            retention,
            updates,
            backups,
            change_feed,
            guesses,
            now=now,
            steady_now=steady_now,
            report_failure=lambda: report_delivery.failure,
            targets=targets.list,
            misused=authentication.misuse.devices,
            waiting_people=lambda: people_sync.waiting_for_clock,
        )
        alarm_watch = AlarmWatch(
            store,
            registry,
            clock,
            config.alarms,
            now,
            health.reasons,
            alarms,
            steady_now=steady_now,
        )
        ingest = Ingest(
            store, devices, site, campaigns, downloads, config.devices, now, capabilities
        )
        for take_over in (
            lambda config: set_level(config.log.level),
            site.configure,
            lambda config: disk_space.configure(config.store.min_free_gb),
            lambda config: retention.configure(config.store.keep_days),
            lambda config: maintenance.configure(config.store),
            lambda config: targets.configure(config.targets.hold_days),
            lambda config: figures.configure(config.store.min_free_gb),
            lambda config: api_keys.configure(config.devices.clock_skew),
            lambda config: authentication.configure(config.devices),
            lambda config: admission.configure(config.devices),
            lambda config: ingest.configure(config.devices),
            lambda config: alarm_watch.configure(config.alarms),
            lambda config: backups.configure(config.backup, config.store),
            lambda config: people_sync.configure(sends_id_numbers=config.people.send_id_numbers),
            lambda config: people.configure(sends_id_numbers=config.people.send_id_numbers),
        ):
            settings.on_change(take_over)
        yield Services(
            store=store,
            registry=registry,
            pending_devices=pending_devices,
            settings=settings,
            data_dir=data_dir,
            now=clock.likely_time,
            closing=closing,
            changes=changes,
            record_feed=record_feed,
            change_feed=change_feed,
            traces=traces,
            site=site,
            clock=clock,
            certificates=certificates,
            audit=audit,
            sessions=sessions,
            users=users,
            setup_links=setup_links,
            screens=Screens(store, users, sessions, audit, clock.lives),
            api_keys=api_keys,
            precedence=precedence,
            known_addresses=KnownAddresses([*sessions.addresses(), *devices.addresses()]),
            old_tls=OldTls(now),
            devices=devices,
            availability=availability,
            enrolment=enrolment,
            authentication=authentication,
            admission=admission,
            secret_addresses=secret_addresses,
            capabilities=capabilities,
            firmware_prompts=FirmwarePrompts(
                campaigns, devices, commands, change_feed, capabilities
            ),
            inquiries=CameraInquiries(devices, commands, change_feed, capabilities),
            commands=commands,
            readings=readings,
            address_moves=AddressMoves(devices, commands, readings, enrolment.moves, now),
            picture_names=PictureNames(devices, capabilities, commands, readings, jobs, audit),
            pan_tilt=PanTilt(commands),
            relays=Relays(
                store,
                devices,
                audit,
                lambda: settings.current.devices.unsigned_networks,
                allow_loopback=has_demo,
            ),
            device_files=device_files,
            photos=photos,
            releases=releases,
            campaigns=campaigns,
            downloads=downloads,
            ingest=ingest,
            records=RecordLog(store, record_feed),
            thumbnails=thumbnails,
            histograms=Histograms(store, site, clock.likely_time),
            part_matching=PartMatching(store),
            person_photos=person_photos,
            people=people,
            people_sync=people_sync,
            camera_groups=camera_groups,
            holds=Holds(store, audit, clock, change_feed, now),
            saved_searches=SavedSearches(store, audit, now),
            reviews=Reviews(store, now),
            alarm_rules=alarm_rules,
            plate_lists=PlateLists(store, alarm_rules, audit, change_feed),
            alarms=alarms,
            alarm_watch=alarm_watch,
            erasures=Erasures(
                store,
                audit,
                traces,
                record_feed,
                change_feed,
                older_copies(data_dir, backups.list),
                imports,
                now,
                (reports.forget, thumbnails.forget),
            ),
            targets=targets,
            reports=reports,
            report_delivery=report_delivery,
            jobs=jobs,
            imports=imports,
            photo_searches=PhotoSearches(devices, commands, person_photos, jobs, site, audit),
            many_devices=ManyDevices(store, devices, commands, jobs, audit, change_feed, now),
            trace=Trace(traces, devices, pending_devices, closing),
            retention=retention,
            maintenance=maintenance,
            figures=figures,
            backups=backups,
            forecasts=forecasts,
            updates=updates,
            health=health,
            lost_pictures=LostPictures(store, audit, change_feed),
            health_checks=HealthChecks(
                lambda: Surroundings(
                    data_dir,
                    settings.current,
                    now,
                    os.getpid(),
                    site.zone_name(),
                    clock.is_doubted,
                    backups.last_failure,
                    clock.likely_time,
                ),
                change_feed,
                now,
            ),
        )


async def _run_parts(
    services: Services,
    serve_web: ServeWeb,
    announce: Announce,
    demo_cameras: Part | None,
    manager: ServiceManager | None,
    begin_end: BeginEnd,
) -> None:
    closing = services.closing
    await services.certificates.load()
    async with trio.open_nursery() as background:
        await background.start(watch_for_end, closing, begin_end)
        start = partial(start_part, background, closing, has_patience=True)
        await start("saving the device status", services.devices.run)
        await start("watching the clock", services.clock.run)
        await start("watching the cameras' connections", services.availability.run)
        await start("the certificate renewal", services.certificates.run)
        await start("the store maintenance", services.maintenance.run)
        await start("the forecast", services.forecasts.run)
        await start("the held evidence", services.holds.run)
        await start("the alarm rules", services.alarm_rules.run)
        await start("watching for alarms", services.alarm_watch.run)
        await start("erasing", services.erasures.run)
        await start("the reports", services.reports.run)
        await start("the morning reports", services.report_delivery.run)
        await start("forwarding the records", services.targets.run)
        await start("the jobs", services.jobs.run)
        await start("the settings of many cameras", services.many_devices.run)
        await start("telling cameras of their releases", services.firmware_prompts.run)
        await start("asking cameras what they are", services.inquiries.run)
        await start("the register of people", services.people.run)
        await start("the people on the cameras", services.people_sync.run)
        await start("saving the downloads", services.downloads.run)
        await start("the updates", services.updates.run)
        await start("the nightly backup", services.backups.run)
        await start("the health check", services.health.run)
        await start("the check of everything", services.health_checks.run)
        await start("releasing memory", release_regularly)
        await start("reloading the settings", partial(reload_on_signal, services))
        if manager is not None:
            await start("the service manager's watchdog", manager.watch)
        async with trio.open_nursery() as ports:
            await ports.start(watch_for_end, closing, begin_end)
            start = partial(start_part, ports, closing)
            await start("the device port", partial(serve_devices, services, shutdown=closing))
            await start("the web port", partial(serve_web, services, shutdown=closing))
            async with trio.open_nursery() as clients:
                await clients.start(watch_for_end, closing, begin_end)
                start = partial(start_part, clients, closing)
                for port in udp_ports_of(services.config):
                    await start("the time for cameras", partial(_serve_time, services, port))
                # Here, because it stops the cameras while they are still connected.
                await start("stopping moved cameras", services.pan_tilt.run)
                await start("the control channel", partial(serve_control, services))
                if demo_cameras is not None:
                    await start("the simulated cameras", partial(demo_cameras, services))
                await announce(services)
                # Last: /healthz must not answer 200 before the announcement is complete.
                services.health.mark_serving()
                if manager is not None:
                    manager.ready()
                await closing.wait()
                if manager is not None:
                    manager.stopping()
                clients.cancel_scope.cancel()
            ports.cancel_scope.deadline = trio.current_time() + _CLOSE_PORTS_SECONDS
        background.cancel_scope.cancel()


async def _serve_time(
    services: Services,
    port: ListeningPort,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    sockets = await open_udp_sockets(port.bind, port.port, setting=port.setting)
    await serve_sntp(
        sockets, services.now, lambda: not services.clock.is_doubted, task_status=task_status
    )


def _warn_if_clock_was_never_set(seconds: float) -> None:
    if seconds < EARLIEST_PLAUSIBLE:
        log.warning(
            "this computer's clock shows %s: set it, or cameras are refused and records get wrong "
            "dates",
            time.strftime("%Y-%m-%d", time.gmtime(seconds)),
        )
