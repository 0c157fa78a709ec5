"""Files of a service, put where they stay: as a whole or not at all."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def copy_if_other(source: Path, target: Path, *, mode: int) -> bool:
    """Gives whether the target was another before. Raises OSError, and then nothing is changed."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    _put(target, mode, lambda draft: shutil.copyfile(source, draft))
    return True


def write_if_other(text: str, target: Path, *, mode: int) -> bool:
    """The same for a text."""
    if target.exists() and target.read_text("utf-8") == text:
        return False
    _put(target, mode, lambda draft: draft.write_text(text, "utf-8", newline="\n"))
    return True


def _put(target: Path, mode: int, fill: Callable[[Path], object]) -> None:
    """What runs is not written over: a process that has the old file open keeps it."""
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
