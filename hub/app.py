"""The composition root: every part of a running hub is a named line here.

Indentation shows lifetimes: the store contains the services, which contain the background tasks,
which contain the ports. A signal ends them from the inside out: the ports accept nothing new,
finish the requests in progress and close the links; the background tasks save what they hold; the
store is closed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from hub.config import udp_ports_of
from hub.config_sources import Loaded
from hub.link.listener import serve_devices
from hub.log import set_level
from hub.net.binding import check_ports, open_udp_sockets
from hub.net.open_files import require_open_files
from hub.net.sntp import serve_sntp
from hub.outside import Outside
from hub.process.control.channel import remove_channel_file, serve_control
from hub.process.control.request import AnswerApi
from hub.process.memory import release_regularly, share_one_heap
from hub.process.parts import BeginEnd, Part, ServiceManager, start_part, watch_for_end
from hub.process.signals import reload_on_signal, watch_stop_signals
from hub.process.trial_run import try_out
from hub.services import Services
from hub.services.areas.hub import build_services
from hub.services.changes import open_changes
from hub.services.clock.plausibility import warn_if_never_set
from hub.services.core import make_core
from hub.services.feeds import make_feeds
from hub.services.forwarding.mail.options import WriteMail, write_nothing
from hub.services.reports.delivery import Render, render_nothing
from hub.store.opening import open_store

log = logging.getLogger(__name__)

#: Called when every port is open.
Announce = Callable[[Services], Awaitable[None]]

#: The ports have this long to finish requests in progress; stopping takes at most 10 s in total.
_CLOSE_PORTS_SECONDS = 7.0


class ServeWeb(Protocol):
    """The web server, which the caller passes in: this package does not import `web`.

    It reports started with what answers the command line's calls of the API.
    """

    async def __call__(
        self,
        services: Services,
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[AnswerApi] = trio.TASK_STATUS_IGNORED,
    ) -> None: ...


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
    render_report: Render = render_nothing,
    write_mail: WriteMail = write_nothing,
) -> bool:
    """Run the hub until SIGINT or SIGTERM; a second signal ends it at once.

    Returns whether it stopped by itself, to be started again for an update or a restore.
    `confirm_trial` is given if this is the trial of an update: it is called once the hub is known
    to work.

    The caller holds the lock of the data directory. `demo_cameras` start once the ports are open.
    `begin_end` is called when the hub begins to end, for whatever reason: the caller ends the
    process if that takes too long.
    Raises StartFault, or an exception group that contains one, if the hub cannot start or keep
    running.
    """
    outside = outside or Outside()
    share_one_heap()
    require_open_files()
    warn_if_never_set(outside.now())
    # First, since opening the store may migrate it, and older versions could not read it then.
    await check_ports(loaded.config)
    remove_channel_file(data_dir)
    closing = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(watch_stop_signals, closing, nursery.cancel_scope, begin_end)
        await nursery.start(watch_for_end, closing, begin_end)
        async with open_hub(
            loaded,
            data_dir,
            closing=closing,
            outside=outside,
            has_demo=demo_cameras is not None,
            render_report=render_report,
            write_mail=write_mail,
        ) as services:
            if confirm_trial is not None:
                await services.upkeep.updates.load()
                await try_out(
                    services,
                    serve_web=serve_web,
                    serve_devices=serve_devices,
                    known_faults=services.upkeep.updates.known_faults,
                )
                await trio.to_thread.run_sync(confirm_trial)
            await _run_parts(services, serve_web, announce, demo_cameras, manager, begin_end)
        nursery.cancel_scope.cancel()
    log.info("the hub has stopped")
    return services.upkeep.restart_is_due


@asynccontextmanager
async def open_hub(
    loaded: Loaded,
    data_dir: Path,
    *,
    closing: trio.Event,
    outside: Outside | None = None,
    has_demo: bool = False,
    render_report: Render = render_nothing,
    write_mail: WriteMail = write_nothing,
) -> AsyncIterator[Services]:
    """Open the store and build the services on it, without background tasks and ports.

    `outside`: the real world by default. `has_demo`: cameras may be on this computer.
    `render_report` makes the files of morning reports and `write_mail` the texts of mails, both of
    `web`.
    """
    outside = outside or Outside()
    feeds = make_feeds()
    async with (
        open_store(
            data_dir,
            now=outside.now,
            on_records=feeds.records.publish,
            on_alarms=feeds.alarms.publish,
            disk=outside.disk,
        ) as store,
        # Streams end when the hub stops, as they do when a session ends.
        open_changes(closing, store.access_changes.announce) as changes,
    ):
        core = make_core(loaded, data_dir, outside, store, feeds, closing)
        yield build_services(core, changes, render_report, write_mail, has_demo=has_demo)


async def _run_parts(
    services: Services,
    serve_web: ServeWeb,
    announce: Announce,
    demo_cameras: Part | None,
    manager: ServiceManager | None,
    begin_end: BeginEnd,
) -> None:
    closing = services.core.closing
    await services.upkeep.certificates.load()
    async with trio.open_nursery() as background:
        await background.start(watch_for_end, closing, begin_end)
        start = partial(start_part, background, closing, has_patience=True)
        for name, run in services.parts():
            await start(name, run)
        follow = services.core.settings.follow
        await start("the log level", partial(follow, lambda config: set_level(config.log.level)))
        await start("releasing memory", release_regularly)
        await start("reloading the settings", partial(reload_on_signal, services))
        if manager is not None:
            await start("the service manager's watchdog", manager.watch)
        async with trio.open_nursery() as ports:
            await ports.start(watch_for_end, closing, begin_end)
            start = partial(start_part, ports, closing)
            await start("the device port", partial(serve_devices, services, shutdown=closing))
            api: AnswerApi = await start(
                "the web port", partial(serve_web, services, shutdown=closing)
            )
            async with trio.open_nursery() as clients:
                await clients.start(watch_for_end, closing, begin_end)
                start = partial(start_part, clients, closing)
                clock = services.core.clock
                for port in udp_ports_of(services.config):
                    sockets = await open_udp_sockets(port.bind, port.port, setting=port.setting)
                    serve = partial(
                        serve_sntp, sockets, clock.likely_time, lambda: not clock.is_doubted
                    )
                    await start("the time for cameras", serve)
                # Here, because it stops the cameras while they are still connected.
                await start("stopping moved cameras", services.cameras.pan_tilt.run)
                await start("the control channel", partial(serve_control, services, api))
                if demo_cameras is not None:
                    await start("the simulated cameras", partial(demo_cameras, services))
                await announce(services)
                # Last: /healthz must not answer 200 before the announcement is complete.
                services.upkeep.health.mark_serving()
                if manager is not None:
                    manager.ready()
                await closing.wait()
                if manager is not None:
                    manager.stopping()
                clients.cancel_scope.cancel()
            ports.cancel_scope.deadline = trio.current_time() + _CLOSE_PORTS_SECONDS
        background.cancel_scope.cancel()
