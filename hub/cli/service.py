"""`sitehub service`: the hub as a service of this system."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.service_manager.system import SystemService

#: As `systemctl status` has it.
_RUNNING, _NOT_RUNNING, _NOT_INSTALLED = 0, 3, 4


def _only_where_it_is(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> None:
    from hub.service_manager.system import system_service

    data = system_service().data
    if value not in (None, data):
        raise click.UsageError(f"the data of the service is in {data}; mount a larger disk there")


_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=_only_where_it_is,
    expose_value=False,
    metavar="DIR",
    help="The one place where the service keeps its data, for scripts that give it always.",
)


@click.group()
def service() -> None:
    """Run the hub as a service of this system: from when it boots, whoever is signed in.

    On Linux systemd runs it, on Windows the service manager, as a user of its own that may do
    nothing else.
    """


@service.command()
@_data_option
def install() -> None:
    """Install the service and start it; or put this version in the place of an older one.

    The executable is copied to where programs are, so the file that you started may go.
    """
    from hub.service_manager.system import system_service

    system = system_service()
    _refuse_without_rights("install")
    executable = _this_executable()
    _refuse_newer_data(system)
    system.install(executable)
    for line in _installed(system):
        click.echo(line)


@service.command()
@_data_option
def uninstall() -> None:
    """Stop the service and remove it. Its data stays."""
    from hub.service_manager.system import system_service

    system = system_service()
    _refuse_without_rights("uninstall")
    system.uninstall()
    click.echo("The service is not installed any more.")
    if system.data.exists():
        click.echo(f"Its data is still in {system.data}.")


@service.command()
@_data_option
def start() -> None:
    """Start the service, and wait until it serves."""
    from hub.service_manager.system import system_service

    _refuse_without_rights("start")
    system_service().start()


@service.command()
@_data_option
def stop() -> None:
    """Stop the service; it starts again when the system does."""
    from hub.service_manager.system import system_service

    _refuse_without_rights("stop")
    system_service().stop()


@service.command()
@_data_option
def status() -> int:
    """Say how the service is: exit status 0 if it runs, 3 if not, 4 if it is not installed."""
    from hub.service_manager.system import system_service

    system = system_service()
    found = system.status()
    click.echo(f"The service is {found.state}.")
    if found.state == "not installed":
        return _NOT_INSTALLED
    click.echo(f"It {'starts' if found.at_boot else 'does not start'} with the system.")
    click.echo(f"  Program  {system.executable}")
    click.echo(f"  Data     {system.data}")
    return _RUNNING if found.state == "running" else _NOT_RUNNING


if sys.platform == "win32":

    @service.command(hidden=True)
    @_data_option
    def run() -> None:
        """What the service manager of Windows starts; it is of no use to a person."""
        from hub.cli.run import windows_console
        from hub.cli.run.windows_service import run_controlled
        from hub.service_manager.system import system_service
        from hub.service_manager.windows.advapi import Advapi

        windows_console.outlive_sessions()
        run_controlled(Advapi(), system_service().data, signal.SIGBREAK)


def _installed(system: SystemService) -> Iterator[str]:
    if not system.runs_services_now():
        yield "The service is installed. It starts when this system is booted."
        return
    yield "The service runs, and starts with the system."
    yield f"  Program  {system.executable}"
    yield f"  Data     {system.data}"
    if link := _link_for_the_first_administrator(system.data):
        yield "Open this link once, within a day, to make yourself administrator:"
        yield f"  {link}"


def _link_for_the_first_administrator(data_dir: Path) -> str | None:
    import trio

    from hub.process.control import channel
    from hub.process.control.access import ListUsers, NewSetupLink

    if not channel.is_open(data_dir) or trio.run(channel.ask_running_hub, data_dir, ListUsers()):
        return None
    return trio.run(channel.ask_running_hub, data_dir, NewSetupLink())


def _refuse_without_rights(verb: str) -> None:
    from hub.service_manager.system import elevated_command, is_administrator

    if not is_administrator():
        command = elevated_command([sys.executable, *_module(), "service", verb])
        raise StartFault(f"this needs an administrator's rights. Give this command: {command}")


def _refuse_newer_data(system: SystemService) -> None:
    """In the place of a newer version, this one would be started for ever, and never serve."""
    from hub.process import data_directory
    from hub.store.migrate import migrations, refuse_newer
    from hub.store.startup import DATABASE

    newest = max(migrations())
    if system.has_data():
        with data_directory.acting_for_owner(system.data):
            refuse_newer(system.data / DATABASE, newest)


def _module() -> list[str]:
    return [] if _is_executable() else ["-m", "hub"]


def _this_executable() -> Path:
    if not _is_executable():
        raise StartFault(
            "a service needs the executable, which stays as it is when a Python environment "
            "changes: python packaging/build.py makes it"
        )
    return Path(sys.executable)


def _is_executable() -> bool:
    return bool(getattr(sys, "frozen", False))
