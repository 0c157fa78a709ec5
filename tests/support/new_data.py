"""A data directory in which commands work before the first start of the hub."""

from __future__ import annotations

from pathlib import Path


def make_data(path: Path) -> None:
    """Make a data directory as a first start leaves it that is interrupted, unless it is there."""
    for folder in (path, path / "media"):
        folder.mkdir(mode=0o700, exist_ok=True)
