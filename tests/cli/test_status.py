"""`sitehub status` where no hub runs, and of answers of a running one."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from hub import __version__
from hub.errors import StartFault
from hub.process import data_directory
from hub.process.control import client
from hub.process.data_directory import Holder
from hub.services.upkeep.status import CameraCounts, HubStatus, Problem
from tests.cli.conftest import Sitehub

UNWELL = HubStatus(
    state="unwell",
    version="1.0",
    since="2026-11-25T12:00:00.000Z",
    site="Harbour",
    dashboard=["https://10.0.0.1:8443/"],
    cameras=CameraCounts(1, 2, 3, 4),
    problems=[Problem("cannot-store", "fault", "Nothing can be stored.", "Free some space.")],
)


def test_a_hub_that_does_not_run_is_told_by_the_exit_status(
    sitehub: Sitehub, data_dir: Path
) -> None:
    outcome = sitehub("status")
    assert outcome.status == 3
    assert "not running" in outcome.out
    assert [path.name for path in data_dir.iterdir()] == ["media"]


def test_a_program_gets_the_same_fields_when_it_does_not_run(sitehub: Sitehub) -> None:
    outcome = sitehub("status", "--json")
    assert outcome.status == 3
    found = json.loads(outcome.out)
    assert list(found) == list(msgspec.to_builtins(UNWELL))
    assert (found["state"], found["version"], found["cameras"]) == (
        "not running",
        __version__,
        None,
    )


@pytest.fixture
def running(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that seems to be held by a hub."""
    monkeypatch.setattr(data_directory, "holder_of", lambda path: Holder("hub", 1))
    return data_dir


def test_what_is_not_well_is_named_with_what_to_do(
    sitehub: Sitehub, running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*call: object) -> object:
        return msgspec.to_builtins(UNWELL)

    (running / client.FILE_NAME).write_text("{}")
    monkeypatch.setattr(client, "ask_running_hub", answer)
    outcome = sitehub("status")
    assert outcome.status == 1
    assert "unwell, since 2026-11-25 12:00 UTC" in outcome.out
    assert "1 online, 2 offline, 3 disabled, 4 waiting" in outcome.out
    assert "Nothing can be stored. Free some space." in outcome.out


def test_a_hub_that_starts_or_hangs_is_told(
    sitehub: Sitehub, running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(sitehub("status", "--json").out)["state"] == "starting"

    def fail(*call: object) -> object:
        raise StartFault("the running hub does not respond")

    (running / client.FILE_NAME).write_text("{}")
    monkeypatch.setattr(client, "ask_running_hub", fail)
    outcome = sitehub("status", "--json")
    assert (outcome.status, json.loads(outcome.out)["state"]) == (1, "not responding")
