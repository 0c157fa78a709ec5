"""A camera that raises too many alarms takes no room from others (D11)."""

from __future__ import annotations

import secrets

import pytest

from hub.store.alarms import raising
from hub.store.commit.record_batch import RecordBatch
from hub.store.tables import alarms as alarm_table
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail, HubDetail
from tests.services.alarms.conftest import MEI, AlarmSite


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising, "MAX_ACTIVE", 12)
    monkeypatch.setattr(alarm_table, "MAX_CLOSED", 12)


async def flood(site: AlarmSite, count: int, *, did: str = "9", group: int = 1) -> list[int]:
    """Let a camera report people of category 2 that nobody knows, some in one commit."""
    seqs: list[int] = []
    for start in range(0, count, group):
        uploads = [
            CheckedUpload(
                kind="face",
                occurred_at=site.at,
                detail=FaceDetail(uuid=f"{did}00{start + n}", category=2),
            )
            for n in range(group)
        ]
        batch = RecordBatch(
            uploads,
            did=did,
            sn="SN",
            device_name="x",
            digest=secrets.token_bytes(16),
            arrived_at=0,
        )
        seqs += (await site.hub.store.records.append(batch)).seqs
    return seqs


async def problem(site: AlarmSite, cause: str) -> int:
    detail = HubDetail(cause, "low", {})
    return await site.hub.add(CheckedUpload(kind="hub", occurred_at=site.at, detail=detail), did="")


@pytest.mark.parametrize("group", [1, 30])
async def test_it_closes_no_alarm_of_another_camera(site: AlarmSite, group: int) -> None:
    others = [
        await site.event(1, did="1"),
        await site.face(category=2, uuid="8", did="2"),
        await problem(site, "disk-low"),
    ]
    await flood(site, 60, group=group)
    assert others == [one.seq for one in site.active()][:3]
    assert len(site.active()) <= 12


async def test_nor_keeps_another_camera_from_raising_one(site: AlarmSite) -> None:
    await flood(site, 60)
    others = [await site.event(1, did="1"), await site.event(2, did="1")]
    await flood(site, 60, did="8")
    assert {*others} <= {one.seq for one in site.active()}


async def test_its_severe_alarms_go_last(site: AlarmSite) -> None:
    fire = await site.event(8, did="9")
    person = await site.face(category=2, uuid="8", did="9")
    # So many types are minor.
    seqs = [await site.event(kind, did="9") for kind in range(100, 140)]
    active = [one.seq for one in site.active()]
    assert active[:2] == [fire, person]
    assert active[2:] == seqs[-len(active[2:]) :]


async def test_a_minor_alarm_is_closed_at_once_if_all_others_are_severe(site: AlarmSite) -> None:
    kept = await flood(site, 12)
    with site.hub.services.core.alarm_changes.subscribe() as feed:
        minor = await site.event(1, did="9")
        found = [(change.alarm.seq, change.change) for change in await feed.next()]
    assert found == [(minor, "raised"), (minor, "closed")]
    assert [one.seq for one in site.active()] == kept
    steps = [(step.step, step.who) for step in await site.alarms.history(minor)]
    assert steps == [("raised", ""), ("closed", "")]


async def test_what_another_camera_has_seen_as_well_goes_last(site: AlarmSite) -> None:
    seen = await site.face(category=2, uuid="8", did="9")
    await site.face(category=2, uuid="8", did="1")
    await flood(site, 60)
    assert seen in {one.seq for one in site.active()}


async def test_a_damaged_alarm_does_not_refuse_uploads_of_a_flood(site: AlarmSite) -> None:
    await site.event(1, did="1")
    await site.hub.store.write(lambda c: c.execute("UPDATE alarm SET dids = 'x'").rowcount)
    await flood(site, 60)
    assert len(site.active()) <= 12


async def close_all(site: AlarmSite, note: str = "") -> None:
    await site.alarms.close([one.seq for one in site.active()], note, MEI)


async def tidy(site: AlarmSite) -> list[int]:
    await site.hub.store.alarms.forget_excess()
    return [one.seq for one in await site.all()]


async def test_closed_alarms_of_one_camera_push_out_none_of_others(site: AlarmSite) -> None:
    other = await site.event(1, did="1")
    await close_all(site)
    for _ in range(5):
        await flood(site, 5)
        await close_all(site)
    left = await tidy(site)
    assert other in left
    assert len(left) == 12


async def test_closed_alarms_that_are_severe_or_have_a_note_go_last(site: AlarmSite) -> None:
    noted, fire = await site.event(1, did="9"), await site.event(8, did="9")
    await site.alarms.close([noted], "a cat", MEI)
    await site.alarms.close([fire], "", MEI)
    minor = []
    for kind in range(100, 130):
        minor.append(await site.event(kind, did="9"))
        await site.alarms.close(minor[-1:], "", MEI)
    assert await tidy(site) == [noted, fire, *minor[-10:]]
