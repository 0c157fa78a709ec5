"""`sitehub site-key`: the public key of a whole series of cameras."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option, read_key


@click.command("site-key")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="There is none any more: who relies on it is put out.")
@data_option()
def site_key(data_dir: Path, file: Path | None, remove: bool) -> None:
    """Set the key of all cameras without their own.

    FILE is an RSA public key or a certificate as PEM. Vendors often burn one key pair into a whole
    series of cameras. An earlier site key stays good for each camera that signs with it, until it
    signs with the new one, or for a week.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import RemoveSiteKey, SetSiteKey

    if (file is None) is not remove:
        raise click.UsageError("either FILE or --remove")
    if file is None:
        execute(data_dir, RemoveSiteKey())
    else:
        execute(data_dir, SetSiteKey(read_key(file)))
