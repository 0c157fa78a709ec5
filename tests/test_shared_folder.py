"""Of the workers of a run, one makes a shared folder, and none goes on with half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shared_folder import shared_folder


def test_a_folder_is_made_once(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    made: list[Path] = []
    found = [shared_folder(tmp_path_factory, request.node.name, made.append) for _ in range(2)]
    assert made == found[:1]
    assert found[0] == found[1]
    assert found[0].is_dir()


def test_a_folder_that_could_not_be_made_is_used_by_nobody(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    def fail(folder: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shared_folder(tmp_path_factory, request.node.name, fail)
    with pytest.raises(AssertionError, match="another worker could not make"):
        shared_folder(tmp_path_factory, request.node.name, fail)
