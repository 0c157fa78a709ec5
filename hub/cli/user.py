"""`sitehub user`: users of the dashboard."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option, password_option

_ROLES = ("admin", "guard", "viewer")


@click.group()
def user() -> None:
    """Users of the dashboard."""


@user.command("add")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice(_ROLES),
    help="admin: everything; guard: records and cameras; viewer: read only.",
)
@password_option()
@data_option()
def add(data_dir: Path, name: str, role: str, password: str) -> None:
    """Add a user. The password must have at least 8 characters."""
    from hub.cli.requests import execute
    from hub.process.control.access import AddUser

    execute(data_dir, AddUser(name, role, password))


@user.command("passwd")
@click.argument("name")
@password_option()
@data_option()
def passwd(data_dir: Path, name: str, password: str) -> None:
    """Set a user's password."""
    from hub.cli.requests import execute
    from hub.process.control.access import SetPassword

    execute(data_dir, SetPassword(name, password))


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the users."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.access import ListUsers

    users = execute(data_dir, ListUsers())
    if as_json:
        print_json(users)
    else:
        print_table(("NAME", "ROLE", "SINCE"), [(u.name, u.role, u.created_at) for u in users])


@user.command("remove")
@click.argument("name")
@data_option()
def remove(data_dir: Path, name: str) -> None:
    """Remove a user and sign them out everywhere."""
    from hub.cli.requests import execute
    from hub.process.control.access import RemoveUser

    execute(data_dir, RemoveUser(name))


@user.command("setup-link")
@data_option()
def setup_link(data_dir: Path) -> None:
    """Print a new link to create an administrator.

    It works once, within a day. Earlier links stop working.
    """
    from hub.cli.requests import execute
    from hub.process.control.access import NewSetupLink

    click.echo(execute(data_dir, NewSetupLink()))
