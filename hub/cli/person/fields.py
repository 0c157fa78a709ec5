"""The options of a person's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from hub.errors import BadParameter
from hub.store.people.person_fields import PERSON_FIELDS, PersonField

F = TypeVar("F", bound=Callable[..., Any])

_FIELDS = {name: field for name, field in PERSON_FIELDS.items() if name not in ("pid", "name")}
CATEGORIES = {name: n for n, name in enumerate(PERSON_FIELDS["category"].choices, 1)}


def _option(name: str, field: PersonField) -> Callable[[F], F]:
    """The option of a field; a name stays as it is in the API."""
    help = field.option or f"{field.label}."
    option = f"--{name.replace('_', '-')}"
    match field.kind:
        case "choice":
            return click.option(option, type=click.Choice(field.choices), help=help)
        case "moment":
            return click.option(option, metavar="TIME", help=help)
        case "number":
            return click.option(option, type=int, help=help)
    return click.option(option, help=help)


_OPTIONS = (
    *(_option(name, field) for name, field in _FIELDS.items()),
    click.option(
        "--group",
        "groups",
        multiple=True,
        help="On the cameras of this group only, by id or name; may be repeated.",
    ),
    click.option(
        "--everywhere/--in-groups",
        default=None,
        help="On all cameras, or only on those of the groups [default: on all, without --group].",
    ),
    click.option(
        "--photo",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A JPEG, PNG, WebP, GIF or BMP file.",
    ),
)


def field_options(command: F) -> F:
    """Add the options of all fields but pid and name."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_fields(
    data_dir: Path, fields: Mapping[str, Any], clear: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the fields that were given, for the API; those to clear are None or empty.

    Raises BadParameter, StartFault.
    """
    from base64 import b64encode

    from hub.cli.outside_files import read_source
    from hub.services.photos.photos import MAX_FILE_MB
    from hub.wire.times import parse_rfc3339

    wanted = {name: value for name, value in fields.items() if value not in (None, ())}
    for name in wanted.keys() & _FIELDS.keys():
        if _FIELDS[name].kind == "choice":
            wanted[name] = _FIELDS[name].choices.index(wanted[name]) + 1
        elif _FIELDS[name].kind == "moment":
            parse_rfc3339(wanted[name], f"--{name.replace('_', '-')}")
    if "photo" in wanted:
        photo = read_source(data_dir, wanted["photo"], MAX_FILE_MB)
        wanted["photo"] = b64encode(photo).decode()
    for option in clear:
        name = option.replace("-", "_")
        if name == "groups" and name in wanted:
            raise BadParameter("groups are either given or cleared", field="groups")
        if name in wanted:
            raise click.UsageError(f"--{option} is either given or cleared")
        wanted[name] = [] if name == "groups" else None
    if groups := wanted.get("groups"):
        wanted["groups"] = [group_id(data_dir, group) for group in groups]
    return wanted


def group_id(data_dir: Path, which: str) -> int:
    """Return the id of a group by its name, or else its id. Raises StartFault."""
    from hub.cli.requests import call_api, find_item

    groups = call_api(data_dir, "GET", "groups")["items"]
    found: int = find_item(groups, which, "group", "name", "id")["id"]
    return found
