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

#: Exit statuses, as of `systemctl status`.
_RUNNING, _NOT_RUNNING, _NOT_INSTALLED = 0, 3, 4


def _check_data_directory(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> None:
    from hub.service_manager.system import system_service

    data = system_service().data
    if value not in (None, data):
        raise click.UsageError(f"the data of the service is in {data}; mount a larger disk there")


_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=_check_data_directory,
    expose_value=False,
    metavar="DIR",
    help="The data directory of the service, which cannot be changed.",
)


@click.group()
def service() -> None:
    """Run the hub as a service of this system.

    It starts at boot, before anyone signs in: under systemd on Linux, under the service manager on
    Windows. It runs as a user of its own, without other rights.
    """


@service.command()
@_data_option
def install() -> None:
    """Install and start the service, or replace an installed one with this version.

    The executable is copied to where programs are installed, so you can delete the original.
    """
    from hub.service_manager.system import system_service

    system = system_service()
    _refuse_without_rights("install")
    executable = _this_executable()
    _refuse_unknown_data(system)
    system.install(executable)
    for line in _installed(system):
        click.echo(line)


@service.command()
@_data_option
def uninstall() -> None:
    """Stop and remove the service. Its data stays."""
    from hub.service_manager.system import system_service

    system = system_service()
    _refuse_without_rights("uninstall")
    system.uninstall()
    click.echo("The service is no longer installed.")
    if system.data.exists():
        click.echo(f"Its data is still in {system.data}.")


@service.command()
@_data_option
def start() -> None:
    """Start the service, and wait until it is ready."""
    from hub.service_manager.system import system_service

    _refuse_without_rights("start")
    system_service().start()


@service.command()
@_data_option
def stop() -> None:
    """Stop the service until the next boot."""
    from hub.service_manager.system import system_service

    _refuse_without_rights("stop")
    system_service().stop()


@service.command()
@_data_option
def status() -> int:
    """Show the status. Exit status: 0 running, 3 not running, 4 not installed."""
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
    def run() -> int:
        """Run as a Windows service; only the service manager can call this."""
        from hub.cli.run import windows_console
        from hub.cli.run.windows_service import run_controlled
        from hub.service_manager.system import system_service
        from hub.service_manager.windows.advapi import Advapi

        windows_console.outlive_sessions()
        return run_controlled(Advapi(), system_service().data, signal.SIGBREAK)


def _installed(system: SystemService) -> Iterator[str]:
    if not system.runs_services_now():
        yield "The service is installed. It starts when this system is booted."
        return
    yield "The service runs, and starts with the system."
    yield f"  Program  {system.executable}"
    yield f"  Data     {system.data}"
    if link := _first_setup_link(system.data):
        yield "Open this link once, within a day, to make yourself administrator:"
        yield f"  {link}"


def _first_setup_link(data_dir: Path) -> str | None:
    from hub.process import data_directory
    from hub.process.control import client
    from hub.process.control.access import ListUsers, NewSetupLink

    with data_directory.acting_for_owner(data_dir):
        if not client.is_open(data_dir):
            return None
        if client.ask_running_hub(data_dir, ListUsers()):
            return None
        return client.ask_running_hub(data_dir, NewSetupLink())


def _refuse_without_rights(verb: str) -> None:
    from hub.service_manager.system import elevated_command, is_administrator

    if not is_administrator():
        command = elevated_command([sys.executable, *_module(), "service", verb])
        raise StartFault(f"this needs administrator rights. Run: {command}")


def _refuse_unknown_data(system: SystemService) -> None:
    """Refuse data of a version whose schema this one does not know."""
    from hub.process import data_directory
    from hub.store.names import DATABASE
    from hub.store.sqlite.migrate import migrations, refuse_unknown

    if system.has_data():
        with data_directory.acting_for_owner(system.data):
            refuse_unknown(system.data / DATABASE, migrations())


def _module() -> list[str]:
    return [] if _is_executable() else ["-m", "hub"]


def _this_executable() -> Path:
    if not _is_executable():
        raise StartFault(
            "the service needs the executable, which does not depend on a Python environment: "
            "python packaging/build.py builds it"
        )
    return Path(sys.executable)


def _is_executable() -> bool:
    return bool(getattr(sys, "frozen", False))
