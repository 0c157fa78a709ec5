"""Installing files of a service, completely or not at all."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def copy_if_different(source: Path, target: Path, *, mode: int) -> bool:
    """Copy `source` to `target`, and return whether that changed anything.

    Raises OSError, in which case nothing has changed.
    """
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    _install(target, mode, lambda draft: shutil.copyfile(source, draft))
    return True


def write_if_different(text: str, target: Path, *, mode: int) -> bool:
    """Write `text` to `target`, with the contract of copy_if_different()."""
    if target.exists() and target.read_text("utf-8") == text:
        return False
    _install(target, mode, lambda draft: draft.write_text(text, "utf-8", newline="\n"))
    return True


def _install(target: Path, mode: int, fill: Callable[[Path], object]) -> None:
    """Replace the file atomically; a process that runs the old one keeps it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    try:
        fill(draft)
        draft.chmod(mode)
        with draft.open("rb+") as filled:
            os.fsync(filled.fileno())
        draft.replace(target)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
