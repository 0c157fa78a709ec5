"""`sitehub firmware`: releases for cameras, and the campaigns that roll them out."""

from __future__ import annotations

import click

from hub.cli.firmware import campaigns, releases


@click.group()
def firmware() -> None:
    """Firmware for cameras: releases, and the campaigns that roll them out.

    A campaign offers a release to chosen cameras: first to one, and when that one reports the new
    version, to the others.
    """


for _command in (*releases.COMMANDS, *campaigns.COMMANDS):
    firmware.add_command(_command)
