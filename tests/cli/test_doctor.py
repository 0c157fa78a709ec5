"""`sitehub doctor` where no hub runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from hub.services.doctor.checks import QUICK, SLOW
from tests.cli.conftest import Sitehub
from tests.store.recovery.test_start_check import filled
from tests.support.clock import FrozenClock
from tests.support.ports import free_ports

_ERASURE = """
INSERT INTO erasure (id, created_by, created_at, finished_at, manner, with_held, last_seq, records,
    pictures, bytes, report) VALUES (?, 'Ann', 1000, 2000, 'person', 0, 1000, 0, 0, 0, '{}')
"""


@pytest.fixture
def made(sitehub: Sitehub, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Sitehub:
    """A data directory with a database."""
    web, devices = free_ports(2)
    monkeypatch.setenv("SITEHUB_WEB_PORT", str(web))
    monkeypatch.setenv("SITEHUB_DEVICES_PORT", str(devices))
    monkeypatch.setenv("SITEHUB_STORE_MIN_FREE_GB", "0")
    sitehub("user", "add", "anna", "--role", "guard", "--password-stdin", stdin="battery staple")
    return sitehub


def test_a_directory_that_is_well_has_a_line_for_each_check(made: Sitehub) -> None:
    outcome = made("doctor")
    assert (outcome.status, outcome.err) == (0, "")
    lines = [line.split(maxsplit=2) for line in outcome.out.splitlines()]
    assert {line[1] for line in lines} == {"settings", *QUICK, *SLOW}
    assert {line[0] for line in lines} <= {"ok", "warning"}


def test_a_program_reads_every_field(made: Sitehub) -> None:
    findings = json.loads(made("doctor", "--json", "--quick").out)
    assert {one["check"] for one in findings} == {"settings", *QUICK}
    assert set(findings[0]) == {"check", "state", "code", "text", "advice", "args"}


def test_a_hub_that_refuses_to_start_is_examined(made: Sitehub, data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    outcome = made("doctor")
    assert outcome.status == 1
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("FAILED"))
    assert "newer version" in line


def test_settings_that_keep_the_hub_from_starting_are_named(made: Sitehub, data_dir: Path) -> None:
    (data_dir / "sitehub.toml").write_text("[web]\nporte = 1\n")
    outcome = made("doctor", "--quick")
    assert outcome.status == 1
    assert "FAILED   settings" in outcome.out
    assert "web.porte" in outcome.out


@pytest.mark.expects_error("was deleted")
def test_lost_pictures_are_taken_note_of(made: Sitehub, data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("INSERT INTO day VALUES ('2026-11-25', 1, 1, 1, 4000, NULL)")
    outcome = made("doctor", "--quick")
    assert (outcome.status, "2026-11-25.pack was deleted" in outcome.out) == (1, True)
    assert "2026-11-25.pack was deleted" in made("doctor", "--accept-lost").out
    assert made("doctor", "--accept-lost").out == "nothing new is lost\n"
    assert "was deleted" not in made("doctor", "--quick").out


def test_the_ways_on_say_what_they_did(made: Sitehub, data_dir: Path) -> None:
    outcome = made("doctor", "--rebuild")
    assert outcome.out == "The packs hold no records that the database does not know.\n"
    assert made("doctor", "--bring-back").out == outcome.out
    outcome = made("doctor", "--set-aside")
    assert outcome.out == "There is nothing that the database does not know.\n"
    (data_dir / "hub.sqlite").write_bytes(b"")
    (data_dir / "media" / "2026-11-25.pack").write_bytes(b"SHP1" + bytes(100))
    outcome = made("doctor", "--rebuild")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1:] == [
        "Moved into media/set-aside: hub.sqlite, 2026-11-25.pack.",
        'What they hold can be brought back: "sitehub doctor --bring-back".',
        "The database is a new one: devices, users and settings are gone. Enrol the devices again.",
    ]


def test_erasures_are_named_before_their_people_are_brought_back(
    made: Sitehub, data_dir: Path, clock: FrozenClock
) -> None:
    trio.run(filled, data_dir, clock, range(2))
    (data_dir / "hub.sqlite").unlink()
    assert "They hold 2 records." in made("doctor", "--set-aside").out
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        for id in range(1, 13):
            connection.execute(_ERASURE, (id,))
    outcome = made("doctor", "--bring-back")
    assert outcome.status == 1
    assert "by erasure 12 (1970-01-01 00:00 UTC), 11 (" in outcome.err
    assert "2 earlier ones, and nobody knows any more which records are theirs" in outcome.err
    assert made("doctor", "--rebuild", "--with-erased").status == 2
    outcome = made("doctor", "--bring-back", "--with-erased")
    assert (outcome.status, outcome.out[:26]) == (0, "2 records are there again,")
