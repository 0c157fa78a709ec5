"""NATS gets every record once, in order, whatever happens to the server or to the hub."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.identity import Identity
from hub.store.targets.target import Selection
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail
from tests.services.forwarding.conftest import day_of
from tests.services.forwarding.nats.conftest import (
    HUB,
    STREAM,
    NatsForwarding,
    open_nats_forwarding,
)
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from tests.support.nats_server import running_nats


def event(type: int) -> CheckedUpload:
    return CheckedUpload(kind="event", occurred_at=0, detail=EventDetail(type=type), pictures=())


async def test_a_stream_gets_every_record_in_order_as_the_api_shows_it(
    forwarding: NatsForwarding,
) -> None:
    first = await forwarding.hub.add_faces("a", "b", "c")
    target = await forwarding.add()
    id = target.target.id
    await forwarding.until_current(id)
    later = await forwarding.hub.add_faces("d")
    await forwarding.until(id, lambda view: view.cursor.seq == later[0])
    stored = await forwarding.stored()
    assert [one.record_seq for one in stored] == [*first, *later]
    assert {one.subject for one in stored} == {f"sitehub.3.{HUB}.rec"}
    record = msgspec.json.decode(stored[0].data)
    log = forwarding.hub.store.log_id
    assert stored[0].headers["Sitehub-Log"] == record["log"] == log
    assert (record["name"], record["kind"], record["hub"]) == ("a", "face", HUB)
    assert str(forwarding.targets.get(id).about).startswith("NATS 2.")


async def test_pictures_come_before_their_record(forwarding: NatsForwarding) -> None:
    seqs = await forwarding.hub.add_faces("a", "b", pictures=True)
    view = await forwarding.add(selection=Selection(alarms=False, pictures="all"))
    await forwarding.until_current(view.target.id)
    stored = await forwarding.stored()
    assert [(one.kind, one.record_seq) for one in stored] == [
        ("pic", seqs[0]),
        ("rec", seqs[0]),
        ("pic", seqs[1]),
        ("rec", seqs[1]),
    ]
    picture = stored[0]
    assert picture.headers["Sitehub-Picture"] == "face"
    assert picture.headers["Sitehub-Log"] == forwarding.hub.store.log_id
    assert picture.headers["Content-Type"] == "image/jpeg"
    digest = hashlib.sha256(picture.data).hexdigest()
    assert picture.headers["Sitehub-Digest"] == f"sha256:{digest}"
    assert picture.data == b"\xff\xd8\xffa"


async def test_alarms_and_gaps_have_subjects_of_their_own(forwarding: NatsForwarding) -> None:
    view = await forwarding.add(selection=Selection())
    id = view.target.id
    seq = await forwarding.hub.add(event(3))
    await forwarding.until(id, lambda view: view.cursor.alarm_number > 0 and not view.behind)
    forwarding.server.kill()
    await forwarding.hub.add_faces("a", "b", "c")
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq IN (2, 3)").rowcount
    )
    await forwarding.targets.note_dropped(day_of(2, 3), "disk")
    forwarding.server.start()
    await forwarding.until_current(id)
    stored = {one.kind: msgspec.json.decode(one.data) for one in await forwarding.stored()}
    log = forwarding.hub.store.log_id
    assert stored["alarm"]["seq"] == seq
    assert stored["alarm"]["state"] == "new"
    assert stored["alarm"]["record"]["seq"] == seq
    assert stored["alarm"]["number"] >= 1
    assert stored["gap"] == {"from": 2, "to": 3, "reason": "disk", "log": log, "hub": HUB}
    assert (stored["alarm"]["log"], stored["alarm"]["hub"]) == (log, HUB)


async def test_a_record_that_is_too_large_is_dead_lettered_and_can_be_sent_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    small = "max_payload: 4000"
    with running_nats(tmp_path / "nats", config=small) as server:
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            view = await forwarding.add()
            id = view.target.id
            await forwarding.hub.add_faces("a", "b" * 5_000, "c")
            view = await forwarding.until_current(id)
            assert view.dead_letters == 1
            assert await forwarding.stored_seqs() == [1, 3]
            (letter,) = await forwarding.targets.dead_letters(id)
            assert "more than the server takes (4000)" in str(letter.reason)

            server.kill()
            server.configure()
            server.start()
            await forwarding.targets.retry(id, by=COMMAND_LINE)
            await forwarding.until(id, lambda view: view.dead_letters == 0)
            await forwarding.hub.add_faces("d")
            await forwarding.until_current(id)
            # The old number at the end has not moved the cursor back.
            await forwarding.targets.retry(id, by=COMMAND_LINE)
            await forwarding.hub.add_faces("e")
            await forwarding.until_current(id)
            assert await forwarding.stored_seqs() == [1, 3, 2, 4, 5]


async def test_a_test_stores_nothing_and_says_what_is_wrong(forwarding: NatsForwarding) -> None:
    view = await forwarding.add()
    id = view.target.id
    await forwarding.hub.add_faces("a")
    await forwarding.until_current(id)
    delivery = await forwarding.targets.test(id, by=COMMAND_LINE)
    assert delivery.reason is None
    assert await forwarding.stored_seqs() == [1]
    forwarding.server.kill()
    delivery = await forwarding.targets.test(id, by=COMMAND_LINE)
    assert "no program listens" in str(delivery.reason)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://127.0.0.1:4222"}, "url"),
        ({"url": "nats://user:secret@127.0.0.1"}, "url"),
        ({"url": "nats://127.0.0.1/path"}, "url"),
        ({"url": "nats://127.0.0.1:1, tls://127.0.0.1:2"}, "url"),
        ({"url": "nats://127.0.0.1:99999"}, "url"),
        ({"url": ",".join(["nats://10.0.0.1"] * 10)}, "url"),
        ({"url": "nats://127.0.0.1:8443"}, "url"),
        ({"partition": 16}, "partition"),
        ({"identity": Identity(user="a")}, "user"),
        ({"identity": Identity(user="a", password="b" * 201)}, "password"),
        ({"identity": Identity(cert="a")}, "cert"),
        ({"identity": Identity(cert="a", key="b")}, "url"),
        ({"url": "tls://10.0.0.1", "identity": Identity(cert="a", key="b")}, "cert"),
    ],
)
async def test_what_cannot_be_a_target_is_refused_with_its_field(
    tmp_path: Path, clock: FrozenClock, fields: dict[str, Any], field: str
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        fields = {"url": "nats://10.0.0.1", **fields}
        with pytest.raises(BadParameter) as refused:
            await hub.services.forwarding.targets.add("nats", by=COMMAND_LINE, **fields)
        assert refused.value.field == field


async def test_a_webhook_has_no_identity(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        with pytest.raises(BadParameter):
            await hub.services.forwarding.targets.add(
                "webhook", "https://a.example", identity=Identity("a", "b"), by=COMMAND_LINE
            )


async def test_hubs_are_spread_over_the_streams(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        for number in range(12):
            await hub.services.forwarding.targets.add(
                "nats", "nats://10.0.0.1", name=f"{number}", hub=f"hub-{number}", by=COMMAND_LINE
            )
        partitions = {
            view.target.options.partition for view in hub.services.forwarding.targets.list()
        }
        assert len(partitions) > 5


async def test_a_record_that_is_too_large_for_the_stream_is_dead_lettered(
    forwarding: NatsForwarding,
) -> None:
    config = {"name": STREAM, "subjects": ["sitehub.3.>"], "max_msg_size": 4000}
    await forwarding.ask(f"STREAM.CREATE.{STREAM}", config)
    id = (await forwarding.add()).target.id
    await forwarding.hub.add_faces("a", "b" * 5_000, "c")
    view = await forwarding.until_current(id)
    assert view.dead_letters == 1
    assert await forwarding.stored_seqs() == [1, 3]
