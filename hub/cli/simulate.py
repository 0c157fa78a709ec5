"""`sitehub simulate`: simulated cameras against a hub anywhere."""

from __future__ import annotations

import click

from hub.cli.options import data_option


@click.command()
@data_option(expose_value=False)
def simulate() -> None:
    """Simulated cameras."""
