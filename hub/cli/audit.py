"""`sitehub audit`: who changed what, when, and from where."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option

_SHOWN = ("time", "who", "address", "action", "target")
_MAX_PAGE = 1000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Print at most this many entries.",
)
@click.option(
    "--before",
    type=click.IntRange(1, 2**63 - 1),
    metavar="ID",
    help="Print the entries before this one, to continue an earlier list.",
)
@data_option()
def audit(data_dir: Path, as_json: bool, limit: int, before: int | None) -> None:
    """Show who changed what, the newest first."""
    from itertools import islice

    from hub.cli.output import print_list
    from hub.cli.requests import list_api

    most = min(limit, _MAX_PAGE)
    found = list_api(data_dir, "audit", next_is="before", order="desc", before=before, limit=most)
    entries = list(islice(found, limit))
    print_list(
        entries,
        ("ID", "TIME", "WHO", "FROM", "ACTION", "TARGET"),
        lambda e: (str(e["id"]), *(e[name] for name in _SHOWN)),
        as_json=as_json,
    )
