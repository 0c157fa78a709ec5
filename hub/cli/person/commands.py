"""`sitehub person`: the people of the site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from hub.cli.options import data_option
from hub.cli.person.fields import field_options, read_change
from hub.cli.person.files import export_people, import_people
from hub.cli.person.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.services.people.register import Person, SyncState

CATEGORIES = {"whitelist": 1, "blacklist": 2, "vip": 3, "visitor": 4}


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
    from hub.cli.requests import execute
    from hub.process.control.people import AddPerson

    groups = fields.pop("groups")
    click.echo(execute(data_dir, AddPerson(pid, read_change(data_dir, fields), groups)))


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
    from hub.cli.requests import execute
    from hub.process.control.people import SetPerson

    groups = fields.pop("groups")
    execute(data_dir, SetPerson(pid, read_change(data_dir, fields, clear), groups))


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
    from hub.cli.output import print_json, print_table

    number = None if category is None else CATEGORIES[category]
    found = _people(data_dir, q, number, group, state, with_numbers=as_json)
    if as_json:
        print_json([_fields(one) for one in found])
    else:
        head = ("PID", "NAME", "CATEGORY", "WORK NUMBER", "PHOTO", "GROUPS")
        print_table(head, [_cells(one) for one in found])


@person.command("show")
@click.argument("pid")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def show(data_dir: Path, pid: str, as_json: bool) -> None:
    """Show the person PID with all personal numbers, which is audited."""
    from hub.cli.output import print_json, print_line
    from hub.cli.requests import execute
    from hub.process.control.people import ShowPerson

    shown = execute(data_dir, ShowPerson(pid))
    fields = _fields(shown.person)
    if as_json:
        print_json(fields)
        return
    fields["groups"] = ", ".join(shown.groups)
    fields["category"] = _category(shown.person)
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


def _people(
    data_dir: Path,
    q: str,
    category: int | None,
    group: str | None,
    state: SyncState | None,
    *,
    with_numbers: bool,
) -> Iterator[Person]:
    """Yield the people who match, read page by page."""
    from hub.cli.requests import execute
    from hub.process.control.people import ListPeople

    after = None
    while True:
        page = execute(data_dir, ListPeople(q, category, group, state, after, with_numbers))
        yield from page.items
        after = page.next
        if after is None:
            return


def _fields(person: Person) -> dict[str, Any]:
    """Return a person as the API shows them."""
    from datetime import UTC, datetime

    import msgspec

    from web.api.people.answers import person_fields

    shown = person_fields(person, datetime.now(UTC).year)
    fields: dict[str, Any] = msgspec.to_builtins(shown)
    return fields


def _cells(person: Person) -> tuple[str, ...]:
    groups = "all" if person.everywhere else " ".join(map(str, person.groups)) or "none"
    return (
        person.pid,
        person.name,
        _category(person),
        person.work_id,
        "yes" if person.has_photo else "no",
        groups,
    )


def _category(person: Person) -> str:
    return next(name for name, number in CATEGORIES.items() if number == person.category)
