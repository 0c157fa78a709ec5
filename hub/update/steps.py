"""The steps in which files are changed. After a power cut at any of them the hub still starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from hub.durable_files import SECRET, flush_directory, replace_file, write_file


class Steps:
    """Each call is one step: once it returns, it is on the disk. Tests cut the power at each."""

    def write(self, path: Path, content: bytes) -> None:
        """Replace the file by one with this content, private to its owner, in one go."""
        write_file(path, content, SECRET)

    def rename(self, path: Path, target: Path) -> None:
        """Rename a file or directory that is on the disk; an existing file is replaced."""
        replace_file(path, target)
        flush_directory(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)
        flush_directory(path.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory with everything in it, as far as that is possible."""
        if path.is_symlink():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)
