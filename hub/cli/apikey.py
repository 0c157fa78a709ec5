"""`sitehub apikey`: the keys of programs that use the integrator API."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option


@click.group()
def apikey() -> None:
    """Keys for programs that use the integrator API."""


@apikey.command("add")
@click.argument("name")
@click.option("--read-only", is_flag=True, help="The key can only read.")
@click.option("--targets", is_flag=True, help="The key can also change where records are sent.")
@data_option()
def add(data_dir: Path, name: str, read_only: bool, targets: bool) -> None:
    """Create a key and print {"appid", "secret"}. The secret cannot be shown again."""
    from hub.cli.output import print_json
    from hub.cli.requests import execute
    from hub.process.control.access import AddApiKey

    print_json(execute(data_dir, AddApiKey(name, read_only, targets)))


@apikey.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the keys, without their secrets."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.access import ListApiKeys

    keys = execute(data_dir, ListApiKeys())
    print_list(
        keys,
        ("APPID", "NAME", "MAY", "SINCE", "LAST USED"),
        lambda k: (
            *(k.appid, k.name, "read" if k.read_only else "all" if k.targets else "change"),
            *(k.created_at, k.last_used_at or "never"),
        ),
        as_json=as_json,
    )


@apikey.command("remove")
@click.argument("appid")
@data_option()
def remove(data_dir: Path, appid: str) -> None:
    """Remove a key. It stops working at once."""
    from hub.cli.requests import execute
    from hub.process.control.access import RemoveApiKey

    execute(data_dir, RemoveApiKey(appid))
