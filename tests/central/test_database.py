"""PostgreSQL has each record once, whatever comes again, in which order, and from which centre."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace

from hub.central.counts import Counts
from hub.central.pictures import PictureFolder
from hub.central.reader import Consumed, Floor
from hub.central.received import Received
from hub.central.streams import Lost
from hub.errors import StartFault
from tests.central.messages import LOG, STREAM, alarm, erasure, gap, message, picture, record
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

import psycopg

from hub.central import migrations
from hub.central.database import Database, open_database

_STEPS = migrations.migrations()


@pytest.fixture
def database(address: str, tmp_path: Path) -> Iterator[Database]:
    database = open_database(address, PictureFolder(tmp_path / "pictures"))
    yield database
    database.close()


def test_a_record_that_comes_again_is_there_once(database: Database, address: str) -> None:
    assert database.store([record(1), record(2), record(2)]) == Counts(records=2, repeated=1)
    assert database.store([record(2), record(3)]) == Counts(records=1, repeated=1)
    found = rows(address, "SELECT hub, log, seq, body->>'name' FROM sitehub.record ORDER BY seq")
    assert found == [("site-1", LOG, seq, "王芳") for seq in (1, 2, 3)]


def test_hubs_and_logs_have_numbers_of_their_own(database: Database, address: str) -> None:
    database.store([record(1), record(1, hub="site-2"), record(1, log="0b" * 16)])
    assert rows(address, "SELECT count(*) FROM sitehub.record") == [(3,)]


def test_records_are_in_the_table_of_their_month(database: Database, address: str) -> None:
    times = ("2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z")
    database.store([record(seq, received_at=time) for seq, time in enumerate(times)])
    found = rows(address, "SELECT tableoid::regclass::text, seq FROM sitehub.record ORDER BY seq")
    tables = ("sitehub.record_2026_11", "sitehub.record_2026_12", "sitehub.record_other")
    assert found == list(zip(tables, (0, 1, 2), strict=True))


def test_a_month_that_was_dropped_holds_up_nothing(database: Database, address: str) -> None:
    database.store([record(1)])
    database.connection.execute("DROP TABLE sitehub.record_2026_11")
    database.store([record(1)])
    again = open_database(address, None)
    again.store([record(2)])
    again.close()
    found = rows(address, "SELECT tableoid::regclass::text, seq FROM sitehub.record ORDER BY seq")
    assert found == [("sitehub.record_other", 1), ("sitehub.record_other", 2)]


def test_a_record_that_the_hub_has_erased_replaces_it(database: Database, address: str) -> None:
    database.store([record(1)])
    shell = record(1, name=None, uuid=None, erased=True)
    database.store([shell])
    database.store([record(1)])
    found = rows(address, "SELECT erased, body->>'name' FROM sitehub.record")
    assert found == [(True, None)]


def test_the_latest_change_of_an_alarm_counts(database: Database, address: str) -> None:
    database.store([alarm(1, 5, "acknowledged"), alarm(1, 4, "new")])
    database.store([alarm(1, 3, "new")])
    assert rows(address, "SELECT number, state FROM sitehub.alarm") == [(5, "acknowledged")]
    database.store([alarm(1, 6, "closed")])
    assert rows(address, "SELECT number, state FROM sitehub.alarm") == [(6, "closed")]


def test_a_gap_that_is_told_again_is_there_once(database: Database, address: str) -> None:
    database.store([gap(3, 9, "the disk was full"), gap(3, 9, "the disk was full")])
    found = rows(address, "SELECT first_seq, last_seq, reason FROM sitehub.gap")
    assert found == [(3, 9, "the disk was full")]


def test_what_cannot_be_read_is_kept_as_it_came(database: Database, address: str) -> None:
    counts = database.store([record(1), message("rec", b"\0no JSON"), record(2)])
    assert counts == Counts(records=2, unreadable=1)
    found = rows(address, "SELECT subject, payload FROM sitehub.unreadable")
    assert found == [("sitehub.3.site-1.rec", b"\0no JSON")]


def test_a_header_that_postgresql_does_not_take_holds_up_nothing(
    database: Database, address: str
) -> None:
    strange = message("rec", b"x", **{"a\0b": "c\0d"})
    assert database.store([record(1), strange]) == Counts(records=1, unreadable=1)
    found = rows(address, "SELECT headers->>'a\\x00b' FROM sitehub.unreadable")
    assert found == [(r"c\x00d",)]


def test_what_postgresql_refuses_holds_up_nothing(database: Database, address: str) -> None:
    large = record(2, extra={"n": 1}).payload.replace(b'{"n":1}', b'{"n":1e1000000}')
    counts = database.store([record(1), message("rec", large), record(3)])
    assert counts == Counts(records=2, unreadable=1)
    assert rows(address, "SELECT seq FROM sitehub.record ORDER BY seq") == [(1,), (3,)]
    assert rows(address, "SELECT payload FROM sitehub.unreadable") == [(large,)]
    # It is not lost either, also if it is the last one.
    database.store([message("rec", large, seq=9)])
    assert rows(address, "SELECT name, seq FROM sitehub.stream") == [(STREAM, 9)]


def test_a_picture_is_a_file_that_replaces_itself(database: Database, tmp_path: Path) -> None:
    database.store([picture(12_345, b"JPEG"), record(12_345)])
    database.store([picture(12_345, b"JPEG")])
    folder = tmp_path / "pictures" / "site-1" / LOG / "1"
    assert [path.name for path in folder.iterdir()] == ["12345-face.jpg"]
    assert (folder / "12345-face.jpg").read_bytes() == b"JPEG"


def test_an_erasure_empties_records_and_alarms_and_deletes_pictures(
    database: Database, address: str, tmp_path: Path
) -> None:
    database.store([picture(seq, b"JPEG") for seq in (1, 2, 3)])
    database.store([*(record(seq) for seq in (1, 2, 3)), alarm(2, 1)])
    database.store([erasure((2, 3))])
    found = rows(address, "SELECT seq, erased, body::text FROM sitehub.record ORDER BY seq")
    assert [(seq, erased, "王芳" in body) for seq, erased, body in found] == [
        (1, False, True),
        (2, True, False),
        (3, True, False),
    ]
    assert "王芳" not in rows(address, "SELECT body::text FROM sitehub.alarm")[0][0]
    left = [path.name for path in (tmp_path / "pictures").rglob("*.jpg")]
    assert left == ["1-face.jpg"]


def test_what_comes_after_its_erasure_is_stored_empty(
    database: Database, address: str, tmp_path: Path
) -> None:
    database.store([erasure((2, 2))])
    database.store([picture(2, b"JPEG"), record(2), picture(3, b"JPEG"), record(3)])
    found = rows(address, "SELECT seq, erased, body ? 'name' FROM sitehub.record ORDER BY seq")
    assert found == [(2, True, False), (3, False, True)]
    left = [path.name for path in (tmp_path / "pictures").rglob("*.jpg")]
    assert left == ["3-face.jpg"]


def test_erasures_that_overlap_become_one(database: Database, address: str) -> None:
    database.store([erasure((5, 6), (8, 8), (20, 30)), erasure((1, 1))])
    database.store([erasure((20, 22)), erasure((4, 9)), erasure((9, 11), (29, 40))])
    found = rows(address, "SELECT first_seq, last_seq FROM sitehub.erasure ORDER BY first_seq")
    assert found == [(1, 1), (4, 11), (20, 40)]
    database.store([record(seq) for seq in (1, 2, 3, 4, 7, 11, 12, 19, 20, 40, 41)])
    found = rows(address, "SELECT seq FROM sitehub.record WHERE erased ORDER BY seq")
    assert found == [(1,), (4,), (7,), (11,), (20,), (40,)]


def test_ranges_that_overlapped_in_an_earlier_version_are_joined(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "migrations", lambda: {1: _STEPS[1]})
        open_database(address, None).close()
    rows(
        address,
        "INSERT INTO sitehub.erasure (hub, log, first_seq, last_seq) VALUES "
        "('a', '1', 1, 9), ('a', '1', 2, 3), ('a', '1', 9, 12), ('a', '1', 20, 21), "
        "('a', '2', 2, 3), ('b', '1', 2, 3) RETURNING hub",
    )
    open_database(address, None).close()
    found = rows(
        address, "SELECT hub, log, first_seq, last_seq FROM sitehub.erasure ORDER BY 1,2,3"
    )
    assert found == [
        *(("a", "1", 1, 12), ("a", "1", 20, 21)),
        *(("a", "2", 2, 3), ("b", "1", 2, 3)),
    ]


def test_an_erasure_takes_what_could_not_be_read_too(database: Database, address: str) -> None:
    broken = [message("rec", b"Wang Fang", seq=seq) for seq in (1, 2)]
    other = message("rec", b"Wang Fang", hub="site-2", seq=2)
    database.store([*broken, other, message("rec", b"x", **{"Sitehub-Seq": "x"})])
    database.store([erasure((2, 3))])
    found = rows(address, "SELECT subject, headers->>'Sitehub-Seq' FROM sitehub.unreadable")
    assert sorted(found) == [
        ("sitehub.3.site-1.rec", "1"),
        ("sitehub.3.site-1.rec", "x"),
        ("sitehub.3.site-2.rec", "2"),
    ]


def test_an_erasure_is_of_one_hub_and_one_log(database: Database, address: str) -> None:
    database.store([record(1), record(1, hub="site-2"), record(1, log="0b" * 16)])
    database.store([erasure((0, 2**63 - 1), hub="site-2")])
    found = rows(address, "SELECT hub, log FROM sitehub.record WHERE erased")
    assert found == [("site-2", LOG)]


def test_a_hub_is_as_far_as_its_last_record(database: Database, address: str) -> None:
    late = "2026-11-25T09:00:00.000Z"
    database.store([record(8, received_at=late), record(7), gap(1, 2)])
    # The log comes once more, because the stream was made anew.
    database.store([record(1)])
    hub = database.hubs()[0]
    assert (hub.name, hub.partition, hub.log, hub.seq) == ("site-1", 3, LOG, 8)
    assert hub.seen_at is not None
    assert hub.lag is not None


def test_two_centres_store_the_same_records_once(
    postgres: object, address: str, tmp_path: Path
) -> None:
    batches = [[record(seq) for seq in range(part, 400, 3)] for part in range(3)]
    failures: list[BaseException] = []

    def store(order: list[list[Received]]) -> None:
        database = open_database(address, None)
        try:
            for batch in order:
                database.store(batch)
        except BaseException as error:
            failures.append(error)
        finally:
            database.close()

    orders = (batches, batches[::-1], [one[::-1] for one in batches])
    threads = [Thread(target=store, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(address, "SELECT count(*), count(DISTINCT seq) FROM sitehub.record") == [(400, 400)]


def test_what_can_be_read_again_is_told_apart_from_what_is_gone(database: Database) -> None:
    made = datetime(2026, 11, 1, tzinfo=UTC)
    put_back = Consumed(ack_floor=Floor(100), created=made, oldest=50)
    (lost,) = database.note_streams({STREAM: put_back})
    assert lost == Lost(STREAM, 1, 100, oldest=50)
    assert "lost up to 51 messages" in str(lost)
    assert "up to 49 messages are gone" in str(lost)
    # Nobody has read it again before all of it was gone.
    (gone,) = database.note_streams({STREAM: replace(put_back, oldest=101)})
    assert not gone.readable
    assert "up to 100 messages are gone" in str(gone)
    assert "read-again" not in str(gone)
    # That begins with what there is.
    read_again = Consumed(ack_floor=Floor(49), created=made + timedelta(1), oldest=50)
    assert database.note_streams({STREAM: read_again}) == []


def test_what_expired_before_anybody_took_it_is_gone(database: Database) -> None:
    untouched = Consumed(created=datetime(2026, 11, 1, tzinfo=UTC), oldest=4)
    assert database.note_streams({STREAM: untouched}) == [Lost(STREAM, 1, 3, oldest=4)]


def test_a_database_of_a_later_version_is_refused(database: Database, address: str) -> None:
    database.connection.execute("UPDATE sitehub.version SET number = 99")
    with pytest.raises(StartFault, match="later version"):
        open_database(address, None)


def test_every_migration_follows_the_one_before(address: str) -> None:
    assert list(_STEPS) == list(range(1, len(_STEPS) + 1))
    open_database(address, None).close()
    open_database(address, None).close()
    latest = max(_STEPS)
    assert rows(address, "SELECT number FROM sitehub.version") == [(latest,)]


def test_how_far_many_hubs_are_is_written_once_for_some_transactions(address: str) -> None:
    database = open_database(address, None)
    names = [f"site-{number}" for number in range(300)]
    for seq in (1, 2, 3):
        database.store([record(seq, name) for name in names])
    database.store([record(4, "site-7"), record(2, "site-7"), message("gap", {}, "site-7")])
    assert {hub.name: hub.seq for hub in database.hubs()} == {
        name: 4 if name == "site-7" else 3 for name in names
    }
    # Once there are few, at once.
    database.store([record(5, "site-7")])
    assert rows(address, "SELECT seq FROM sitehub.hub WHERE name = 'site-7'") == [(5,)]
    database.close()


def test_records_of_many_hubs_take_as_few_statements_as_those_of_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str) -> None:
        real = getattr(psycopg.Cursor, name)

        def call(self: Any, sql: Any, rows: Any = None, *args: Any, **options: Any) -> Any:
            asked.extend([str(sql)] * (len(rows) if name == "executemany" else 1))
            return real(self, sql, rows, *args, **options)

        monkeypatch.setattr(psycopg.Cursor, name, call)

    database.store([record(1)])  # It makes the table of the month.
    for name in ("execute", "executemany", "copy"):
        counted(name)
    database.store([record(seq) for seq in range(2, 302)])
    of_one = len(asked)
    asked.clear()
    database.store([record(1, f"hub-{number}") for number in range(300)])
    assert len(asked) <= of_one <= 9
    # One for all of them, and after seconds rather than with each transaction.
    assert sum("INTO sitehub.hub " in one for one in asked) <= 1
