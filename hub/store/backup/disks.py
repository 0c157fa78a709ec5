"""Where this computer has disks other than that of the system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":

    def disks() -> list[Path]:
        """Return where disks other than that of the system are."""
        system = os.environ.get("SYSTEMDRIVE", "C:").upper()
        letters = (f"{letter}:" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return [Path(f"{letter}\\") for letter in letters if letter != system]
else:

    def disks() -> list[Path]:
        """Return where disks other than that of the system are mounted, as is usual."""
        return [Path(place) for place in ("/media", "/run/media", "/mnt", "/backups", "/Volumes")]
