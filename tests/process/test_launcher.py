"""Who carries out a command, and with whose rights; tests/e2e/test_update.py runs programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.process import data_directory, launcher
from hub.process.control.client import FILE_NAME
from hub.update import STARTED_AS
from hub.update.programs import Candidate, Programs
from hub.update.trial import Trial
from tests.support.update_files import script


class Handed(Exception):
    """The command was handed over."""


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order, for a command of root on the data of another user."""
    done: list[str] = []

    def become(program: Path, arguments: object, environment: dict[str, str]) -> None:
        done.append(f"become {program.parent.name}")
        assert environment[STARTED_AS] == "current 0"
        raise Handed

    monkeypatch.setattr(launcher, "become", become)
    monkeypatch.setattr(data_directory, "is_root_for", lambda path: True)
    monkeypatch.setattr(data_directory, "act_for_owner", lambda path: done.append("lower rights"))
    return done


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with the confirmed program 9.0.0."""
    programs = Programs(tmp_path)
    incoming = script(programs.incoming())
    candidate = Candidate(version="9.0.0", before="0.1.0", phase="staged", by="command line")
    programs.stage(incoming, candidate)
    trial: Trial = launcher._trial(tmp_path)
    trial.choose()
    trial.confirm()
    return tmp_path


def test_a_command_of_root_loses_its_rights_before_the_program_of_the_data_runs(
    data_dir: Path, done: list[str]
) -> None:
    with pytest.raises(Handed):
        launcher.hand_over(data_dir)
    assert done == ["lower rights", "become 9.0.0"]


def test_a_command_of_root_keeps_its_rights_if_it_can_ask_a_running_hub(
    data_dir: Path, done: list[str]
) -> None:
    (data_dir / FILE_NAME).write_text("{}")
    launcher.hand_over(data_dir)
    assert done == []


def test_the_newer_program_does_not_hand_over_again(
    data_dir: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STARTED_AS, "current 0")
    launcher.hand_over(data_dir)
    assert done == []
    assert STARTED_AS not in os.environ


def test_without_an_update_a_command_is_carried_out_here(tmp_path: Path, done: list[str]) -> None:
    launcher.hand_over(tmp_path)
    launcher.hand_over(tmp_path / "missing")
    assert done == []


def test_a_trial_has_a_minute_and_more_for_a_large_database(tmp_path: Path) -> None:
    assert launcher.trial_seconds(tmp_path) == 60.0
    with (tmp_path / "hub.sqlite").open("wb") as file:
        file.truncate(5_000_000_000)
    assert launcher.trial_seconds(tmp_path) == 560.0
    with (tmp_path / "hub.sqlite").open("wb") as file:
        file.truncate(500_000_000_000)
    assert launcher.trial_seconds(tmp_path) == 1800.0
