"""Rows that do not decode are left out: they allow nothing, and delete nothing that is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.errors import NoSuchResource
from hub.store.sqlite.sql import one
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.devices import NewDevice
from hub.store.tables.holds import NewHold
from hub.store.tables.users import User
from tests.support.clock import FrozenClock
from tests.support.stores import batch_of, opened, upload


def damage(data_dir: Path, sql: str) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount == 1, sql


@pytest.mark.parametrize("change", ["role = 'boss'", "enabled = 3", "created_at = -1"])
async def test_a_user_is_nobody_until_entered_again(
    tmp_path: Path, clock: FrozenClock, change: str
) -> None:
    mei = User("mei", "guard", "hash", clock.ms)
    async with opened(tmp_path, clock) as store:
        await store.users.add(mei)
    damage(tmp_path, f"UPDATE user SET {change}")
    async with opened(tmp_path, clock) as store:
        assert store.users.get("mei") is None
        assert store.damaged_rows.names() == ("user (1: mei)",)
        await store.users.add(mei)
    async with opened(tmp_path, clock) as store:
        assert store.users.all() == (mei,)
        assert store.damaged_rows.names() == ()


@pytest.mark.parametrize("change", ["enabled = 2", "code = x'00'", "secret = x'00'"])
async def test_a_camera_is_unknown_until_enrolled_again(
    tmp_path: Path, clock: FrozenClock, change: str
) -> None:
    new = NewDevice(sn="SN1", code="CODE0001")
    async with opened(tmp_path, clock) as store:
        await store.devices.add([NewDevice(sn="SN2", code="CODE0002", did="2"), new])
    damage(tmp_path, f"UPDATE device SET {change} WHERE sn = 'SN1'")
    async with opened(tmp_path, clock) as store:
        assert store.devices.by_sn("SN1") is None
        (added,) = await store.devices.add([new])
        assert [device.sn for device in store.devices.all()] == ["SN2", "SN1"]
        assert store.devices.secrets(added.did).code == "CODE0001"


@pytest.mark.parametrize("change", ["read_only = 7", "secret = x'00'"])
async def test_a_key_opens_nothing(tmp_path: Path, clock: FrozenClock, change: str) -> None:
    async with opened(tmp_path, clock) as store:
        await store.api_keys.add(ApiKey("K1", "vms", True, clock.ms), "secret")
    damage(tmp_path, f"UPDATE api_key SET {change}")
    async with opened(tmp_path, clock) as store:
        assert not store.api_keys.fits("K1", "secret")


@pytest.mark.parametrize("change", ["until = -1", "ended_at = -1"])
async def test_a_hold_does_not_end_and_keeps_its_records(
    tmp_path: Path, clock: FrozenClock, change: str
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch_of(clock, [upload(clock)]))
        new = NewHold(reason="a theft", created_by="user mei", created_at=clock.ms)
        hold = (await store.holds.create(new, [1])).hold
        kind = "CAST(x'ff' AS TEXT)"
        await store.write(
            lambda c: c.execute(f"UPDATE hold SET source = {kind}, {change}") and None
        )
        assert await store.holds.end_due(clock.ms) == []
        await store.holds.finish_ends()
        with pytest.raises(NoSuchResource):
            await store.holds.end(hold.id, "user mei", clock.ms)
        assert await store.holds.newest() == ()
        assert store.damaged_rows.names() == (f"hold (1: {hold.id})",)
        (day,) = store.retention.days()
        clock.advance(2 * 86_400)
        await store.retention.forget_day(day.day)
        await store.retention.finish_drops()
        await store.evidence.remove_released()
        assert await store.read(lambda c: one(c, "SELECT count(*) FROM record")) == 1
