"""`sitehub run` before the hub starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.process import data_directory
from tests.cli.conftest import Sitehub


def test_root_becomes_the_owner_of_the_directory_before_touching_it(
    sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def prepare(path: Path) -> None:
        done.append(f"prepare {path}")
        raise StartFault("so far and no further")

    monkeypatch.setattr(
        data_directory, "act_for_owner", lambda path: done.append(f"act for {path}")
    )
    monkeypatch.setattr(data_directory, "prepare", prepare)
    data_dir.mkdir()
    assert sitehub("run").err == "sitehub: so far and no further\n"
    assert done == [f"act for {data_dir}", f"prepare {data_dir}"]


def test_a_data_directory_on_a_network_file_system_is_refused(
    sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "network_type", lambda path: "cifs")
    data_dir.mkdir()
    outcome = sitehub("run")
    assert outcome.status == 1
    assert "network file system (cifs)" in outcome.err
    assert not (data_dir / "hub.sqlite").exists()
