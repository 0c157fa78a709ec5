"""A record that does not decode is left out, stops no reader, and is removed like any other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.services.audit import COMMAND_LINE
from hub.services.problems import HealthReason
from hub.store.sqlite.sql import one
from hub.wire.uploads.records import EventDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.stores import drop_day
from web.health_answer import answer_of
from web.live_events import open_live_events

DAMAGE: dict[str, tuple[str, object]] = {
    "a detail that was cut": ("detail", b'{"name":"Li'),
    "a detail that is text": ("detail", b"\xff\xfe"),
    "a detail of another kind": ("detail", b'{"name":7}'),
    "extra fields that were cut": ("extra", b'{"score":9'),
    "extra fields with wrong bytes": ("extra", b'{"score":"\xff"}'),
    "extra fields that are a list": ("extra", b"[1]"),
    "pictures that were cut": ("images", b'[["face","image/png'),
    "pictures of an unknown type": ("images", b'[["face","text/html",0,4,"0"]]'),
    "pictures far beyond the pack": ("images", b'[["face","image/png",9e99,4,"0"]]'),
    "a picture larger than the pack": (
        "images",
        b'[["face","image/png",96,99999999999999,"0"]]',
    ),
    "a kind that is unknown": ("kind", "fa"),
    "a time beyond all calendars": ("occurred_at", 2**62),
    "a time of arrival beyond all calendars": ("received_at", 2**62),
}


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol()
        await site.add_record(pictures=("face",))
        await site.add_record(pictures=("face",), extra=b'{"score":91}')
        await site.add_record("event", EventDetail(2))
        yield site


def damage(data_dir: Path, seq: int, column: str, value: object) -> None:
    """Write what a failing disk may leave in a row."""
    cast = f"CAST(? AS {'TEXT' if column in ('did', 'sn', 'device_name') else 'BLOB'})"
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        how = cast if isinstance(value, bytes) else "?"
        connection.execute(f"UPDATE record SET {column} = {how} WHERE seq = ?", (value, seq))


@pytest.fixture(params=DAMAGE)
def damaged(request: pytest.FixtureRequest, site: PageSite, tmp_path: Path) -> PageSite:
    damage(tmp_path, 2, *DAMAGE[request.param])
    return site


async def test_programs_and_people_get_the_records_around_it(damaged: PageSite) -> None:
    bearer = await damaged.hub.bearer()
    program = Visitor(damaged)
    assert (await program.get("/api/hub/v1/records?limit=2", **bearer)).status_code == 200
    page = json.loads(program.text)
    assert ([item["seq"] for item in page["items"]], page["next"]) == ([1, 3], None)
    assert (await program.get("/api/hub/v1/records?limit=1", **bearer)).status_code == 200
    page = json.loads(program.text)
    assert [item["seq"] for item in page["items"]] == [1]
    assert (await program.get(f"/api/hub/v1/records?after={page['next']}", **bearer)).status_code
    assert [item["seq"] for item in json.loads(program.text)["items"]] == [3]
    assert (await program.get("/api/hub/v1/records/2", **bearer)).status_code == 404
    visitor = await Visitor.signed_in(damaged)
    assert (await visitor.get("/")).status_code == 200
    assert [visitor.text.count(f'href="/records/{seq}"') for seq in (1, 2, 3)] == [1, 0, 1]
    assert (await visitor.get("/records/2")).status_code == 404
    assert damaged.hub.store.damaged_rows.names() == ("record (1: 2)",)


async def test_followers_of_the_log_go_on_behind_it(damaged: PageSite) -> None:
    async def may_read() -> bool:
        return True

    with open_live_events(damaged.services, COMMAND_LINE, 0, may_read) as reader:
        news = await reader.next()
    assert news is not None
    assert [record.seq for record in news.records] == [1, 3]


async def test_the_hub_stays_well_and_names_the_loss(site: PageSite) -> None:
    """A service manager or load balancer must not restart or leave out the hub because of it."""
    health = site.services.upkeep.health
    loss = HealthReason("damaged-rows", {"where": "records (1)"})
    site.health_reasons = [HealthReason("backup-failed", {"reason": "the disk is full"}), loss]
    assert answer_of(health) == (200, {"status": "ok", "degraded": [loss.text]})
    full = HealthReason("cannot-store", {"reason": "the disk is full"})
    site.health_reasons.append(full)
    assert answer_of(health) == (503, {"status": "unwell", "reasons": [full.text]})


async def test_it_is_held_and_erased_like_any_other(damaged: PageSite) -> None:
    bearer = await damaged.hub.bearer()
    visitor = await Visitor.signed_in(damaged)
    hold = await damaged.hub.store.holds.create(_new_hold(), [1, 2, 3])
    assert (await visitor.get(f"/search/kept/{hold.hold.id}")).status_code == 200
    assert (await visitor.get(f"/search/kept/{hold.hold.id}/export")).status_code == 200
    program = Visitor(damaged)
    path = f"/api/hub/v1/holds/{hold.hold.id}/records"
    assert (await program.get(path, **bearer)).status_code == 200
    json.loads(program.text)
    await _erase(damaged, 2)
    rest = "SELECT count(*) FROM record WHERE seq = 2 AND (erased IS NULL OR images <> x'5b5d')"
    assert await damaged.hub.store.read(lambda c: one(c, rest)) == 0


async def test_a_day_with_it_goes(damaged: PageSite) -> None:
    (day,) = damaged.hub.store.retention.days()
    hold = await damaged.hub.store.holds.create(_new_hold(), [1, 2, 3])
    damaged.clock.advance(2 * 86_400)
    await drop_day(damaged.hub.store, day.day)
    kept = "SELECT count(*) FROM record"
    assert await damaged.hub.store.read(lambda c: one(c, kept)) == 3 - len(hold.missing)
    assert damaged.hub.store.retention.days() == []
    await damaged.hub.store.holds.end(hold.hold.id, "user admin", damaged.clock.ms)
    await damaged.hub.store.evidence.remove_released()
    # The event is kept with its alarm.
    assert await damaged.hub.store.read(lambda c: one(c, kept)) == 1


def _new_hold() -> object:
    from hub.store.tables.holds import NewHold

    return NewHold(reason="a theft", created_by="user admin", created_at=0)


async def _erase(site: PageSite, seq: int) -> None:
    from hub.store.tables.erasures import NewErasure, Subject

    subject = Subject(seqs=(seq,))
    store = site.hub.store
    await store.eraser.preview(subject, 3)
    id = await store.erasures.add(
        NewErasure(
            created_by="user admin",
            created_at=0,
            manner="records",
            subject=subject,
            with_held=True,
            last_seq=3,
        )
    )
    erasure = await store.erasures.get(id)
    assert erasure is not None
    await store.eraser.run(erasure, subject)
