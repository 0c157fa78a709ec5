"""The command line: one module per group of commands.

Slow imports (trio, the store, the web) are inside the commands, so that `sitehub version` and
`--help` are fast.
"""

from __future__ import annotations

import click

from hub import __version__
from hub.cli.alarm import alarm
from hub.cli.apikey import apikey
from hub.cli.audit import audit
from hub.cli.backup import backup, restore
from hub.cli.device.commands import device
from hub.cli.doctor import doctor
from hub.cli.erase import erase
from hub.cli.firmware.commands import firmware
from hub.cli.group import group
from hub.cli.hold import hold
from hub.cli.logs import logs
from hub.cli.options import data_option
from hub.cli.person.commands import person
from hub.cli.plate_list import plate_list
from hub.cli.reload import reload
from hub.cli.retention import retention
from hub.cli.run.command import run
from hub.cli.service import service
from hub.cli.simulate.command import simulate
from hub.cli.site_key import site_key
from hub.cli.status import status
from hub.cli.update import selftest, update
from hub.cli.user import user


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def sitehub() -> None:
    """The hub of one site: its cameras, their records and its people, on one PC.

    Start with "sitehub run", or try it first with "sitehub run --demo". Most commands
    work whether the hub is running or not; those for waiting cameras need a running hub.
    """


@click.command()
@data_option(expose_value=False)
def version() -> None:
    """Print the version."""
    click.echo(f"sitehub {__version__}")


for command in (
    *(run, device, site_key, user, apikey, audit, firmware, service, reload, simulate),
    *(status, logs, backup, restore, retention),
    *(person, group),
    *(alarm, plate_list),
    *(hold, erase),
    *(doctor, update, version, selftest),
):
    sitehub.add_command(command)
