"""Whether backups can be made in a folder, before one is made. Blocks."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path, PureWindowsPath

from hub.reasons import Reason


def obstacle(folder: Path) -> Reason | None:
    """Return why a folder, which may not exist yet, cannot be made or used; None if it can."""
    try:
        nearest = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
        if not nearest.is_dir():
            return Reason(f"{nearest}: Not a directory")
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            return Reason(f"{nearest}: Permission denied")
    except OSError as error:
        return Reason(error.strerror or str(error))
    return None


def try_out(data_dir: Path, name: str) -> None:
    """Make the folder of this name if its parent exists, and write to it. Raises OSError.

    A relative one is in the data directory. A path of Windows names no folder elsewhere, but would
    be taken for the name of one in the data directory.
    """
    if not name or (os.name != "nt" and PureWindowsPath(name).drive) or "\0" in name:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    folder = data_dir / name
    if not folder.exists():
        folder.mkdir(mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"sitehub")
        file.flush()
