"""`sitehub run`: the hub in the foreground."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.errors import hub_error_in

if TYPE_CHECKING:
    from hub.app import Part, ServiceManager
    from hub.config import Config

_DEMO_CAMERAS = 6


@click.command()
@click.option(
    "--data",
    "data_dir",
    envvar="SITEHUB_DATA",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data directory, made if it is not there [default: the user's own; "
    "also SITEHUB_DATA].",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A configuration other than sitehub.toml in the data directory.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="One setting for this run, over file and environment. Can be given again.",
)
@click.option(
    "--demo",
    "demo",
    is_flag=False,
    flag_value=_DEMO_CAMERAS,
    type=click.IntRange(1, 200),
    metavar="[N]",
    help=f"Look around: N simulated cameras [default: {_DEMO_CAMERAS}] and, unless --data is "
    "given, a data directory of its own.",
)
@click.option(
    "--open",
    "in_browser",
    is_flag=True,
    help="Open the dashboard in the browser once the hub serves, or the link of the first run.",
)
def run(
    data_dir: Path | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    demo: int | None,
    in_browser: bool,
) -> None:
    """Run the hub until Ctrl-C or SIGTERM.

    The first run makes everything that is needed, and prints where the dashboard is and the link
    by which the first administrator is made.
    """
    from hub.cli.run import windows_console
    from hub.service_manager.linux.notify import systemd_from

    windows_console.end_with_window()
    run_for(systemd_from(os.environ), data_dir, config_file, overrides, demo, in_browser)


def run_for(
    manager: ServiceManager | None,
    data_dir: Path | None,
    config_file: Path | None = None,
    overrides: tuple[str, ...] = (),
    demo: int | None = None,
    in_browser: bool = False,
) -> None:
    """Run the hub as `manager` has it run, or for whoever gave the command."""
    # Nothing that a start builds is to be collected: the passes over it would be its tenth part.
    gc.disable()
    try:
        _run_in(manager, data_dir, config_file, overrides, demo, in_browser)
    finally:
        gc.enable()


def _run_in(
    manager: ServiceManager | None,
    data_dir: Path | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    demo: int | None,
    in_browser: bool,
) -> None:
    from hub import config, log
    from hub.process import data_directory, executable

    executable.maintain_unpacked_folder()
    directory = data_dir or data_directory.default_path("sitehub-demo" if demo else "sitehub")
    data_directory.act_for_owner(directory)
    load = partial(
        config.load, directory, file=config_file, environment=os.environ, overrides=overrides
    )
    if not os.path.lexists(directory):
        # Where a first run cannot start, it leaves nothing behind.
        _check(load())
    data_directory.prepare(directory)
    loaded = load()
    with data_directory.held_as_hub(directory):
        config.write_default(directory)
        stop_log = log.start(loaded.log, directory / data_directory.LOGS, sys.stderr)
        try:
            _run(loaded, directory.absolute(), manager, demo, in_browser)
        finally:
            all_written = stop_log()
    if not all_written:
        # Somebody holds the console: waiting for it at the end would be waiting for ever.
        sys.stdout.flush()
        os._exit(0)


def _check(loaded: Config) -> None:
    import trio

    from hub.net.binding import check_ports

    trio.run(check_ports, loaded)


def _run(
    loaded: Config,
    directory: Path,
    manager: ServiceManager | None,
    demo: int | None,
    in_browser: bool,
) -> None:
    import logging

    import trio

    from hub.app import run_hub
    from hub.cli.run import browser
    from hub.cli.run.summary import announce
    from hub.services import Services
    from web.app import create_app
    from web.server import serve

    async def serve_web(
        services: Services,
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        app = create_app(services)
        await serve(app, services, app.bodies, shutdown=shutdown, task_status=task_status)

    async def ready(services: Services) -> None:
        address = await announce(services, simulated=demo)
        if in_browser:
            browser.show(address)
        _spare_garbage_collection()

    visitors: Part | None = None
    if demo is not None:
        from hub.cli.run.demo import run_demo_cameras

        visitors = partial(run_demo_cameras, demo)
    try:
        trio.run(
            partial(
                run_hub,
                loaded,
                directory,
                serve_web=serve_web,
                announce=ready,
                visitors=visitors,
                manager=manager,
            )
        )
    except Exception as error:
        if hub_error_in(error) is None:
            logging.getLogger(__name__).critical("the hub failed", exc_info=error)
        raise


def _spare_garbage_collection() -> None:
    """What was built at the start lives for ever, and nothing per frame or body makes cycles.

    A full pass over all of it would hold up every device for some 40 ms, again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
