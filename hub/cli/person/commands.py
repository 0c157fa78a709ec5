"""`sitehub person`: the people of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from hub.cli.options import data_option
from hub.cli.person.fields import CATEGORIES, field_options, group_id, read_fields
from hub.cli.person.files import export_people, import_people
from hub.cli.person.sync import sync
from hub.errors import StartFault


@click.group()
def person() -> None:
    """The people of the site, whom the hub keeps on its cameras."""


@person.command("add")
@click.option("--pid", help="A decimal number; assigned unless given.")
@click.option("--name", required=True, help="The name.")
@field_options
@data_option()
def add(data_dir: Path, pid: str | None, **fields: Any) -> None:
    """Add a person; print the pid."""
    from hub.cli.requests import call_api

    body = {"pid": pid, **read_fields(data_dir, fields)}
    click.echo(call_api(data_dir, "POST", "people", body=body)["pid"])


@person.command("set")
@click.argument("pid")
@click.option("--name", help="The name.")
@field_options
@click.option(
    "--clear",
    type=click.Choice(
        ("gender", "age", "birth-year", "groups", "valid-from", "valid-until", "photo")
    ),
    multiple=True,
    help="Forget this field; may be repeated.",
)
@data_option()
def set_(data_dir: Path, pid: str, clear: tuple[str, ...], **fields: Any) -> None:
    """Change the person PID. Fields that are not given keep their values."""
    from hub.cli.requests import call_api

    call_api(data_dir, "PATCH", "people", pid, body=read_fields(data_dir, fields, clear))


@person.command("list")
@click.option("--find", "q", default="", help="A part of the name or of a number.")
@click.option("--category", type=click.Choice(tuple(CATEGORIES)), help="Only this category.")
@click.option("--group", help="The id or name of a group of cameras.")
@click.option(
    "--state",
    type=click.Choice(("failed", "pending", "done")),
    help="failed: a camera refused the person; pending: a camera has yet to get or to lose it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_people(
    data_dir: Path,
    q: str,
    category: str | None,
    group: str | None,
    state: Literal["failed", "pending", "done"] | None,
    as_json: bool,
) -> None:
    """List the people by pid. With --json, personal numbers are shown, which is audited."""
    from hub.cli.output import print_list
    from hub.cli.requests import list_api

    found = list_api(
        data_dir,
        "people",
        q=q,
        category=None if category is None else CATEGORIES[category],
        group=None if group is None else group_id(data_dir, group),
        state=state,
        # Only who sees the numbers in full finds people by any part of them.
        masked="false" if as_json or q else "true",
        limit=1000,
    )
    head = ("PID", "NAME", "CATEGORY", "WORK NUMBER", "PHOTO", "GROUPS")
    print_list(found, head, _cells, as_json=as_json)


@person.command("show")
@click.argument("pid")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def show(data_dir: Path, pid: str, as_json: bool) -> None:
    """Show the person PID with all personal numbers, which is audited."""
    from hub.cli.output import print_json, print_line
    from hub.cli.requests import call_api

    if not pid.isdecimal():  # "export" is another call
        raise StartFault(f"no person {pid[:64]}")
    fields = call_api(data_dir, "GET", "people", pid)
    if as_json:
        print_json(fields)
        return
    if fields["groups"]:
        groups = call_api(data_dir, "GET", "groups")["items"]
        fields["groups"] = [one["name"] for one in groups if one["id"] in fields["groups"]]
    fields["groups"] = ", ".join(fields["groups"])
    fields["category"] = _category(fields)
    for name, value in fields.items():
        if value not in (None, ""):
            print_line(f"{name:14}{str(value).replace(chr(10), ' / ')}")


@person.command("remove")
@click.argument("pid")
@data_option()
def remove(data_dir: Path, pid: str) -> None:
    """Remove the person PID; cameras delete it as soon as they can."""
    from hub.cli.requests import call_api

    call_api(data_dir, "DELETE", "people", pid)


person.add_command(import_people)
person.add_command(export_people)
person.add_command(sync)


def _cells(person: dict[str, Any]) -> tuple[str, ...]:
    groups = "all" if person["everywhere"] else " ".join(map(str, person["groups"])) or "none"
    return (
        person["pid"],
        person["name"],
        _category(person),
        person["work_id"],
        "yes" if person["photo"] else "no",
        groups,
    )


def _category(person: dict[str, Any]) -> str:
    return next(name for name, number in CATEGORIES.items() if number == person["category"])
