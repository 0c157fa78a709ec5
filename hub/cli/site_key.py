"""`sitehub site-key`: one public key for a whole series of cameras."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.options import data_option, read_pem


@click.command("site-key")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Remove it, and disconnect the cameras that use it.")
@data_option()
def site_key(data_dir: Path, file: Path | None, remove: bool) -> None:
    """Set the public key for all cameras that have no key of their own.

    FILE is an RSA public key or a certificate (PEM). Vendors often put the same key pair into a
    whole series of cameras. A camera that signs with the previous site key is accepted until it
    signs with the new one, but at most for a week.
    """
    from hub.cli.requests import execute
    from hub.process.control.devices import SetSiteKey

    if (file is None) is not remove:
        raise click.UsageError("give either FILE or --remove")
    execute(data_dir, SetSiteKey(None if file is None else read_pem(data_dir, file)))
