"""The options of a person's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from hub.errors import BadParameter

F = TypeVar("F", bound=Callable[..., Any])

CATEGORIES = {"whitelist": 1, "blacklist": 2, "vip": 3, "visitor": 4}
_GENDERS = {"male": 1, "female": 2}
_OPTIONS = (
    click.option("--work-id", help="The work number."),
    click.option("--id-card-no", help="The number of the ID card."),
    click.option("--ic-card-no", help="The number of the IC card."),
    click.option(
        "--gender",
        type=click.Choice(tuple(_GENDERS)),
        help="The gender, in the terms of the cameras.",
    ),
    click.option("--age", type=int, help="In years."),
    click.option("--birth-year", type=int, help="Instead of the age."),
    click.option("--department", help="The department."),
    click.option("--phone", help="The phone number."),
    click.option(
        "--category",
        type=click.Choice(tuple(CATEGORIES)),
        help="The category [default of a new person: whitelist].",
    ),
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
    click.option("--valid-from", metavar="TIME", help="On cameras from this time on, in RFC 3339."),
    click.option("--valid-until", metavar="TIME", help="On cameras until this time, in RFC 3339."),
    click.option("--note", help="A text that only the hub knows."),
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
    for name, numbers in (("category", CATEGORIES), ("gender", _GENDERS)):
        if name in wanted:
            wanted[name] = numbers[wanted[name]]
    for name in ("valid_from", "valid_until"):
        if name in wanted:
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
