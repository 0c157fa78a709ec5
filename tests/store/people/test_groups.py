"""Groups of cameras in the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.errors import AlreadyExists, BadParameter, HubError, NoSuchResource
from hub.store.db import Store
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        await store.devices.add(
            [NewDevice(sn=f"SN{did}", code="CODE0001", did=did) for did in ("1", "2", "10")]
        )
        yield store


async def test_groups_are_there_again_after_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock) as store:
        await store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1")])
        gate = await store.camera_groups.add("Gate", ["1"])
        annex = await store.camera_groups.add("annex", [])
    async with opened(tmp_path, clock) as store:
        assert store.camera_groups.all() == (annex, gate)
        assert store.camera_groups.of_device("1") == (gate,)


async def test_groups_that_are_added_at_once_cannot_have_one_name(store: Store) -> None:
    refused: list[HubError] = []

    async def add(name: str) -> None:
        try:
            await store.camera_groups.add(name, [])
        except AlreadyExists as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        for name in ("Gate", "gate", "ＧＡＴＥ"):
            nursery.start_soon(add, name)
    assert len(refused) == 2
    assert len(store.camera_groups.all()) == 1


@pytest.mark.parametrize("id", [7, 0, 10**30])
async def test_a_group_that_is_not_there_cannot_be_removed(id: int, store: Store) -> None:
    with pytest.raises(NoSuchResource):
        await store.camera_groups.remove(id)


async def test_a_refused_change_changes_nothing(store: Store) -> None:
    gate = await store.camera_groups.add("Gate", ["1", "10"])
    with pytest.raises(BadParameter, match="no device 7"):
        await store.camera_groups.change(gate.id, "Hall", ["1", "7"])
    with pytest.raises(NoSuchResource):
        await store.camera_groups.change(9, "Hall")
    assert store.camera_groups.get(gate.id) == gate


async def test_the_number_of_groups_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.people.groups.MAX_GROUPS", 1)
    await store.camera_groups.add("Gate", [])
    with pytest.raises(BadParameter, match="at most 1 groups"):
        await store.camera_groups.add("Hall", [])


async def test_a_removed_device_leaves_its_groups(store: Store) -> None:
    gate = await store.camera_groups.add("Gate", ["1", "2"])
    await store.devices.remove("2")
    assert store.camera_groups.get(gate.id).dids == ("1",)
