"""`sitehub group`: groups of cameras that people are assigned to."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option

_DEVICES = click.option(
    "--device", "dids", metavar="DID", multiple=True, help="A camera; may be repeated."
)


@click.group()
def group() -> None:
    """Groups of cameras. A person is on all cameras, or on those of some groups."""


@group.command("add")
@click.argument("name")
@_DEVICES
@data_option()
def add(data_dir: Path, name: str, dids: tuple[str, ...]) -> None:
    """Add a group; print its id."""
    from hub.cli.requests import execute
    from hub.process.control.people import AddGroup

    click.echo(execute(data_dir, AddGroup(name, dids)))


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_groups(data_dir: Path, as_json: bool) -> None:
    """List the groups by name."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.people import ListGroups

    found = execute(data_dir, ListGroups())
    if as_json:
        print_json([{"id": one.id, "name": one.name, "dids": one.dids} for one in found])
    else:
        print_table(
            ("GROUP", "NAME", "CAMERAS"),
            [(str(one.id), one.name, " ".join(one.dids)) for one in found],
        )


@group.command("set")
@click.argument("group")
@click.option("--name", help="Its new name.")
@_DEVICES
@click.option("--no-devices", is_flag=True, help="Remove all cameras from the group.")
@data_option()
def set_(
    data_dir: Path, group: str, name: str | None, dids: tuple[str, ...], no_devices: bool
) -> None:
    """Rename GROUP (an id or a name), or give it other cameras."""
    if dids and no_devices:
        raise click.UsageError("give either --device or --no-devices")
    from msgspec import UNSET

    from hub.cli.requests import execute
    from hub.process.control.people import SetGroup

    given = dids if dids or no_devices else UNSET
    execute(data_dir, SetGroup(group, UNSET if name is None else name, given))


@group.command("remove")
@click.argument("group")
@data_option()
def remove(data_dir: Path, group: str) -> None:
    """Remove GROUP (an id or a name). Its cameras and its people stay."""
    from hub.cli.requests import execute
    from hub.process.control.people import RemoveGroup

    execute(data_dir, RemoveGroup(group))
