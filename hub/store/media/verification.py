"""Verifies a pack by its own checksums, without the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hub.store.media.pack_format import Group, Unreadable, walk


def verify_pack(
    path: Path, end: int, on_progress: Callable[[float], None] = lambda part: None
) -> Iterator[str]:
    """Read a pack up to its committed end; yield a text for each damaged part.

    `on_progress` is called with the part that was read, from 0 to 1, and may raise to stop. Erased
    entries are sound. Raises OSError if the pack cannot be read.
    """
    size = path.stat().st_size
    if size < end:
        yield f"{path.name} has {size} of {end} bytes"
    for entry in walk(path, 0, end):
        if isinstance(entry, Group):
            on_progress(entry.start / end)
        elif isinstance(entry, Unreadable):
            yield f"{path.name} cannot be read from byte {entry.start} to byte {entry.end}"
            on_progress(entry.end / end)
        else:
            on_progress(entry.offset / end)
            if not entry.is_sound:
                yield f"{path.name}: what begins at byte {entry.offset} is damaged"
    on_progress(1.0)
