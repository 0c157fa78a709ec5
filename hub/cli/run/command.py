"""`sitehub run`: the hub in the foreground."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from hub.errors import hub_error_in, os_error_in

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

    from hub.config import Config
    from hub.config_sources import Loaded
    from hub.process.bounded_end import BoundedEnd
    from hub.process.launcher import StartedAs
    from hub.process.parts import Part, ServiceManager

_DEMO_CAMERAS = 6
#: What the file of a data directory that a demo creates sets: its own cameras may connect without
#: a signature, as cameras of edition 3 do (D12), and nobody from another host. Alarms are as the
#: set-up page proposes.
_DEMO_SETTINGS = {
    "devices.unsigned": "ask",
    "devices.unsigned_networks": "127.0.0.0/8",
    "alarms.raised_by": "usual",
}


@click.command()
@click.option(
    "--data",
    "data_dir",
    envvar="SITEHUB_DATA",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data directory, created if missing [default: the user's; also SITEHUB_DATA].",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this configuration file instead of sitehub.toml in the data directory.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Set one setting for this run, overriding file and environment. Repeatable.",
)
@click.option(
    "--demo",
    "demo",
    is_flag=False,
    flag_value=_DEMO_CAMERAS,
    type=click.IntRange(1, 200),
    metavar="[N]",
    help=f"Run N simulated cameras [default: {_DEMO_CAMERAS}] and, unless --data is given, use a "
    "separate data directory.",
)
@click.option(
    "--open",
    "in_browser",
    is_flag=True,
    help="Open the dashboard, or the link of the first run, in the browser.",
)
def run(
    data_dir: Path | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    demo: int | None,
    in_browser: bool,
) -> int:
    """Run the hub until Ctrl-C or SIGTERM.

    The first run creates everything it needs, and prints the address of the dashboard and a link
    to create the first administrator.
    """
    from hub.service_manager.linux.notify import systemd_from

    options = RunOptions(data_dir, config_file, overrides, demo, in_browser)
    return run_or_launch(
        options, lambda: systemd_from(os.environ), is_managed="NOTIFY_SOCKET" in os.environ
    )


class RunOptions(NamedTuple):
    """The options of `sitehub run`."""

    data_dir: Path | None
    config_file: Path | None = None
    overrides: tuple[str, ...] = ()
    #: The number of simulated cameras.
    demo: int | None = None
    in_browser: bool = False
    #: What the launcher of an update started this process as.
    started_as: StartedAs = ""

    def directory(self) -> Path:
        """Return the data directory: the given one, or the default of this user."""
        from hub.process import data_directory

        name = "sitehub-demo" if self.demo else "sitehub"
        return self.data_dir or data_directory.default_path(name)


def run_or_launch(
    options: RunOptions, find_manager: Callable[[], ServiceManager | None], *, is_managed: bool
) -> int:
    """Run the hub, or the newer program that an update installed; return the exit status.

    `is_managed`: a service manager starts this process again if it ends with a failure.
    """
    from hub.cli.run import windows_console
    from hub.process import data_directory, launcher
    from hub.update.running import RESTART_STATUS

    # First, because the owner that this process becomes has another default.
    directory = options.directory()
    data_directory.act_for_owner(directory)
    options = options._replace(data_dir=directory, started_as=launcher.take_mark())
    if not options.started_as:
        status = launcher.launch(directory, sys.argv[1:], is_managed=is_managed)
        if status is not None:
            return status
    windows_console.stop_with_window()
    if not run_for(find_manager(), options):
        return 0
    if options.started_as or is_managed:
        return RESTART_STATUS
    return launcher.restart(sys.argv[1:], directory)


def run_for(
    manager: ServiceManager | None,
    options: RunOptions,
    before_forced_exit: Callable[[], object] = lambda: None,
) -> bool:
    """Run the hub, for the service manager `manager` if it is not None.

    Returns whether it stopped in order to be started again. If its end hangs, calls
    `before_forced_exit` and exits the process.
    """
    from hub.process.bounded_end import BoundedEnd

    end = BoundedEnd()
    end.before_exit(before_forced_exit)
    # Nearly all that is built here is permanent: collecting garbage would take a tenth of the time.
    gc.disable()
    try:
        return _run(manager, options, end)
    finally:
        end.stand_down()
        gc.enable()


def _run(manager: ServiceManager | None, options: RunOptions, end: BoundedEnd) -> bool:
    from hub import config_sources, log
    from hub.process import data_directory, executable
    from hub.store.backup.restore import complete_restore

    executable.maintain_unpacked_folder()
    directory = options.directory()
    sources = config_sources.Sources(
        directory.absolute(), dict(os.environ), options.config_file, options.overrides
    )
    if not os.path.lexists(directory):
        # A first run that cannot start must not create anything.
        _check_ports(sources.load().config)
    data_directory.prepare(directory)
    data_directory.refuse_network(directory)
    loaded = sources.load()
    with data_directory.held_as_hub(directory):
        if complete_restore(directory):
            loaded = sources.load()
        aside = _set_unreleased_aside(directory) if options.demo else ""
        config_sources.write_default(directory, _DEMO_SETTINGS if options.demo else None)
        if options.demo:
            loaded = sources.load()
        stop_log = log.start(loaded.config.log, directory / data_directory.LOGS, sys.stderr)
        end.before_exit(stop_log)
        if aside:
            _tell_of_set_aside(directory / aside)
        try:
            is_restart = _run_hub(loaded, directory.absolute(), manager, options, end)
            if not is_restart:
                end.completed()
        finally:
            end.begin()
            all_written = stop_log()
    if not all_written and not is_restart:
        # The console is blocked: a normal exit would wait for it indefinitely.
        sys.stdout.flush()
        os._exit(0)
    return is_restart


def _set_unreleased_aside(directory: Path) -> str:
    """Set aside data from before the first release; return the name of its folder, or ""."""
    from hub.store.backup.restore import move_aside
    from hub.store.names import DATABASE
    from hub.store.sqlite.migrate import UnreleasedSchema, migrations, refuse_unknown

    try:
        refuse_unknown(directory / DATABASE, migrations())
    except UnreleasedSchema:
        return move_aside(directory, "release")
    return ""


def _tell_of_set_aside(folder: Path) -> None:
    import logging

    logging.getLogger(__name__).warning(
        "the demo begins anew: its data was of a version from before the first release, "
        "and is in %s now",
        folder,
    )


def _check_ports(wanted: Config) -> None:
    import trio

    from hub.net.binding import check_ports

    trio.run(check_ports, wanted)


def _run_hub(
    loaded: Loaded,
    directory: Path,
    manager: ServiceManager | None,
    options: RunOptions,
    end: BoundedEnd,
) -> bool:
    import logging

    import trio

    from hub.app import run_hub
    from hub.cli.run import browser
    from hub.cli.run.summary import announce
    from hub.process.launcher import confirm_trial
    from hub.process.memory import collect_garbage_seldom
    from hub.services import Services
    from web.http.bodies import Bodies
    from web.server import serve

    # All three are called in a thread, and import what only they need.
    def make_app(services: Services, bodies: Bodies) -> ASGIFramework:
        from web.api.devices.commands import commands_api
        from web.app import create_app

        app = commands_api(services, bodies, create_app(services, bodies))
        collect_garbage_seldom()
        return app

    def render_report(*of: Any) -> tuple[str, bytes]:
        from web.pages.reports.files import render_report as render

        return render(*of)

    def write_mail(*of: Any) -> tuple[str, str]:
        from web.pages.shown.alarm_mail import write_mail as write

        return write(*of)

    async def ready(services: Services) -> None:
        address = await announce(services, simulated=options.demo)
        # A hub on trial is one that runs on: its page is open already.
        if options.in_browser and options.started_as != "trial":
            browser.show(address)
        collect_garbage_seldom()

    demo_cameras: Part | None = None
    if options.demo is not None:
        from hub.cli.run.demo import run_demo_cameras

        demo_cameras = partial(run_demo_cameras, options.demo)
    confirm = partial(confirm_trial, directory) if options.started_as == "trial" else None
    try:
        return trio.run(
            partial(
                run_hub,
                loaded,
                directory,
                serve_web=partial(serve, make_app),
                announce=ready,
                demo_cameras=demo_cameras,
                manager=manager,
                begin_end=end.begin,
                confirm_trial=confirm,
                render_report=render_report,
                write_mail=write_mail,
            )
        )
    except Exception as error:
        if hub_error_in(error) is None and os_error_in(error) is None:
            logging.getLogger(__name__).critical("the hub failed", exc_info=error)
        raise
