"""A hub that was restored from a backup sends again what the centre has: it is there once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.central.counts import Counts
from hub.central.messages import Sender
from hub.central.pictures import PictureFolder
from hub.central.received import Received
from hub.central.succession import Lineage, Span
from tests.central.messages import alarm, erasure, log_is, person_erased, picture, record
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import Database, open_database

OLD, NEW, NEWER = "0a" * 16, "0b" * 16, "0c" * 16
PERSON, OTHER = "1234567890", "42"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def database(address: str, pictures: Path) -> Iterator[Database]:
    database = open_database(address, PictureFolder(pictures))
    yield database
    database.close()


def at(seq: int, minute: int) -> str:
    return f"2026-11-25T08:{minute:02}:{seq:02}.000Z"


def old(seq: int, **fields: Any) -> Received:
    return record(seq, log=OLD, received_at=at(seq, 0), **fields)


def new(seq: int, same_up_to: int = 3, **fields: Any) -> Received:
    """Of the log after the restore: the first ones are those of the earlier log."""
    return record(seq, log=NEW, received_at=at(seq, 0 if seq <= same_up_to else 30), **fields)


#: Backup at 3, lost at 5, then two more.
BEFORE = [log_is(OLD), *(old(seq) for seq in range(1, 6))]
AFTER = [log_is(NEW, (OLD, 3), at=50), *(new(seq) for seq in range(1, 6))]
ALL = [(OLD, 1), (OLD, 2), (OLD, 3), (OLD, 4), (OLD, 5), (NEW, 4), (NEW, 5)]
_SEQS = "SELECT log, seq FROM sitehub.record ORDER BY log, seq"
_LEFT = "SELECT log, seq FROM sitehub.record WHERE NOT erased ORDER BY log, seq"


def test_what_a_restored_hub_sends_again_is_there_once(database: Database, address: str) -> None:
    assert database.store(BEFORE) == Counts(records=5)
    assert database.store(AFTER) == Counts(records=2, repeated=3)
    assert rows(address, _SEQS) == sorted(ALL)
    assert rows(address, "SELECT hub, count(*) FROM sitehub.record GROUP BY hub") == [("site-1", 7)]
    found = rows(address, "SELECT log, ended_at IS NULL FROM sitehub.log ORDER BY log")
    assert found == [(OLD, False), (NEW, True)]


def test_what_the_centre_had_not_of_the_earlier_log_is_taken(
    database: Database, address: str
) -> None:
    database.store([log_is(OLD), old(1), old(5)])
    database.store(AFTER)
    assert rows(address, _SEQS) == sorted(set(ALL) - {(OLD, 4)})


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_it_comes(
    database: Database, address: str, pictures: Path, seed: int
) -> None:
    files = [picture(seq, b"JPEG", log=log) for log in (OLD, NEW) for seq in (2, 5)]
    messages = [*BEFORE, *AFTER, *files, alarm(2, 9, log=OLD), alarm(2, 1, "acknowledged", log=NEW)]
    random.Random(seed).shuffle(messages)
    for one in messages:
        database.store([one])
    assert rows(address, _SEQS) == sorted(ALL)
    assert rows(address, "SELECT log, seq, state FROM sitehub.alarm") == [(OLD, 2, "acknowledged")]
    found = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.jpg"))
    logs = [(OLD, 2), (OLD, 5), (NEW, 5)]
    assert found == sorted(f"site-1/{log}/0/{seq}-face.jpg" for log, seq in logs)


def test_alarms_of_a_log_that_has_ended_are_closed(database: Database, address: str) -> None:
    database.store([log_is(OLD), alarm(1, 1, log=OLD), alarm(5, 2, log=OLD)])
    database.store([log_is(NEW, (OLD, 3), at=50)])
    assert rows(address, "SELECT state FROM sitehub.alarm") == [("closed",), ("closed",)]
    # What the hub still knows of stands as it says now.
    database.store([alarm(1, 1, log=NEW), alarm(5, 3, log=OLD)])
    found = rows(address, "SELECT log, seq, state FROM sitehub.alarm ORDER BY seq")
    assert found == [(OLD, 1, "new"), (OLD, 5, "closed")]


def test_alarms_stand_again_if_the_log_goes_on_after_all(database: Database, address: str) -> None:
    database.store([log_is(OLD), alarm(5, 2, log=OLD)])
    database.store([log_is(NEW, (OLD, 3), at=50), alarm(4, 1, log=NEW)])
    database.store([log_is(OLD, at=60)])
    found = rows(address, "SELECT log, state FROM sitehub.alarm ORDER BY log")
    assert found == [(OLD, "new"), (NEW, "closed")]
    # An old announcement that is read again changes nothing.
    database.store([log_is(NEW, (OLD, 3), at=50)])
    assert rows(address, "SELECT log FROM sitehub.log WHERE ended_at IS NULL") == [(OLD,)]


def test_a_hub_that_was_restored_twice_has_everything_once(
    database: Database, address: str
) -> None:
    database.store([*BEFORE, *AFTER])
    again = [
        record(seq, log=NEWER, received_at=at(seq, 0 if seq <= 3 else 30)) for seq in (1, 4, 5)
    ]
    database.store([log_is(NEWER, (NEW, 4), (OLD, 3), at=70), *again])
    assert rows(address, _SEQS) == sorted([*ALL, (NEWER, 5)])


def test_doubles_of_before_hubs_said_it_are_joined(database: Database, address: str) -> None:
    database.store([*BEFORE[1:], *AFTER[1:], erasure((2, 2), log=NEW)])
    assert rows(address, "SELECT count(*) FROM sitehub.record") == [(10,)]
    database.store([log_is(NEW, (OLD, 3), at=50)])
    assert rows(address, _SEQS) == sorted(ALL)
    assert rows(address, "SELECT log, seq FROM sitehub.record WHERE erased") == [(OLD, 2)]
    assert rows(address, "SELECT log, first_seq FROM sitehub.erasure") == [(OLD, 2)]


def test_what_is_not_the_same_is_not_taken_for_it(database: Database, address: str) -> None:
    other = record(2, log=NEW, received_at=at(2, 45))
    database.store([old(1), old(2), record(1, log=NEW, received_at=at(1, 45))])
    database.store([log_is(NEW, (OLD, 3), at=50), other])
    assert rows(address, "SELECT count(*) FROM sitehub.record") == [(4,)]


def test_a_hub_is_as_far_as_the_log_that_it_has_now(database: Database) -> None:
    database.store([*BEFORE, *AFTER[:2]])
    (hub,) = database.hubs()
    assert (hub.log, hub.seq) == (NEW, 1)


def test_a_hub_whose_clock_was_ahead_once_goes_on(database: Database) -> None:
    database.store([record(1, received_at="2026-11-28T08:00:00Z")])
    database.store([record(2, received_at="2026-11-25T08:00:00Z")])
    (hub,) = database.hubs()
    assert hub.seq == 2


def test_an_erasure_reaches_what_the_backup_had_not(
    database: Database, address: str, pictures: Path
) -> None:
    files = [picture(5, b"JPEG", log=log) for log in (OLD, NEW)]
    database.store([*BEFORE[:-1], old(5), *AFTER, *files, alarm(5, 1, log=OLD)])
    database.store([record(4, log=OLD, received_at=at(4, 0), uuid=OTHER)])
    # The hub names what it has, and then whom it is about.
    database.store([erasure((1, 5), log=NEW), erasure((1, 3), log=OLD)])
    database.store([person_erased(PERSON, 5, log=NEW)])
    assert rows(address, _LEFT) == []
    assert list(pictures.rglob("*.jpg")) == []
    assert "王芳" not in rows(address, "SELECT body::text FROM sitehub.alarm")[0][0]


def test_an_erasure_reaches_what_the_hub_has_deleted_by_age(
    database: Database, address: str
) -> None:
    database.store([log_is(OLD), *(old(seq) for seq in (1, 2)), old(3, uuid=OTHER)])
    database.store([person_erased(PERSON, 3, log=OLD)])
    assert rows(address, "SELECT seq FROM sitehub.record WHERE NOT erased") == [(3,)]


def test_leading_zeros_make_no_other_person(database: Database, address: str) -> None:
    database.store([log_is(OLD), old(1, uuid=f"00{PERSON}"), old(2, uuid=f" {PERSON}")])
    database.store([person_erased(PERSON, 3, log=OLD), old(3, uuid=f"0{PERSON}")])
    assert rows(address, "SELECT seq FROM sitehub.record WHERE NOT erased") == []


def test_evidence_and_what_came_later_stay(database: Database, address: str) -> None:
    database.store([*BEFORE, *AFTER])
    database.store([person_erased(PERSON, 4, (2, 2), (4, 4), log=NEW)])
    found = rows(address, _LEFT)
    assert found == [(OLD, 2), (NEW, 4), (NEW, 5)]
    database.store([log_is(NEWER, (NEW, 5), (OLD, 3), at=200)])
    later = record(6, log=NEWER, received_at=at(6, 40))
    database.store([later])
    # Whatever is read again: the person was there after the erasure.
    database.store([person_erased(PERSON, 4, (2, 2), (4, 4), log=NEW), later])
    found = rows(address, _LEFT)
    assert found == [(OLD, 2), (NEW, 4), (NEW, 5), (NEWER, 6)]


def test_what_comes_again_of_an_erased_person_is_stored_empty(
    database: Database, address: str, pictures: Path
) -> None:
    database.store([log_is(OLD), *AFTER, person_erased(PERSON, 5, log=NEW)])
    assert PERSON not in str(rows(address, "SELECT * FROM sitehub.erased_person"))
    database.store([picture(5, b"JPEG", log=OLD), old(5), picture(4, b"JPEG", log=OLD)])
    database.store([old(4, uuid=OTHER), old(3)])
    found = rows(address, _LEFT)
    assert found == [(OLD, 4)]
    assert [path.name for path in pictures.rglob("*.jpg")] == ["4-face.jpg"]


def test_the_picture_of_an_access_record_goes_with_it(database: Database, address: str) -> None:
    access = old(1, kind="access", of=None)
    lone = [old(seq, kind="access", of=of, uuid=None) for seq, of in ((2, 1), (3, 9))]
    database.store([access, *lone, person_erased(PERSON, 3, log=OLD)])
    assert rows(address, "SELECT seq FROM sitehub.record WHERE NOT erased") == [(3,)]


def test_another_hub_is_not_concerned(database: Database, address: str) -> None:
    database.store(
        [record(1, hub="site-2"), log_is(NEW, (OLD, 3)), person_erased(PERSON, 9, log=NEW)]
    )
    assert rows(address, "SELECT hub, erased FROM sitehub.record") == [("site-2", False)]


def test_a_number_of_another_installation_is_another_person(
    database: Database, address: str, pictures: Path
) -> None:
    """A PC was replaced without a backup: people are numbered from the beginning again."""
    database.store([log_is(OLD), old(1), picture(1, b"JPEG", log=OLD), alarm(1, 1, log=OLD)])
    database.store([log_is(NEW, at=50), new(1, 0), person_erased(PERSON, 1, log=NEW)])
    assert rows(address, _LEFT) == [(OLD, 1)]
    # Also what comes late, or again.
    database.store([old(1), old(2), new(1, 0)])
    assert sorted(rows(address, _LEFT)) == [(OLD, 1), (OLD, 2)]
    assert [path.name for path in pictures.rglob("*.jpg")] == ["1-face.jpg"]
    assert "王芳" in rows(address, "SELECT body::text FROM sitehub.alarm")[0][0]


def test_two_installations_erase_the_same_number(database: Database, address: str) -> None:
    database.store([log_is(OLD), old(1), log_is(NEW, at=50), new(1, 0)])
    both = [person_erased(PERSON, 1, log=OLD, at=40), person_erased(PERSON, 1, log=NEW)]
    database.store(both)
    database.store([old(1), new(1, 0), old(2, uuid=OTHER)])
    assert rows(address, "SELECT seq FROM sitehub.record WHERE NOT erased") == [(2,)]


@pytest.mark.parametrize("seed", range(4))
def test_an_erasure_reaches_all_logs_that_are_tied(
    database: Database, address: str, seed: int
) -> None:
    """NEWER says that it continues NEW, and NEW that it continues OLD; in any order."""
    apart = "0d" * 16
    tied = [log_is(OLD), log_is(NEW, (OLD, 3), at=50), log_is(NEWER, (NEW, 4), at=60)]
    newer = record(6, log=NEWER, received_at=at(6, 50))
    other = record(1, log=apart, received_at=at(1, 55))
    messages = [*tied, log_is(apart, at=2), old(4), new(4), newer, other]
    messages.append(person_erased(PERSON, 6, log=NEWER))
    random.Random(seed).shuffle(messages)
    for one in messages:
        database.store([one])
    assert rows(address, "SELECT log FROM sitehub.record WHERE NOT erased") == [(apart,)]


def test_a_hostile_hub_holds_up_nothing(database: Database, address: str) -> None:
    circle = [log_is(OLD, (NEW, 9)), log_is(NEW, (OLD, 9), at=2)]
    most = 2**63 - 1
    database.store([*circle, record(most, log=OLD), person_erased(PERSON, most, log=NEW)])
    for number in range(20):
        earlier = [(f"{number:02x}{place:04x}", 5) for place in range(100)]
        database.store([log_is(f"{number:04x}", *earlier, at=number)])
    database.store([old(1)])
    assert rows(address, "SELECT count(*) FROM sitehub.record") == [(2,)]
    assert rows(address, "SELECT count(*) < 600 FROM sitehub.log") == [(True,)]


def test_a_record_is_kept_under_the_first_log_that_has_it() -> None:
    chain = Lineage([("a", "2", "1", 70), ("a", "3", "2", 100), ("b", "2", "1", 9)])
    third = Sender("a", 0, "3")
    assert [chain.log_of(third, seq) for seq in (70, 71, 100, 101)] == ["1", "2", "2", "3"]
    assert chain.spans(third) == [Span(0, 70, "1"), Span(71, 100, "2")]
    assert chain.cut(third, ((60, 80), (90, 120))) == {
        "1": [(60, 70)],
        "2": [(71, 80), (90, 100)],
        "3": [(101, 120)],
    }
    assert Lineage().cut(third, ((1, 2),)) == {"3": [(1, 2)]}


def test_logs_are_tied_that_continue_each_other_also_by_way_of_others() -> None:
    rows = [("a", "2", "1", 70), ("a", "4", "3", 9), ("a", "3", "2", 9), ("a", "6", "5", 9)]
    tied = Lineage([*rows, ("b", "1", "6", 9)])
    assert all(tied.is_tied("a", one, other) for one in "1234" for other in "1234")
    assert tied.is_tied("a", "5", "6")
    assert tied.is_tied("a", "7", "7")
    assert not tied.is_tied("a", "1", "6")
    assert not tied.is_tied("a", "7", "1")
