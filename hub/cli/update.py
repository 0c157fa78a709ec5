"""`sitehub update`: install a new version, and see how the last updates ended."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from hub import __version__
from hub.cli.options import data_option
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.process.control.request import ControlRequest
    from hub.services.updates.check import Offer
    from hub.update.programs import Outcome, Programs

_POLL_SECONDS = 0.5
#: Beyond the time of a trial: the hub stops, and the service manager starts it again.
_RESTART_SECONDS = 60.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--unsigned",
    is_flag=True,
    help="Accept a file that is not signed with the key that this sitehub was built with.",
)
@click.option("--undo", is_flag=True, help="Go back to the version before the last update.")
@click.option("--status", "show_status", is_flag=True, help="Show how the last updates ended.")
@data_option()
def update(file: Path | None, unsigned: bool, undo: bool, show_status: bool, data_dir: Path) -> int:
    """Install a newer version of sitehub from FILE.

    The file is checked and tried on a copy of the settings first. A running hub then restarts
    with the new version. If that does not work within a minute, the present version comes back
    with its data as they are now. If no hub runs, the same happens at its next start.
    """
    if (file is not None, undo, show_status).count(True) != 1:
        raise click.UsageError("give the FILE of an update, --undo or --status")
    if file is not None:
        return _update(file, data_dir, unsigned)
    return _undo(data_dir) if undo else _show_status(data_dir)


def _update(file: Path, data_dir: Path, unsigned: bool) -> int:
    from hub.cli.outside_files import open_source
    from hub.process import data_directory
    from hub.process.control.updates import InstallUpdate
    from hub.services.updates.updates import refuse_obstacle
    from hub.update.programs import Programs
    from hub.update.running import find_obstacle

    refuse_obstacle(find_obstacle())
    with open_source(data_dir, file) as opened:
        # Only after the file was opened, which the account of the hub may not be able to read.
        data_directory.act_for_owner(data_dir)
        data_directory.prepare(data_dir)
        programs = Programs(data_dir)
        offer = _check(opened, data_dir, programs, unsigned)
    click.echo(f"Version {offer.version} was checked: it works with the settings of this hub.")
    try:
        return _restart(data_dir, offer.version, InstallUpdate(offer))
    except BaseException:
        (programs.folder / offer.incoming).unlink(missing_ok=True)
        raise


def _undo(data_dir: Path) -> int:
    from hub.process import data_directory
    from hub.process.control.updates import GoBack
    from hub.update.programs import Programs, way_back

    data_directory.act_for_owner(data_dir)
    data_directory.prepare(data_dir)
    return _restart(data_dir, way_back(Programs(data_dir).load()), GoBack())


def _restart(data_dir: Path, version: str, request: ControlRequest[Any]) -> int:
    """Make a request after which `version` is tried, and wait for the outcome."""
    from hub.cli.requests import execute
    from hub.process.launcher import prepare_trial
    from hub.update.programs import Programs

    is_running = _hub_is_running(data_dir)
    execute(data_dir, request)
    if not is_running:
        prepare_trial(data_dir)
        click.echo(f"No hub is running. Version {version} is tried when the hub is started.")
        return 0
    click.echo(f"The hub restarts with version {version} now. This takes up to two minutes.")
    return _report(_wait_for_outcome(Programs(data_dir), data_dir))


def _check(opened: BinaryIO, data_dir: Path, programs: Programs, unsigned: bool) -> Offer:
    from hub.services.updates.check import UpdateCheck
    from hub.update.update_file import built_in_key

    key = built_in_key()
    current = programs.load().current or __version__
    check = UpdateCheck(data_dir, current, key)
    return check.check(opened, allow_unsigned=unsigned or key is None)


def _hub_is_running(data_dir: Path) -> bool:
    from hub.process import data_directory

    try:
        with data_directory.held(data_dir, "command"):
            return False
    except data_directory.DirectoryInUse as error:
        return error.is_held_by_hub


def _wait_for_outcome(programs: Programs, data_dir: Path) -> Outcome:
    from hub.process.launcher import trial_seconds

    deadline = time.monotonic() + trial_seconds(data_dir) + _RESTART_SECONDS
    while time.monotonic() < deadline:
        state = programs.load()
        if state.candidate is None and state.history:
            return state.history[-1]
        time.sleep(_POLL_SECONDS)
    raise StartFault("the hub has not restarted yet; see: sitehub update --status")


def _report(outcome: Outcome) -> int:
    if outcome.result == "undone":
        raise StartFault(
            f"version {outcome.version} was undone: {outcome.reason}; the version before runs, and "
            "nothing is lost. Send this line to whoever gave you the file"
        )
    click.echo(f"The hub runs version {outcome.version}.")
    return 0


def _show_status(data_dir: Path) -> int:
    from hub.cli.output import print_line
    from hub.process import data_directory
    from hub.update.programs import Programs

    data_directory.act_for_owner(data_dir)
    state = Programs(data_dir).load()
    print_line(f"Version    {state.current or __version__}")
    if state.candidate is not None:
        print_line(f"To try     {state.candidate.version}, at the next start")
    for outcome in reversed(state.history):
        moment = datetime.fromtimestamp(outcome.at / 1000, UTC)
        end = outcome.result + (f": {outcome.reason}" if outcome.reason else "")
        print_line(f"{moment:%Y-%m-%d %H:%M} UTC  {outcome.before} to {outcome.version}  {end}")
    return 0


@click.command(hidden=True)
@data_option()
def selftest(data_dir: Path) -> None:
    """Open a copy of a data directory, as an update does to check a new version."""
    import os

    import trio

    from hub import config_sources
    from hub.app import open_hub
    from hub.process import data_directory
    from web.app import create_app

    data_directory.act_for_owner(data_dir)

    async def open_everything() -> None:
        loaded = config_sources.Sources(data_dir, os.environ).load()
        async with open_hub(loaded, data_dir, closing=trio.Event()) as services:
            create_app(services)

    trio.run(open_everything)
    click.echo("ok")
