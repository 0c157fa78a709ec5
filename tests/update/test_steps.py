"""Files that another process reads or replaces at the same moment, as on Windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.update import steps
from hub.update.steps import Steps, read_file


def fail_twice(act: Callable[..., object]) -> Callable[..., object]:
    calls = iter([True, True])

    def failing(*arguments: object) -> object:
        if next(calls, False):
            raise PermissionError(13, "The process cannot access the file")
        return act(*arguments)

    return failing


def test_a_file_that_is_open_for_a_moment_is_replaced_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_ATTEMPTS", 3)
    monkeypatch.setattr(steps, "_ATTEMPT_SECONDS", 0.0)
    monkeypatch.setattr(Path, "replace", fail_twice(Path.replace))
    Steps().write(tmp_path / "state", b"new")
    monkeypatch.setattr(Path, "read_bytes", fail_twice(Path.read_bytes))
    assert read_file(tmp_path / "state") == b"new"


def test_patience_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_ATTEMPTS", 2)
    monkeypatch.setattr(steps, "_ATTEMPT_SECONDS", 0.0)
    monkeypatch.setattr(Path, "replace", fail_twice(Path.replace))
    with pytest.raises(PermissionError):
        Steps().write(tmp_path / "state", b"new")
