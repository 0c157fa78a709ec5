"""The settings that devices last accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.errors import NoSuchResource
from hub.store.db import Store
from hub.store.tables.device_settings import DeviceSetting
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="1"), NewDevice(sn="S2", code="1")])
        yield store


def setting(did: str = "1", name: Any = "face", **fields: Any) -> DeviceSetting:
    given = {"taken": '{"a":1}', "taken_at": 5, "uri": "/x", "code": 200, "msg": "OK", **fields}
    return DeviceSetting(did=did, name=name, answered_at=7, **given)


async def test_a_refusal_keeps_what_was_accepted_before(store: Store) -> None:
    refused = setting(taken=None, taken_at=None, uri=None, code=420, msg="no")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.device_settings.save, setting(), "S1")
        nursery.start_soon(store.device_settings.save, setting(uri="/y"), "S1")
    await store.device_settings.save(refused, "S1")
    kept = store.device_settings.get("1", "face")
    assert kept is not None
    assert (kept.taken, kept.taken_at, kept.code, kept.msg) == ('{"a":1}', 5, 420, "no")
    assert kept.uri in ("/x", "/y")


async def test_a_setting_replaces_the_one_before_and_survives_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    refused = setting(name="recording", taken=None, taken_at=None, uri=None, code=420)
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="1")])
        assert store.device_settings.get("1", "face") is None
        for one in (setting(code=404), setting(), refused):
            await store.device_settings.save(one, "S1")
    async with opened(tmp_path / "data", clock) as store:
        assert store.device_settings.get("1", "face") == setting()
        assert store.device_settings.get("1", "recording") == refused
        assert store.device_settings.get("2", "face") is None


async def test_settings_are_removed_with_the_device(store: Store) -> None:
    for did in ("1", "2"):
        await store.device_settings.save(setting(did), f"S{did}")
    await store.devices.remove("1")
    assert store.device_settings.get("1", "face") is None
    assert store.device_settings.get("2", "face") is not None
    with pytest.raises(NoSuchResource):
        await store.device_settings.save(setting("1"), "S1")
    assert store.device_settings.get("1", "face") is None


async def test_settings_are_forgotten_when_the_camera_is_replaced(
    tmp_path: Path, store: Store
) -> None:
    for did in ("1", "2"):
        await store.device_settings.save(setting(did), f"S{did}")
    await store.devices.change("1", DeviceChange(sn="ANOTHER"))
    assert store.device_settings.get("1", "face") is None
    assert store.device_settings.get("2", "face") is not None
    rows = await store.read(lambda c: c.execute("SELECT did FROM device_setting").fetchall())
    assert rows == [("2",)]
    with pytest.raises(NoSuchResource):
        await store.device_settings.save(setting("1"), "S1")
    assert store.device_settings.get("1", "face") is None
