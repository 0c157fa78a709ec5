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
    from hub.cli.requests import call_api

    click.echo(call_api(data_dir, "POST", "groups", body={"name": name, "dids": dids})["id"])


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_groups(data_dir: Path, as_json: bool) -> None:
    """List the groups by name."""
    from hub.cli.output import print_list
    from hub.cli.requests import call_api

    found = call_api(data_dir, "GET", "groups")["items"]
    print_list(
        found,
        ("GROUP", "NAME", "CAMERAS"),
        lambda one: (str(one["id"]), one["name"], " ".join(one["dids"])),
        as_json=as_json,
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
    body: dict[str, object] = {} if name is None else {"name": name}
    if dids or no_devices:
        body["dids"] = dids
    _call(data_dir, "PUT", group, body)


@group.command("remove")
@click.argument("group")
@data_option()
def remove(data_dir: Path, group: str) -> None:
    """Remove GROUP (an id or a name). Its cameras and its people stay."""
    _call(data_dir, "DELETE", group)


def _call(data_dir: Path, method: str, group: str, body: object = None) -> None:
    from hub.cli.requests import call_api, find_item

    groups = call_api(data_dir, "GET", "groups")["items"]
    found = find_item(groups, group, "group", "name", "id")
    call_api(data_dir, method, "groups", found["id"], body=body)
