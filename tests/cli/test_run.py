"""`sitehub run` before the hub starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.cli.run import command
from hub.errors import StartFault
from hub.process import data_directory
from hub.store.sqlite.migrate import bring_up_to_date
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
    assert sitehub("run").err == "sitehub: so far and no further\n"
    assert done == [f"act for {data_dir}", f"prepare {data_dir}"]


def test_a_data_directory_on_a_network_file_system_is_refused(
    sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "network_type", lambda path: "cifs")
    outcome = sitehub("run")
    assert outcome.status == 1
    assert "network file system (cifs)" in outcome.err
    assert not (data_dir / "hub.sqlite").exists()


def test_a_demo_sets_data_from_before_the_first_release_aside(
    sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*options: object) -> bool:
        raise StartFault("so far and no further")

    monkeypatch.setattr(command, "_run_hub", stop)
    bring_up_to_date(data_dir / "hub.sqlite", {30: "CREATE TABLE device (sn TEXT);"})
    (data_dir / "sitehub.toml").write_text("[site]\nname = 'Old'\n")

    sitehub("run")
    assert not list(data_dir.glob("before-*"))

    outcome = sitehub("run", "--demo")
    (aside,) = data_dir.glob("before-release-*")
    assert f"before the first release, and is in {aside} now" in outcome.err
    assert {path.name for path in aside.iterdir()} >= {"hub.sqlite", "sitehub.toml"}
    assert not (data_dir / "hub.sqlite").exists()
    settings = (data_dir / "sitehub.toml").read_text()
    assert "127.0.0.0/8" in settings
    assert 'raised_by = "usual"' in settings
