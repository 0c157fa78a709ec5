"""The command line: one module per group of commands.

What is heavy (trio, the store, the web) is imported where a command runs: `sitehub version` and
`--help` answer at once.
"""

from __future__ import annotations

import click

from hub import __version__
from hub.cli.apikey import apikey
from hub.cli.audit import audit
from hub.cli.device.commands import device
from hub.cli.firmware import firmware
from hub.cli.options import data_option
from hub.cli.run.command import run
from hub.cli.service import service
from hub.cli.simulate.command import simulate
from hub.cli.site_key import site_key
from hub.cli.user import user


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def sitehub() -> None:
    """The hub of one site: its cameras, their records and its people, on one PC.

    Begin with "sitehub run", or look around first with "sitehub run --demo". The commands that
    change something work while the hub runs, and without it.
    """


@click.command()
@data_option(expose_value=False)
def version() -> None:
    """Print the version."""
    click.echo(f"sitehub {__version__}")


for command in (run, device, site_key, user, apikey, audit, firmware, service, simulate, version):
    sitehub.add_command(command)
