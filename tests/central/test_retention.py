"""What is old goes, and hubs of sites that are closed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.__main__ import run as command
from hub.central.folder import enrol
from hub.central.pictures import PictureFolder
from hub.errors import StartFault
from tests.central.messages import alarm, gap, message, picture, record, state
from tests.support.central import running_centres
from tests.support.nats_server import NatsServer
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import open_database
from hub.central.retention import forget_hub, prune, prune_pictures

NOW = datetime(2026, 12, 2, tzinfo=UTC)
_DAYS = """
CREATE TABLE sitehub.record_2026_10 PARTITION OF sitehub.record
    FOR VALUES FROM ('2026-10-01 00:00+00') TO ('2026-11-01 00:00+00')
    PARTITION BY RANGE (received_at);
CREATE TABLE sitehub.record_2026_10_30 PARTITION OF sitehub.record_2026_10
    FOR VALUES FROM ('2026-10-30 00:00+00') TO ('2026-10-31 00:00+00');
CREATE TABLE sitehub.record_2026_10_31 PARTITION OF sitehub.record_2026_10
    FOR VALUES FROM ('2026-10-31 00:00+00') TO ('2026-11-01 00:00+00')
"""


def test_months_and_days_that_are_over_for_so_long_go(address: str) -> None:
    database = open_database(address, None)
    connection = database.connection
    connection.execute(_DAYS)
    times = ("2025-11-30", "2026-10-30", "2026-10-31", "2026-11-01", "1999-01-01")
    database.store(
        [record(seq, received_at=f"{day}T23:00:00Z") for seq, day in enumerate(times, 1)]
    )
    database.store([alarm(1, 1, last_at="2025-11-30T08:00:00Z"), alarm(4, 1), gap(6, 7)])
    found = prune(connection, timedelta(days=32), NOW)
    assert (found["tables"], found["alarms"], found["gaps"], found["records"]) == (2, 1, 0, 0)
    assert rows(address, "SELECT seq FROM sitehub.record ORDER BY seq") == [(3,), (4,), (5,)]
    # A month with its days; and what a clock had dated wrongly, once it is old by ours.
    later = datetime.now(UTC) + timedelta(days=40)
    found = prune(connection, timedelta(days=30), later)
    assert found == {"tables": 2, "records": 1, "alarms": 1, "gaps": 1, "unreadable": 0}
    # It can come again.
    database.store([record(9), record(10, received_at="2026-10-31T23:00:00Z")])
    assert len(rows(address, "SELECT seq FROM sitehub.record")) == 2
    database.close()


def test_pictures_that_came_long_ago_go_with_their_folders(tmp_path: Path) -> None:
    PictureFolder(tmp_path).store([one.row for one in (picture(1, b"a"), picture(20_000, b"b"))])  # type: ignore[misc]
    (old,) = tmp_path.rglob("1-face.jpg")
    # Of somebody else: an owner may name a wrong folder.
    others = [tmp_path / "1-face.jpg", tmp_path / "site-1" / "notes.txt", old.parent / "x.txt"]
    for path in others:
        path.touch()
        os.utime(path, (0, 0))
    (tmp_path / "empty").mkdir()
    os.utime(old, ((NOW - timedelta(days=8)).timestamp(),) * 2)
    os.utime(next(tmp_path.rglob("20000-face.jpg")), (NOW.timestamp(),) * 2)
    assert prune_pictures(tmp_path, timedelta(days=7), NOW) == 1
    assert not old.exists()
    assert (tmp_path / "empty").exists()
    assert all(path.exists() for path in others)
    assert [path.name for path in tmp_path.rglob("*-face.jpg")].count("20000-face.jpg") == 1
    others[-1].unlink()
    assert prune_pictures(tmp_path, timedelta(days=7), NOW) == 0
    assert not old.parent.exists()


def test_a_hub_is_forgotten_with_or_without_what_it_sent(address: str, tmp_path: Path) -> None:
    database = open_database(address, PictureFolder(tmp_path))
    sent = [record(1), picture(1, b"x"), alarm(1, 1), gap(2, 3), message("new", {})]
    database.store([*sent, record(1, "site-2"), picture(1, b"y", hub="site-2")])
    assert forget_hub(database.connection, "site-1", tmp_path, with_records=False) == 1
    assert [hub.name for hub in database.hubs()] == ["site-2"]
    assert len(rows(address, "SELECT seq FROM sitehub.record")) == 2
    assert forget_hub(database.connection, "site-1", tmp_path, with_records=True) == 4
    for table in ("record", "alarm", "gap"):
        assert rows(address, f"SELECT hub FROM sitehub.{table} WHERE hub = 'site-1'") == []
    assert rows(address, "SELECT subject FROM sitehub.unreadable") == []
    assert [path.name for path in tmp_path.iterdir()] == ["site-2"]
    database.close()


def test_a_hub_that_is_forgotten_before_its_place_is_noted_stays_so(address: str) -> None:
    names = [f"site-{number}" for number in range(300)]
    database = open_database(address, None)
    for seq in (1, 2):
        database.store([record(seq, name) for name in names])
    assert forget_hub(database.connection, "site-7", None, with_records=True) == 3
    assert len(database.hubs()) == 299
    # Not if it goes on: it is there again with what it sends.
    database.store([record(3, "site-7")])
    assert {hub.name for hub in database.hubs()} == {*names}
    database.close()


def test_a_name_that_no_hub_has_deletes_nothing(address: str, tmp_path: Path) -> None:
    database = open_database(address, None)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "other").touch()
    for name in ("..", ".", "", "../other"):
        with pytest.raises(StartFault, match="no hub"):
            forget_hub(database.connection, name, tmp_path / "pictures", with_records=True)
    assert {path.name for path in tmp_path.iterdir()} >= {"pictures", "other"}
    database.close()


@pytest.mark.parametrize("asked", [[], ["--picture-days", "7"], ["--days", "0"]])
def test_what_is_to_go_must_be_said(tmp_path: Path, asked: list[str]) -> None:
    assert command(["central", "prune", "--folder", str(tmp_path), *asked]) == 2


@pytest.mark.long
def test_a_centre_that_runs_forgets_a_hub_too(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.central.test_servers import publish, status, until

    options = ["--folder", str(folder), "--database", address]
    enrol(folder, "site-1", 3)
    with running_centres(1, folder, address) as (centre,):
        publish(server, [record(1), state("site-1"), state("site-2")])
        until(lambda: 'hub_well{hub="site-1"}' in (centre.get("/metrics") or ""))
        until(lambda: rows(address, "SELECT 1 FROM sitehub.record") == [(1,)])
        assert command(["central", "forget", "site-1", "--records", *options]) == 0
        until(lambda: 'hub_well{hub="site-1"}' not in (centre.get("/metrics") or ""))
        found = status(folder, address, capfd)["hubs"]
        assert [hub["name"] for hub in found] == ["site-2"]
    assert "site-1" not in (folder / "accounts.conf").read_text()
    assert rows(address, "SELECT 1 FROM sitehub.record") == []
    assert command(["central", "forget", "site-1", *options]) == 1
    days = ["--days", "30", "--picture-days", "7", "--pictures", str(folder / "none")]
    assert command(["central", "prune", *days, *options]) == 0
