"""Opening and closing the store, clean and unclean stops, and the key file."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path

import pytest
import trio
import trio_asyncio

from hub.errors import StartFault
from hub.store import opening
from hub.store.health import StoreHealth
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import batch, copy_as_left, opened


async def test_a_first_start_creates_the_data_directory(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "new" / "data"
    async with opened(data, clock) as store:
        assert store.clean_start
        assert store.records.last_seq == 0
        assert store.retention.days() == []
        assert store.health.can_store
    assert {path.name for path in data.iterdir()} == {"hub.sqlite", "hub.key", "media", "firmware"}


async def test_a_clean_stop_is_distinguished_from_a_crash(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        left = copy_as_left(data, tmp_path / "left")
    async with opened(data, clock) as store:
        assert store.clean_start
    async with opened(left, clock) as store:
        assert not store.clean_start
    async with opened(left, clock) as store:
        assert store.clean_start


async def test_a_start_cancelled_after_opening_its_connections_ends(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_bridges = opening._open_bridges
    start = trio.CancelScope()

    async def open_bridges_and_cancel(path: Path, loop: trio_asyncio.TrioEventLoop) -> object:
        bridges = await open_bridges(path, loop)
        start.cancel()
        return bridges

    monkeypatch.setattr(opening, "_open_bridges", open_bridges_and_cancel)
    with trio.fail_after(10), start:
        async with opened(tmp_path / "data", clock) as store:
            await store.records.append(batch(clock, 1))
    assert start.cancelled_caught
    monkeypatch.undo()
    async with opened(tmp_path / "data", clock) as store:
        assert store.clean_start


async def test_a_sound_database_passes_its_check(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        assert await store.check() == ""
        assert store.health == StoreHealth()


async def test_a_check_that_cannot_open_the_database_reports_no_damage(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_file_left(*how: object, **more: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    async with opened(tmp_path / "data", clock) as store:
        monkeypatch.setattr(opening, "open_bridge", no_file_left)
        assert await store.check() == ""
        assert store.health == StoreHealth()


@pytest.mark.expects_error("the store is damaged: hub.sqlite")
async def test_a_crash_makes_the_next_start_check_the_database_in_the_background(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def quick_check(connection: object) -> str:
        token.run_sync_soon(checked.set)
        return "row 7 missing from index record_did"

    monkeypatch.setattr(opening, "_quick_check", quick_check)
    data = tmp_path / "data"
    async with opened(data, clock):
        left = copy_as_left(data, tmp_path / "left")
    async with opened(left, clock) as store:
        with trio.fail_after(30):
            await checked.wait()
            while not store.health.damaged:
                await trio.lowlevel.checkpoint()
        assert "row 7" in store.health.damaged
        assert store.health.can_store


async def test_a_missing_key_file_stops_the_start_if_secrets_are_stored(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="S", code="12345678")])
    key = (data / "hub.key").read_bytes()
    (data / "hub.key").unlink()
    with pytest.raises(StartFault, match=r"hub\.key is missing.*backup"):
        async with opened(data, clock):
            pass
    assert not (data / "hub.key").exists()
    (data / "hub.key").write_bytes(key)
    async with opened(data, clock) as store:
        assert store.devices.secrets("1").code == "12345678"


async def test_the_key_of_another_database_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    for name in ("a", "b"):
        async with opened(tmp_path / name, clock) as store:
            await store.api_keys.add(ApiKey("A", "vms", False, 0), "secret")
    (tmp_path / "a" / "hub.key").write_bytes((tmp_path / "b" / "hub.key").read_bytes())
    with pytest.raises(StartFault, match="not the key of"):
        async with opened(tmp_path / "a", clock):
            pass


@pytest.mark.parametrize("content", [b"", b"no hex", b"ab" * 31, b"\xff\xfe"])
async def test_a_broken_key_file_stops_the_start(
    tmp_path: Path, clock: FrozenClock, content: bytes
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock):
        pass
    (data / "hub.key").write_bytes(content)
    with pytest.raises(StartFault, match="not a key file"):
        async with opened(data, clock):
            pass


async def test_a_key_file_that_could_not_be_written_is_created_at_the_next_start(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("hub.durable_files.os.fsync", full)
        with pytest.raises(StartFault, match="No space left"):
            async with opened(tmp_path / "data", clock):
                pass
        assert not (tmp_path / "data" / "hub.key").exists()
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([NewDevice(sn="S", code="12345678")])


async def test_a_missing_key_file_is_created_if_no_secrets_are_stored(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock):
        pass
    (data / "hub.key").unlink()
    for _ in range(2):
        async with opened(data, clock) as store:
            pass
    async with opened(data, clock) as store:
        await store.devices.add([NewDevice(sn="S", code="12345678")])
        assert store.devices.secrets("1").code == "12345678"


async def test_a_missing_database_stops_the_start_if_there_are_pictures(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
    (pack,) = (data / "media").glob("*.pack")
    whole = pack.read_bytes()
    (data / "hub.sqlite").unlink()
    with pytest.raises(StartFault, match=r"hub\.sqlite is missing.*from a backup, or move"):
        async with opened(data, clock):
            pass
    assert pack.read_bytes() == whole
    assert not (data / "hub.sqlite").exists()
