"""`sitehub site-key`: the public key of a whole series of cameras."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option, read_key


@click.command("site-key")
@click.argument("file", type=click.Path(path_type=Path))
@data_option()
def site_key(data_dir: Path, file: Path) -> None:
    """Set the key of all cameras without their own.

    FILE is an RSA public key or a certificate as PEM. Vendors often burn one key pair into a whole
    series of cameras.
    """
    from hub.cli.calling import carry_out
    from hub.services.operations import SetSiteKey

    carry_out(data_dir, SetSiteKey(read_key(file)))
