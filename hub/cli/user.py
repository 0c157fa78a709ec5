"""`sitehub user`: users of the dashboard."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option, password_option

_ROLES = ("admin", "guard", "people", "viewer")


@click.group()
def user() -> None:
    """Users of the dashboard."""


@user.command("add")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice(_ROLES),
    help="admin: everything; guard: records and cameras; people: the register; viewer: read only.",
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


@user.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@data_option()
def role(data_dir: Path, name: str, role: str) -> None:
    """Change a user's role."""
    from hub.cli.requests import execute
    from hub.process.control.access import SetRole

    execute(data_dir, SetRole(name, role))


@user.command("disable")
@click.argument("name")
@data_option()
def disable(data_dir: Path, name: str) -> None:
    """Sign a user out everywhere, and refuse to sign them in again."""
    from hub.cli.requests import execute
    from hub.process.control.access import EnableUser

    execute(data_dir, EnableUser(name, enabled=False))


@user.command("enable")
@click.argument("name")
@data_option()
def enable(data_dir: Path, name: str) -> None:
    """Let a disabled user sign in again."""
    from hub.cli.requests import execute
    from hub.process.control.access import EnableUser

    execute(data_dir, EnableUser(name, enabled=True))


@user.command("sign-out")
@click.argument("name")
@data_option()
def sign_out(data_dir: Path, name: str) -> None:
    """Sign a user out everywhere. They can sign in again."""
    from hub.cli.requests import execute
    from hub.process.control.access import SignOutUser

    execute(data_dir, SignOutUser(name))


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the users."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.access import ListUsers

    users = execute(data_dir, ListUsers())
    print_list(
        users,
        ("NAME", "ROLE", "STATE", "SINCE"),
        lambda u: (u.name, u.role, "enabled" if u.enabled else "disabled", u.created_at),
        as_json=as_json,
    )


@user.command("remove-second-factor")
@click.argument("name")
@data_option()
def remove_second_factor(data_dir: Path, name: str) -> None:
    """Take a user's second factor away, after the phone and the recovery codes are lost."""
    from hub.cli.requests import execute
    from hub.process.control.access import RemoveSecondFactor

    execute(data_dir, RemoveSecondFactor(name))


@user.command("remove")
@click.argument("name")
@data_option()
def remove(data_dir: Path, name: str) -> None:
    """Remove a user and sign them out everywhere."""
    from hub.cli.requests import execute
    from hub.process.control.access import RemoveUser

    execute(data_dir, RemoveUser(name))


@user.command("setup-link")
@click.option("--name", help="For a new user of this name, who chooses the password.")
@click.option("--role", type=click.Choice(_ROLES), help="The role of that user.")
@data_option()
def setup_link(data_dir: Path, name: str | None, role: str | None) -> None:
    """Print a new link to create an administrator, or the user NAME.

    It works once, within a day. Earlier links for the same user stop working; without --name, those
    for an administrator.
    """
    if (name is None) != (role is None):
        raise click.UsageError("--name and --role are given together")
    from hub.cli.requests import execute
    from hub.process.control.access import NewSetupLink

    click.echo(execute(data_dir, NewSetupLink(name, role)))
