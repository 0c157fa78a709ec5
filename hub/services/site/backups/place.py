"""Whether backups can be made in a folder, without making one. Blocks."""

from __future__ import annotations

import os
from pathlib import Path

#: What `obstacle` says besides the texts of the system.
NOT_CONNECTED = "its disk is not connected"


def obstacle(folder: Path) -> str:
    """Return why a folder, which may not exist yet, cannot be made or used; "" if it can."""
    try:
        nearest = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
        if not nearest.is_dir():
            return f"{nearest}: Not a directory"
        if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
            return f"{nearest}: Permission denied"
    except OSError as error:
        return error.strerror or str(error)
    return ""
