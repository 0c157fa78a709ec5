"""A hub that is restored from a real backup: its records count once, and an erasure reaches all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from hub.__main__ import run as command
from hub.central.pictures import PictureFolder
from hub.central.received import Received, read_message
from hub.store.targets.target import Selection
from tests.services.forwarding.nats.conftest import STREAM, open_nats_forwarding
from tests.services.forwarding.test_erasures import NAME, NUMBER, add_person, erase_person
from tests.support.clock import FrozenClock
from tests.support.nats_server import Stored, running_nats
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import open_database


async def test_a_restored_hub_counts_once_and_its_erasure_reaches_what_the_backup_had_not(
    tmp_path: Path, clock: FrozenClock, address: str
) -> None:
    data, backup, pictures = tmp_path / "hub", tmp_path / "hub.backup", tmp_path / "pictures"
    with running_nats(tmp_path / "nats") as server:
        async with open_nats_forwarding(data, clock, server) as hub:
            selection = Selection(alarms=False, pictures="all")
            id = (await hub.add(selection=selection)).target.id
            await add_person(hub.hub, 2)
            await hub.until(id, lambda view: view.cursor.seq == 2)
        assert await _command("backup", str(backup), "--data", str(data)) == 0
        async with open_nats_forwarding(data, clock, server) as hub:
            await hub.hub.add_faces("Guo Jing", pictures=True)
            await add_person(hub.hub)
            await hub.until(id, lambda view: view.cursor.seq == 4)
        assert await _command("restore", str(backup), "--data", str(data), "--force") == 0
        async with open_nats_forwarding(data, clock, server) as hub:
            clock.advance(60)
            (last,) = await hub.hub.add_faces("Huang Rong", pictures=True)
            await hub.until(id, lambda view: view.cursor.seq == last)
            await _store(await hub.all_stored(), address, pictures)
            by_log = "SELECT array_agg(seq ORDER BY seq) FROM sitehub.record GROUP BY log"
            assert sorted(rows(address, by_log)) == [([1, 2, 3, 4],), ([3],)]
            await erase_person(hub.hub)
            await hub.until(id, lambda view: view.cursor.erasure_number == 5)
            await _store(await hub.all_stored(), address, pictures)
    found = rows(address, "SELECT seq, body->>'name' FROM sitehub.record WHERE NOT erased")
    assert sorted(found) == [(3, "Guo Jing"), (3, "Huang Rong")]
    everything = str(rows(address, "SELECT body::text FROM sitehub.record"))
    assert NAME not in everything
    assert NUMBER not in everything
    assert sorted(path.name for path in pictures.rglob("*.jpg")) == ["3-face.jpg", "3-face.jpg"]


async def _command(*words: str) -> int:
    return await trio.to_thread.run_sync(command, list(words))


async def _store(stored: Sequence[Stored], address: str, pictures: Path) -> None:
    messages = [
        read_message(
            STREAM,
            one.subject,
            one.headers,
            one.data,
            f"$JS.ACK.{STREAM}.sitehub-central.1.{one.seq}.{one.seq}.{one.seq}000000000.0",
        )
        for one in stored
    ]
    await trio.to_thread.run_sync(_store_all, messages, address, pictures)


def _store_all(messages: Sequence[Received], address: str, pictures: Path) -> None:
    database = open_database(address, PictureFolder(pictures))
    database.store(messages)
    database.close()
