"""The relays of cameras and their sealed passwords."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.store.backup.making import (
    SiteDescription,
    take_working_copy,
    working_folder,
    write_backup,
)
from hub.store.backup.pace import Pace
from hub.store.backup.restore import restore
from hub.store.db import Store
from hub.store.offline.entries import check_entries
from hub.store.tables.device_relays import DeviceRelay
from hub.store.tables.devices import NewDevice
from tests.support.clock import NOON, FrozenClock
from tests.support.stores import opened

PASSWORD = "Kl9-gate"
RELAY = DeviceRelay(
    did="1",
    name="Front door",
    kind="door",
    seconds=5,
    address="192.168.1.20",
    is_own=True,
    port=80,
    tls=True,
    certificate="",
    username="operator",
)


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="12345678", did="1")])
        await store.relays.put(RELAY, PASSWORD, "S1")
        yield store


def run(data: Path, sql: str) -> None:
    """Change the database of a hub that does not run."""
    with closing(sqlite3.connect(data / "hub.sqlite")) as connection:
        connection.execute(sql)
        connection.commit()


async def test_a_relay_survives_a_restart_a_backup_and_its_restore(
    tmp_path: Path, clock: FrozenClock, store: Store
) -> None:
    file, site = io.BytesIO(), SiteDescription("Harbour", (), NOON)
    data = tmp_path / "data"

    def back_up() -> None:
        with working_folder(data) as folder:
            copy = take_working_copy(data, folder, Pace(), 0)
            write_backup(file, data, copy, site, pictures=True, passphrase=None, pace=Pace())

    await trio.to_thread.run_sync(back_up)
    new = tmp_path / "new"
    new.mkdir()
    source = io.BytesIO(file.getvalue())
    restore(source, Path("b"), new, passphrase=None, force=False, pace=Pace(), now=lambda: NOON)
    async with opened(new, clock) as again:
        assert again.relays.get("1") == RELAY
        assert again.relays.password("1") == PASSWORD


async def test_the_relay_of_a_camera_that_was_replaced_meanwhile_is_not_stored(
    store: Store,
) -> None:
    await store.relays.remove("1")
    with pytest.raises(NoSuchResource):
        await store.relays.put(RELAY, PASSWORD, "S2")
    assert store.relays.get("1") is None


async def test_only_the_first_certificate_is_pinned(store: Store) -> None:
    # Somebody has changed the address while the camera was asked.
    await store.relays.pin(replace(RELAY, address="192.168.1.66"), "ef" * 32)
    assert store.relays.get("1") == RELAY
    await store.relays.pin(RELAY, "ab" * 32)
    await store.relays.pin(RELAY, "cd" * 32)
    assert store.relays.get("1") == replace(RELAY, certificate="ab" * 32)
    await store.relays.pin(replace(RELAY, did="2"), "ab" * 32)
    assert store.relays.get("2") is None


@pytest.mark.parametrize(
    "change",
    ["address = '192.168.1.66'", "port = 81", "password = x'00'", "seconds = 999", "tls = 7"],
)
async def test_what_does_not_decode_or_is_of_another_place_is_left_out(
    tmp_path: Path, clock: FrozenClock, change: str
) -> None:
    data = tmp_path / "other"
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="S1", code="12345678", did="1")])
        await store.relays.put(RELAY, PASSWORD, "S1")
    run(data, f"UPDATE device_relay SET {change}")
    assert check_entries(data)[1].names() == ("device_relay (1: 1)",)
    async with opened(data, clock) as store:
        assert store.relays.get("1") is None
        assert store.damaged_rows.names() == ("device_relay (1: 1)",)
        await store.relays.put(RELAY, PASSWORD, "S1")
        assert store.relays.password("1") == PASSWORD
