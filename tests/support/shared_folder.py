"""Folders that one worker of a test run makes, and the others wait for, to copy what is in them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

#: Generous: many tests may run meanwhile.
_MOST_SECONDS = 240
_POLL_SECONDS = 0.1


def shared_folder(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """The folder of this name, which `make` has filled once in the whole run. Nobody changes it."""
    folder = _of_the_run(factory) / name
    made, failed = folder.with_suffix(".made"), folder.with_suffix(".failed")
    if _is_first(folder):
        try:
            make(folder)
        except BaseException:
            failed.touch()
            raise
        made.touch()
    deadline = time.monotonic() + _MOST_SECONDS
    while not made.exists():
        assert not failed.exists(), f"another worker could not make {name}, and says why"
        assert time.monotonic() < deadline, f"another worker does not end making {name}"
        time.sleep(_POLL_SECONDS)
    return folder


def _of_the_run(factory: pytest.TempPathFactory) -> Path:
    """The folder of all workers; that of a worker is in it."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _is_first(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True
