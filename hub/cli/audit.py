"""`sitehub audit`: who changed what, when, and from where."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option


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
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.access import ListAudit

    entries = execute(data_dir, ListAudit(limit, before))
    if as_json:
        print_json(entries)
    else:
        print_table(
            ("ID", "TIME", "WHO", "FROM", "ACTION", "TARGET"),
            [(str(e.id), e.time, e.who, e.address, e.action, e.target) for e in entries],
        )
