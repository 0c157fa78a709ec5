"""`sitehub version`."""

from __future__ import annotations

import click

from hub import __version__
from hub.cli.options import data_option


@click.command()
@data_option(expose_value=False)
def version() -> None:
    """Print the version."""
    click.echo(f"sitehub {__version__}")
