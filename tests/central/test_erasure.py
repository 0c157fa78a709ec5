"""A person who is erased on a hub is erased in PostgreSQL, in whatever order it is told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import trio

from hub.central.pictures import PictureFolder
from hub.central.received import Received, read_message
from hub.store.targets.target import Selection
from tests.services.forwarding.nats.conftest import (
    STREAM,
    NatsForwarding,
    open_nats_forwarding,
)
from tests.services.forwarding.test_erasures import NAME, add_person, erase_person
from tests.support.clock import FrozenClock
from tests.support.nats_server import running_nats
from tests.support.postgres import PostgresServer, rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import open_database


@pytest.fixture
async def forwarding(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[NatsForwarding]:
    with running_nats(tmp_path / "nats") as server:
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            yield forwarding


async def test_nothing_of_an_erased_person_is_left(
    forwarding: NatsForwarding, postgres: PostgresServer, tmp_path: Path
) -> None:
    id = (await forwarding.add(selection=Selection(alarms=False, pictures="all"))).target.id
    (other,) = await forwarding.hub.add_faces("Guo Jing", pictures=True)
    erased = await add_person(forwarding.hub, 3)
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number > len(erased))
    messages = [
        read_message(STREAM, one.subject, one.headers, one.data, f"$JS.ACK.{one.seq}")
        for one in await forwarding.stored()
    ]
    assert {one.subject.rsplit(".", 1)[1] for one in messages} == {"rec", "pic", "erasure"}
    # As they came, and as several centres may store them.
    mixed = random.Random(16).sample(messages, len(messages))
    for number, order in enumerate((messages, messages[::-1], mixed)):
        address, pictures = postgres.make_database(), tmp_path / f"pictures{number}"
        await trio.to_thread.run_sync(_store, order, address, pictures)
        found = rows(address, "SELECT seq, erased, body::text FROM sitehub.record ORDER BY seq")
        states = [(seq, is_erased) for seq, is_erased, _ in found]
        assert states == [(other, False), *((seq, True) for seq in erased)]
        assert [seq for seq, _, body in found if NAME in body] == []
        assert {path.name for path in pictures.rglob("*.jpg")} == {f"{other}-face.jpg"}


def _store(messages: Sequence[Received], address: str, pictures: Path) -> None:
    database = open_database(address, PictureFolder(pictures))
    for one in messages:
        database.store([one])
    database.close()
