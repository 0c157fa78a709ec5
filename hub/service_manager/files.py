"""Installing files of a service, completely or not at all."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.durable_files import SECRET, replacing

_COPY_BYTES = 1024 * 1024


def copy_if_different(source: Path, target: Path, *, mode: int) -> bool:
    """Copy `source` to `target`, and return whether that changed anything.

    Raises OSError, in which case nothing has changed.
    """
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    with source.open("rb") as reading, _installing(target, mode) as draft:
        shutil.copyfileobj(reading, draft, _COPY_BYTES)
    return True


def write_if_different(text: str, target: Path, *, mode: int) -> bool:
    """Write `text` to `target`, with the contract of copy_if_different()."""
    if target.exists() and target.read_text("utf-8") == text:
        return False
    with _installing(target, mode) as draft:
        draft.write(text.encode())
    return True


@contextmanager
def _installing(target: Path, mode: int) -> Iterator[BinaryIO]:
    """Replace the file atomically; a process that runs the old one keeps it."""
    with replacing(target, SECRET) as draft:
        yield draft
        os.chmod(draft.name, mode)  # whatever the umask is
