"""`sitehub reload`: have the running hub read its settings again."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option


@click.command()
@data_option()
def reload(data_dir: Path) -> None:
    """Have the running hub read its settings again.

    Prints what has changed, and what needs a restart. If the file is not valid, nothing changes.
    """
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.settings import ReloadSettings

    changes = execute(data_dir, ReloadSettings())
    for change in changes:
        when = "applied" if change.applied else "applies after a restart"
        print_line(f"{change.name}: {change.old} -> {change.new}, {when}")
    if not changes:
        print_line("no setting has changed")
