"""What people and Grafana read of the database, and as whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.__main__ import run as command
from tests.central.messages import alarm, log_is, record
from tests.packaging.test_central import DASHBOARD
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

import psycopg

from hub.central.database import open_database
from hub.central.read_role import make_read_role

LATER = "0b" * 16


def test_each_event_is_read_once_with_site_camera_person_plate_and_pictures(address: str) -> None:
    database = open_database(address, None)
    car = {"kind": "vehicle", "name": None, "uuid": None, "images": {"full": "", "plate": ""}}
    database.store([record(1), record(2, plate={"id": "粤b-12 345"}, **car), alarm(1, 1)])
    # A restored hub sends it again, and one more.
    database.store([log_is(LATER, ("0a" * 16, 2)), record(2, log=LATER), record(3, log=LATER)])
    database.close()
    found = rows(
        address,
        "SELECT site, camera, person, number, plate, pictures FROM sitehub.records ORDER BY seq",
    )
    path = f"site-1/{'0a' * 16}/0"
    assert found == [
        ("site-1", "Gate", "王芳", "1234567890", None, [f"{path}/1-face.jpg"]),
        ("site-1", "Gate", None, None, "粤B12345", [f"{path}/2-full.jpg", f"{path}/2-plate.jpg"]),
        ("site-1", "Gate", "王芳", "1234567890", None, [f"site-1/{LATER}/0/3-face.jpg"]),
    ]
    assert rows(address, "SELECT site, person, state FROM sitehub.alarms") == [
        ("site-1", "王芳", "closed")
    ]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("site = 'site-1'", "hub_received_at_idx"),
        ("number = '7'", "number_of_received_at_idx"),
        ("plate = 'B7' AND received_at > now() - interval '30 days'", "plate_of_received_at_idx"),
    ],
)
def test_first_pages_need_no_other_rows(address: str, asked: str, index: str) -> None:
    database = open_database(address, None)
    database.store([record(1)])
    database.connection.execute("SET enable_seqscan = off")
    plan = database.connection.execute(
        f"EXPLAIN SELECT * FROM sitehub.records WHERE {asked} ORDER BY received_at DESC LIMIT 50"
    ).fetchall()
    database.close()
    assert f"record_2026_11_{index}" in str(plan)


def test_the_reader_sees_the_views_and_nothing_else(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--folder", str(tmp_path), "--database", address]
    for _ in range(2):  # Again: a new password.
        assert command(["central", "init", *options]) == 0
    path = tmp_path / "reader.pgpass"
    assert str(path) in capfd.readouterr().out
    host, port, name, user, password = path.read_text().strip().split(":")
    assert user == "sitehub_reader"
    with psycopg.connect(
        host=host, port=port, dbname=name, user=user, password=password, autocommit=True
    ) as reader:
        for view in ("records", "alarms", "hub", "gap"):
            reader.execute(f"SELECT * FROM sitehub.{view}")
        for refused in (
            "SELECT * FROM sitehub.record",
            "SELECT * FROM sitehub.unreadable",
            "SELECT * FROM sitehub.salt",
            "DELETE FROM sitehub.hub",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(refused)


@pytest.mark.parametrize(("site", "records"), [("'site-1'", 2), ("''", 0), ("'o''hara'", 0)])
def test_the_dashboard_asks_what_the_reader_may_see(address: str, site: str, records: int) -> None:
    database = open_database(address, None)
    database.store([record(1), alarm(1, 1), record(2, kind="vehicle", plate={"id": "ab 12"})])
    make_read_role(database.connection)
    database.connection.execute("SET ROLE sitehub_reader")
    # As Grafana writes them.
    between = "received_at BETWEEN '2026-11-01T00:00:00Z' AND '2026-12-01T00:00:00Z'"
    values = {
        "${site:sqlstring}": site,
        "${plate:sqlstring}": "'a.b-12'",
        "$__timeFilter(received_at)": between,
    }
    found = []
    for panel in DASHBOARD["panels"]:
        for sql in (one["rawSql"] for one in panel["targets"] if "rawSql" in one):
            for name, value in values.items():
                sql = sql.replace(name, value)
            assert "$" not in sql
            rows = database.connection.execute(sql)
            columns = {column.name for column in rows.description}
            # A column of another name has no link.
            linked = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
            assert linked == {"picture"} <= columns
            found.append(len(rows.fetchall()))
    database.close()
    assert found == [1, records, 1]


def test_init_wants_servers_or_a_database(tmp_path: Path) -> None:
    assert command(["central", "init", "--folder", str(tmp_path)]) == 2
