"""A damaged record is shown in its place, and stops no reader."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.services.site.status.health import HealthReason
from hub.wire.uploads.records import EventDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.stores import drop_day

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
    "a name with wrong bytes": ("device_name", b"Ga\xffte"),
    "a serial number with wrong bytes": ("sn", b"\xff"),
    "a did with wrong bytes": ("did", b"\xff"),
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


async def test_programs_get_it_in_its_place(damaged: PageSite) -> None:
    bearer = await damaged.hub.bearer()
    program = Visitor(damaged)
    page = await program.get("/api/hub/v1/records", **bearer)
    assert page.status_code == 200
    items = json.loads(program.text)["items"]
    assert [item["seq"] for item in items] == [1, 2, 3]
    assert [item.get("damaged") for item in items] == [None, True, None]
    assert (await program.get("/api/hub/v1/records/2", **bearer)).status_code == 200
    assert json.loads(program.text) == items[1]
    for path in items[1]["images"].values():
        assert (await program.get(path, **bearer)).status_code in (200, 404)


async def test_people_see_it_in_its_place(damaged: PageSite) -> None:
    visitor = await Visitor.signed_in(damaged)
    assert (await visitor.get("/")).status_code == 200
    assert [visitor.text.count(f'href="/records/{seq}"') for seq in (1, 2, 3)] == [1, 1, 1]
    assert "Damaged" in visitor.text
    assert (await visitor.get("/records/2")).status_code == 200
    assert "is damaged on the disk" in visitor.text
    for path in ("/media/2/face.png", "/media/2/face.jpg"):
        assert (await visitor.get(path)).status_code in (200, 404)


async def test_followers_of_the_log_go_on_behind_it(damaged: PageSite) -> None:
    with damaged.services.records.open_reader(after=0) as reader:
        records = await reader.next()
    assert [(record.seq, record.damaged) for record in records] == [
        (1, False),
        (2, True),
        (3, False),
    ]


async def test_it_is_counted(damaged: PageSite) -> None:
    await damaged.services.records.get(2)
    assert damaged.hub.store.damaged_rows.counts() == {"record": 1}


async def test_the_hub_stays_well_and_names_the_loss(site: PageSite) -> None:
    """A service manager or load balancer must not restart or leave out the hub because of it."""
    program = Visitor(site)
    loss = HealthReason("damaged-rows", {"where": "records (1)"})
    site.health_reasons = [HealthReason("backup-failed", {"reason": "the disk is full"}), loss]
    assert (await program.get("/healthz")).status_code == 200
    assert json.loads(program.text) == {"status": "ok", "degraded": [loss.text]}
    full = HealthReason("cannot-store", {"reason": "the disk is full"})
    site.health_reasons.append(full)
    assert (await program.get("/healthz")).status_code == 503
    assert json.loads(program.text) == {"status": "unwell", "reasons": [full.text]}


async def test_it_is_held_exported_and_erased_like_any_other(damaged: PageSite) -> None:
    bearer = await damaged.hub.bearer()
    visitor = await Visitor.signed_in(damaged)
    hold = await damaged.hub.store.holds.create(_new_hold(), [1, 2, 3])
    assert (await visitor.get(f"/evidence/{hold.hold.id}")).status_code == 200
    assert (await visitor.get(f"/evidence/{hold.hold.id}/export")).status_code == 200
    program = Visitor(damaged)
    path = f"/api/hub/v1/holds/{hold.hold.id}/records"
    assert (await program.get(path, **bearer)).status_code == 200
    json.loads(program.text)
    await _erase(damaged, 2)
    assert (await damaged.services.records.get(2)).erased


async def test_a_day_with_it_goes(damaged: PageSite) -> None:
    (day,) = damaged.hub.store.retention.days()
    hold = await damaged.hub.store.holds.create(_new_hold(), [1, 2, 3])
    damaged.clock.advance(2 * 86_400)
    await drop_day(damaged.hub.store, day.day)
    assert (await damaged.services.records.get(2)).seq == 2
    assert damaged.hub.store.retention.days() == []
    await damaged.hub.store.holds.end(hold.hold.id, "user admin", damaged.clock.ms)
    await damaged.hub.store.evidence.remove_released()


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
