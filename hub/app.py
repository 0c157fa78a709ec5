"""The composition root: every part of a running hub is a named line here.

Lifetimes are indentation: the store ⊃ live values and services ⊃ what runs in the background ⊃
the ports. A signal ends them from the inside out: the ports take nothing more and finish what is
in work, links are closed, the background saves what it holds, the store is closed.
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from hub.config import Config
from hub.errors import PartFailed, StartFault, hub_error_in
from hub.link.listener import serve_devices
from hub.live.feed import Change, Feed
from hub.live.frame_trace import FrameTraces
from hub.live.pending_devices import PendingDevices
from hub.live.registry import Registry
from hub.net.binding import check_ports
from hub.process.control.channel import remove_channel_file, serve_control
from hub.process.memory import release_regularly
from hub.process.signals import STOP_SIGNALS
from hub.services import Services
from hub.services.access.api_keys import ApiKeys
from hub.services.access.audit import Audit
from hub.services.access.passwords import Passwords
from hub.services.access.sessions import Sessions
from hub.services.access.setup_links import SetupLinks
from hub.services.access.sign_in import SignIn
from hub.services.access.users import Users
from hub.services.admission.authentication import Authentication
from hub.services.admission.connect import Admission
from hub.services.admission.enrolment import Enrolment
from hub.services.commands.calls import Commands
from hub.services.commands.files import DeviceFiles
from hub.services.commands.photos import Photos
from hub.services.devices.directory import Devices
from hub.services.devices.frame_trace import Trace
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.downloads import Downloads
from hub.services.firmware.releases import Releases
from hub.services.records.ingest import Ingest
from hub.services.records.record_log import RecordLog, record_weight
from hub.services.site.certificate_authority import EARLIEST_PLAUSIBLE
from hub.services.site.certificates import Certificates
from hub.services.site.disk_space import DiskSpace
from hub.services.site.health import Health
from hub.services.site.maintenance import Maintenance
from hub.services.site.site import Site
from hub.store.opening import open_store
from hub.wire.redaction import redact_frame
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

#: A part runs until it is cancelled or told to end, and says when it is ready.
Part = Callable[..., Awaitable[None]]
#: Called once everything serves.
Announce = Callable[[Services], Awaitable[None]]

#: The ports get this long to finish what is in work; the whole end has 10 s.
_PORTS_SECONDS = 7.0
#: One Ctrl-C reaches a one-file executable twice: from the terminal, and handed on by its outer
#: process. So does a SIGTERM to all processes of a service.
_ECHO_SECONDS = 0.3


class ServeWeb(Protocol):
    """The web server, which this package knows by its shape alone."""

    async def __call__(
        self,
        services: Services,
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None: ...


class ServiceManager(Protocol):
    """What started the hub as a service of the system, and hears how it goes."""

    def ready(self) -> None: ...

    def stopping(self) -> None: ...

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs along, so that a hub that is stuck is noticed."""


async def run_hub(
    config: Config,
    data_dir: Path,
    *,
    serve_web: ServeWeb,
    announce: Announce,
    visitors: Part | None = None,
    manager: ServiceManager | None = None,
    now: Callable[[], float] = time.time,
) -> None:
    """Run the hub until SIGINT or SIGTERM; a second signal hurries it.

    The caller holds the data directory. `visitors`, the cameras of the demo, come once the ports
    are open; the `manager` hears how it goes. Raises StartFault, perhaps in a group, where the hub
    cannot start or go on.
    """
    _raise_limit_of_open_files()
    _warn_of_a_clock_never_set(now())
    # Before the store is opened: it may be an older version's, which could not go back to it.
    await check_ports(config)
    remove_channel_file(data_dir)
    closing = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, closing, nursery.cancel_scope)
        async with open_services(config, data_dir, closing=closing, now=now) as services:
            await _run_parts(services, serve_web, announce, visitors, manager)
        nursery.cancel_scope.cancel()
    log.info("the hub has ended")


@asynccontextmanager
async def open_services(
    config: Config, data_dir: Path, *, closing: trio.Event, now: Callable[[], float] = time.time
) -> AsyncIterator[Services]:
    """The store and everything that stands on it, without the ports."""
    record_feed: Feed[Record] = Feed(record_weight)
    change_feed: Feed[Change] = Feed()
    async with open_store(data_dir, now=now, on_records=record_feed.publish) as store:
        registry = Registry(now)
        room = PendingDevices(config.devices.max_waiting, change_feed, now)
        traces = FrameTraces(
            now,
            redact_frame,
            is_listed=lambda sn: room.has_row(sn) or store.devices.by_sn(sn) is not None,
            # The pending devices, and as many enrolled ones that are refused.
            max_pending=2 * config.devices.max_waiting,
        )
        room_on_disk = DiskSpace(config.store.min_free_gb, lambda: shutil.disk_usage(data_dir).free)
        site = Site(store.settings, config, change_feed)
        certificates = Certificates(data_dir, config.tls, now=now)
        audit = Audit(store, now)
        passwords = Passwords()
        sign_in = SignIn(store, passwords, now)
        sessions = Sessions(store, sign_in, audit, now)
        users = Users(store, passwords, sign_in, sessions, audit, now)
        setup_links = SetupLinks(store, site, passwords, users, sessions, audit, now)
        api_keys = ApiKeys(store, audit, clock_skew=config.devices.clock_skew, now=now)
        devices = Devices(store, registry, room, traces, record_feed, change_feed, now)
        enrolment = Enrolment(store, devices, room, config.devices)
        authentication = Authentication(store, registry, config.devices, now)
        admission = Admission(
            store,
            registry,
            room,
            devices,
            enrolment,
            authentication.tokens,
            change_feed,
            config.devices,
            now,
        )
        releases = Releases(store, site, room_on_disk, change_feed, now)
        campaigns = Campaigns(store, releases, devices, change_feed, now)
        downloads = Downloads(store, devices, campaigns, now)
        commands = Commands(store, registry, devices, change_feed, now)
        maintenance = Maintenance(store, config.store, room_on_disk, now=now, zone=site.zone)
        yield Services(
            config=config,
            data_dir=data_dir,
            now=now,
            closing=closing,
            record_feed=record_feed,
            change_feed=change_feed,
            traces=traces,
            site=site,
            certificates=certificates,
            audit=audit,
            sessions=sessions,
            users=users,
            setup_links=setup_links,
            api_keys=api_keys,
            devices=devices,
            enrolment=enrolment,
            authentication=authentication,
            admission=admission,
            commands=commands,
            device_files=DeviceFiles(store, commands, now),
            photos=Photos(),
            releases=releases,
            campaigns=campaigns,
            downloads=downloads,
            ingest=Ingest(store, devices, site, campaigns, downloads, config.devices, now),
            records=RecordLog(store, record_feed),
            trace=Trace(traces, devices, room, closing),
            maintenance=maintenance,
            health=Health(store, certificates, maintenance, change_feed, now=now),
        )


async def _run_parts(
    services: Services,
    serve_web: ServeWeb,
    announce: Announce,
    visitors: Part | None,
    manager: ServiceManager | None,
) -> None:
    closing = services.closing
    await services.certificates.load()
    async with trio.open_nursery() as background:
        start = partial(_start, background, closing)
        await start("device status", services.devices.run)
        await start("the renewal of certificates", services.certificates.run)
        await start("the maintenance of the store", services.maintenance.run)
        await start("the care for firmware", services.releases.run)
        await start("the saving of what is downloaded", services.downloads.run)
        await start("the watch over the hub's health", services.health.run)
        await start("the giving back of memory", release_regularly)
        if manager is not None:
            await start("the word to the service manager", manager.watch)
        async with trio.open_nursery() as ports:
            start = partial(_start, ports, closing)
            await start("the device port", partial(serve_devices, services, shutdown=closing))
            await start("the web port", partial(serve_web, services, shutdown=closing))
            async with trio.open_nursery() as guests:
                start = partial(_start, guests, closing)
                await start("the channel for commands", partial(serve_control, services))
                if visitors is not None:
                    await start("the simulated cameras", partial(visitors, services))
                await announce(services)
                # Whoever waits for /healthz finds what was announced, too.
                services.health.mark_serving()
                if manager is not None:
                    manager.ready()
                await closing.wait()
                if manager is not None:
                    manager.stopping()
                guests.cancel_scope.cancel()
            ports.cancel_scope.deadline = trio.current_time() + _PORTS_SECONDS
        background.cancel_scope.cancel()


async def _start(nursery: trio.Nursery, closing: trio.Event, name: str, part: Part) -> None:
    await nursery.start(_run_part, name, part, closing)


async def _run_part(
    name: str, part: Part, closing: trio.Event, *, task_status: trio.TaskStatus[None]
) -> None:
    """A part that fails, or ends before it was told to, ends the hub with one clear line."""
    try:
        await part(task_status=task_status)
    except Exception as error:
        if isinstance(fault := hub_error_in(error), StartFault):
            raise fault from None
        log.critical("%s failed", name, exc_info=error)
        raise PartFailed(f"{name} failed ({type(error).__name__}: {error}); see the log") from error
    if not closing.is_set():
        raise PartFailed(f"{name} ended by itself; see the log")


async def _watch_signals(
    closing: trio.Event,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
        task_status.started()
        first_at = -math.inf
        async for number in signals:
            name = signal.Signals(number).name
            if not closing.is_set():
                log.info("%s: the hub ends", name)
                first_at = trio.current_time()
                closing.set()
            elif trio.current_time() > first_at + _ECHO_SECONDS:
                log.warning("%s again: the hub ends at once", name)
                everything.cancel()
                return


def _warn_of_a_clock_never_set(seconds: float) -> None:
    if seconds < EARLIEST_PLAUSIBLE:
        log.warning(
            "this computer's clock says %s: set it, or cameras are refused and records misdated",
            time.strftime("%Y-%m-%d", time.gmtime(seconds)),
        )


if sys.platform == "win32":

    def _raise_limit_of_open_files() -> None:
        """Sockets are not counted as files here."""
else:
    import resource

    def _raise_limit_of_open_files() -> None:
        """Thousands of connections are files; the soft limit is often 1,024."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warning("the limit of open files stays at %d: %s", soft, error)
