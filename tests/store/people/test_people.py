"""The register in the store: what is damaged, where the sync stands, and what an erasure takes."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.clock_reading import Reading
from hub.store.db import Store
from hub.store.people import people
from hub.store.people.people import PersonFilter, PersonPut, SyncState
from hub.store.people.person_fields import PERSON_FIELDS, PersonEdit, PersonFacts
from hub.store.people.person_rows import Person, PersonChange
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened

JPEG = b"\xff\xd8\xff photo"


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        yield store


async def put(store: Store, pid: str, change: PersonChange) -> Person:
    (found,) = await store.people.put([PersonPut(pid=pid, change=change)], "user ada", 5)
    assert isinstance(found, Person)
    return found


ADA = PersonChange(name="Ada", category=2, valid_until=99, photo=JPEG, work_id="W-1")


async def damaged(path: Path, clock: FrozenClock, *assignments: str) -> Store:
    """Store Ada, damage her row, and open the store again."""
    async with opened(path, clock) as store:
        await put(store, "7", ADA)
    with closing(sqlite3.connect(path / "hub.sqlite", isolation_level=None)) as connection:
        for assignment in assignments:
            connection.execute(f"UPDATE person SET {assignment}")
    return store


@pytest.mark.parametrize("assignment", ["category = 77", "everywhere = 9", "valid_until = -1"])
async def test_a_person_whose_row_does_not_decode_is_left_out_and_can_be_entered_again(
    tmp_path: Path, clock: FrozenClock, assignment: str
) -> None:
    await damaged(tmp_path, clock, assignment)
    async with opened(tmp_path, clock) as store:
        page = await store.people.page(PersonFilter(), Reading(0, 0, 0), None, 10)
        assert page.items == ()
        assert store.damaged_rows.names() == ("person (1: 7)",)
        assert (await put(store, "7", ADA)).revision == 2
        assert await store.people.get("7") is not None


async def test_wrong_bytes_of_a_name_leave_nobody_out(tmp_path: Path, clock: FrozenClock) -> None:
    await damaged(tmp_path, clock, "name = CAST(x'41ff' AS TEXT)")
    async with opened(tmp_path, clock) as store:
        person = await store.people.get("7")
        assert person is not None
        assert person.name == "A\N{REPLACEMENT CHARACTER}"


async def test_revisions_and_pids_go_on_though_their_counters_are_damaged(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        (first,) = await store.people.put([PersonPut(change=ADA)], "ada", 5)
    with closing(sqlite3.connect(tmp_path / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE setting SET value = 'x' WHERE key LIKE 'store.%'")
        connection.execute("DELETE FROM setting WHERE key = 'store.key_check'")
    async with opened(tmp_path, clock) as store:
        (second,) = await store.people.put([PersonPut(change=ADA)], "ada", 5)
    assert isinstance(first, Person)
    assert isinstance(second, Person)
    assert (second.pid, second.revision) == ("1000002", first.revision + 1)


async def test_a_pid_that_somebody_has_on_a_camera_or_in_a_record_is_not_assigned(
    store: Store,
) -> None:
    await store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1")])

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO unknown_person VALUES ('1', '1000001', '{}')")
        connection.execute(
            "INSERT INTO holding (did, pid, msg, attempts) VALUES ('1', '1000002', '', 0)"
        )
        connection.execute(
            "INSERT INTO record (seq, kind, did, sn, device_name, occurred_at, received_at, uuid, "
            "detail, extra, images) VALUES (1, 'face', '1', 'SN1', '', 0, 0, '1000003', "
            "x'7b7d', x'7b7d', x'5b5d')"
        )

    await store.write(fill)
    (person,) = await store.people.put([PersonPut(change=ADA)], "ada", 5)
    assert isinstance(person, Person)
    assert person.pid == "1000004"


class Site:
    """A store with three cameras, of which the first two are managed, and the rows of holdings."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def begin(self) -> None:
        await self.store.devices.add(
            [NewDevice(sn=f"SN{did}", code="CODE0001", did=did) for did in ("1", "2", "3")]
        )
        for did, state in (("1", "managed"), ("2", "managed"), ("3", "alone")):
            await self.run(
                "INSERT INTO device_people (did, state, must_check, deletes_first, versions) "
                "VALUES (?, ?, 0, 0, '')",
                did,
                state,
            )

    async def hold(
        self, did: str, pid: str, revision: int | None, failed: int | None = None
    ) -> None:
        await self.run(
            "INSERT OR REPLACE INTO holding (did, pid, revision, failed_revision, msg, attempts) "
            "VALUES (?, ?, ?, ?, '', 0)",
            did,
            pid,
            revision,
            failed,
        )

    async def run(self, sql: str, *values: object) -> None:
        await self.store.write(lambda c: c.execute(sql, values) and None)

    async def state(self, now: int = 0, until: int | None = None) -> set[SyncState]:
        """The states by which the one person is found, which are those of its devices."""
        states: tuple[SyncState, ...] = ("failed", "pending", "done")
        at = Reading(now, earliest=now, latest=until or now)
        found = {
            state
            for state in states
            if await self.store.people.count(PersonFilter(state=state), at)
        }
        rows = await self.store.holdings.of_person("7", at)
        of_devices = {row.state for row in rows if row.device_state != "alone"}
        assert found == (of_devices - {"done"} or {"done"})
        return found


@pytest.fixture
async def site(store: Store) -> Site:
    site = Site(store)
    await site.begin()
    return site


async def test_a_person_is_done_once_all_managed_cameras_have_this_revision(site: Site) -> None:
    await put(site.store, "7", PersonChange(name="Ada", photo=JPEG))
    assert await site.state() == {"pending"}
    await site.hold("1", "7", 1)
    await site.hold("2", "7", None)
    assert await site.state() == {"pending"}
    await site.hold("2", "7", 1)
    assert await site.state() == {"done"}
    await put(site.store, "7", PersonChange(name="Bea"))
    assert await site.state() == {"pending"}


async def test_a_person_without_a_photo_is_nowhere(site: Site) -> None:
    await put(site.store, "7", PersonChange(name="Ada"))
    assert await site.state() == {"done"}
    await site.hold("1", "7", 1)
    assert await site.state() == {"pending"}


async def test_a_camera_that_waits_for_a_decision_counts(site: Site) -> None:
    await put(site.store, "7", PersonChange(name="Ada", photo=JPEG))
    await site.hold("1", "7", 1)
    await site.hold("2", "7", 1)
    assert await site.state() == {"done"}
    await site.run("UPDATE device_people SET state = 'undecided' WHERE did = '2'")
    await site.hold("2", "7", 0)
    assert await site.state() == {"pending"}


async def test_a_refusal_counts_until_the_person_changes(site: Site) -> None:
    await put(site.store, "7", PersonChange(name="Ada", photo=JPEG))
    await site.hold("1", "7", 1)
    await site.hold("2", "7", 0, failed=1)
    assert await site.state() == {"failed"}
    await site.hold("1", "7", 0)
    assert await site.state() == {"failed", "pending"}
    await put(site.store, "7", PersonChange(name="Bea"))
    assert await site.state() == {"pending"}


async def test_groups_and_times_decide_where_a_person_should_be(site: Site) -> None:
    gate = await site.store.camera_groups.add("Gate", ["1"])
    await put(
        site.store,
        "7",
        PersonChange(name="Ada", groups=(gate.id,), valid_from=10, photo=JPEG),
    )
    assert await site.state(now=9) == {"done"}
    assert await site.state(now=10) == {"pending"}
    await site.hold("1", "7", 1)
    assert await site.state(now=10) == {"done"}
    await site.store.camera_groups.change(gate.id, dids=["2"])
    assert await site.state(now=10) == {"pending"}
    await site.hold("2", "7", 1)
    assert await site.state(now=10) == {"pending"}  # the first has yet to lose it
    await site.hold("1", "7", 0)
    assert await site.state(now=10) == {"done"}
    await put(site.store, "7", PersonChange(valid_until=20))
    assert await site.state(now=20) == {"pending"}
    await site.hold("2", "7", 1, failed=0)
    assert await site.state(now=20) == {"failed"}


async def test_whoever_may_be_valid_or_not_should_be_where_they_are(site: Site) -> None:
    """Nobody knows what time it is: it may be before or after the end."""
    await put(site.store, "7", PersonChange(name="Ada", valid_until=20, photo=JPEG))
    await site.hold("1", "7", 1)
    assert await site.state(now=19) == {"pending"}
    assert await site.state(now=0, until=99) == {"done"}
    assert await site.state(now=20) == {"pending"}
    await site.hold("1", "7", 0, failed=0)
    await put(site.store, "7", PersonChange(name="Bea"))
    assert await site.state(now=0, until=99) == {"done"}
    await site.hold("1", "7", 1)
    assert await site.state(now=0, until=99) == {"pending"}


async def test_one_look_at_an_index_tells_who_is_on_all_cameras(store: Store) -> None:
    """At each camera, 20,000 people on 64 cameras would be looked up for most of a second."""
    plan = await store.read(
        lambda c: c.execute(
            f"EXPLAIN QUERY PLAN SELECT pid FROM person WHERE {people._STATES['pending']}",
            {"earliest": 0, "latest": 0},
        ).fetchall()
    )
    steps = [text for *_, text in plan]
    counted = "SEARCH holding USING COVERING INDEX holding_pid (pid=? AND revision=?)"
    assert steps.index(counted) < steps.index("SEARCH holding USING PRIMARY KEY (did=? AND pid=?)")


async def test_what_unknown_people_rows_and_the_audit_log_tell_goes_with_an_erased_person(
    site: Site,
) -> None:
    await put(site.store, "7", ADA)
    await site.hold("1", "7", 1)
    for pid in ("7", "007", "70"):
        await site.run("INSERT INTO unknown_person VALUES ('3', ?, '{}')", pid)
    for target in ("7", "1 7", "17", "7 1", "70"):
        await site.store.audit.add(0, "user ada", "person.retry", target, "")
    await site.store.audit.add(0, "user ada", "device.add", "7", "")
    await site.store.people.erase("7")
    await site.store.people.erase("7")  # a crash may make it happen twice
    assert await site.store.people.get("7") is None
    assert await site.store.people.photo("7") is None
    unknown = await site.store.read(
        lambda c: c.execute("SELECT pid FROM unknown_person").fetchall()
    )
    assert unknown == [("70",)]
    entries = await site.store.audit.oldest(0, 100)
    assert [one.target for one in entries] == ["", "", "17", "7 1", "70", "7"]
    held = await site.store.read(lambda c: c.execute("SELECT pid FROM holding").fetchall())
    assert held == [("7",)]  # the camera has yet to delete it


def test_each_field_of_a_person_but_the_number_can_be_set() -> None:
    assert PersonEdit.__struct_fields__ == PersonFacts.__struct_fields__[1:]
    assert {*PersonChange.__struct_fields__} >= {*PERSON_FIELDS} - {"pid"}
