"""After each failure a hub asks the stream where it is, and goes on from there."""

from __future__ import annotations

import shutil
import signal
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats import sender
from hub.services.forwarding.targets import TargetChange
from hub.store.targets.target import Selection
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail
from tests.services.forwarding.conftest import change_database
from tests.services.forwarding.nats.conftest import STREAM, NatsForwarding, open_nats_forwarding
from tests.support.clock import FrozenClock
from tests.support.nats_server import NatsServer

#: Seconds that a stream keeps messages.
SHORT = 2

can_be_stopped = pytest.mark.skipif(
    not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here"
)


async def names(forwarding: NatsForwarding, count: int) -> list[int]:
    return await forwarding.hub.add_faces(*(f"n{number}" for number in range(count)))


async def test_a_server_that_is_killed_and_comes_back_has_everything_once(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    seqs = await names(forwarding, 30)
    await forwarding.until_current(id)
    forwarding.server.kill()
    seqs += await names(forwarding, 30)
    view = await forwarding.until(id, lambda view: view.state == "waiting")
    assert view.behind == 30
    forwarding.server.start()
    view = await forwarding.until_current(id)
    assert await forwarding.stored_seqs() == seqs
    assert (view.reason, view.next_try) == (None, None)


async def test_a_connection_that_breaks_is_told_and_made_again_without_new_records(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    await names(forwarding, 1)
    await forwarding.until_current(id)
    forwarding.server.kill()
    view = await forwarding.until(id, lambda view: view.state == "waiting")
    assert view.behind == 0
    forwarding.server.start()
    view = await forwarding.until_current(id)
    assert view.reason is None


async def test_what_the_server_has_lost_and_the_hub_has_no_more_is_told_as_a_gap(
    new_forwarding: NatsForwarding, tmp_path: Path
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    await names(forwarding, 4)
    await forwarding.until_current(id)
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq < 3").rowcount
    )
    await forwarding.ask(f"STREAM.DELETE.{STREAM}")
    await names(forwarding, 1)
    await forwarding.until(id, lambda view: view.cursor.seq == 5 and bool(view.gaps))
    (gap,) = forwarding.targets.get(id).gaps
    assert (gap.first_seq, gap.last_seq) == (1, 2)
    assert [one.kind for one in await forwarding.stored()] == ["gap", "rec", "rec", "rec"]


async def test_an_answer_about_another_subject_moves_nothing(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    seqs = await names(forwarding, 3)
    await forwarding.until_current(id)
    asked = f"$JS.API.DIRECT.GET.{STREAM}.sitehub.3.site-1"
    forwarding.server.kill()
    forwarding.server.configure(f'mappings {{ "{asked}.rec": "{asked}.log" }}')
    forwarding.server.start()
    view = await forwarding.until(id, lambda view: "understood" in str(view.reason))
    assert (view.state, view.cursor.seq) == ("waiting", seqs[-1])
    forwarding.server.kill()
    forwarding.server.configure()
    forwarding.server.start()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.until_current(id)
    assert await forwarding.stored_seqs() == seqs


async def test_what_was_not_selected_is_not_lost_when_a_connection_breaks(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add(selection=Selection(dids=("2",), alarms=False))).target.id
    (seq,) = await forwarding.hub.add_faces("a", did="2")
    others = await names(forwarding, 3)
    await forwarding.until(id, lambda view: view.cursor.seq == others[-1])
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq < 4").rowcount
    )
    for _ in range(2):
        forwarding.server.kill()
        await forwarding.until(id, lambda view: view.state == "waiting")
        forwarding.server.start()
        await forwarding.until_current(id)
    view = forwarding.targets.get(id)
    assert (view.cursor.seq, view.gaps) == (others[-1], ())
    # Nor after a restart, when nobody knows any more what was selected.
    await forwarding.targets.change(id, TargetChange(name="x"), by=COMMAND_LINE)
    await forwarding.until(id, lambda view: view.about is not None)
    view = await forwarding.until_current(id)
    assert (view.cursor.seq, view.gaps) == (others[-1], ())
    assert await forwarding.stored_seqs() == [seq]


async def test_a_hub_whose_cursor_was_not_saved_sends_nothing_twice(
    tmp_path: Path, clock: FrozenClock, server: NatsServer
) -> None:
    data = tmp_path / "hub"
    async with open_nats_forwarding(data, clock, server) as forwarding:
        id = (await forwarding.add()).target.id
        seqs = await names(forwarding, 5)
        await forwarding.until_current(id)
    change_database(data, "UPDATE target SET seq = 2")
    async with open_nats_forwarding(data, clock, server) as forwarding:
        seqs += await names(forwarding, 2)
        await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
        assert await forwarding.stored_seqs() == seqs


async def test_what_the_server_has_lost_is_sent_again(
    forwarding: NatsForwarding, tmp_path: Path
) -> None:
    id = (await forwarding.add()).target.id
    seqs = await names(forwarding, 4)
    await forwarding.until_current(id)
    forwarding.server.kill()
    shutil.copytree(tmp_path / "nats" / "js", tmp_path / "older")
    forwarding.server.start()
    seqs += await names(forwarding, 4)
    await forwarding.until_current(id)
    forwarding.server.kill()
    shutil.rmtree(tmp_path / "nats" / "js")
    shutil.copytree(tmp_path / "older", tmp_path / "nats" / "js")
    forwarding.server.start()
    seqs += await names(forwarding, 1)
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
    assert await forwarding.stored_seqs() == seqs


@pytest.mark.parametrize("years_ahead", [0, 2])
async def test_a_stream_that_was_made_anew_gets_all_that_the_target_is_for(
    forwarding: NatsForwarding, clock: FrozenClock, years_ahead: int
) -> None:
    # How old the stream is, is asked of the server: the clock of the hub may be wrong.
    clock.seconds = time.time() + years_ahead * 365 * 86_400
    old = await names(forwarding, 2)
    id = (await forwarding.add(begin="now")).target.id
    seqs = await names(forwarding, 3)
    await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1] and not view.behind)
    await forwarding.ask(f"STREAM.DELETE.{STREAM}")
    seqs += await names(forwarding, 1)
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
    assert await forwarding.stored_seqs() == seqs
    assert old[0] not in seqs


async def test_what_has_expired_in_the_stream_is_not_sent_again(
    new_forwarding: NatsForwarding, clock: FrozenClock
) -> None:
    forwarding = new_forwarding
    await make_short_lived_stream(forwarding)
    id = (await forwarding.add()).target.id
    await names(forwarding, 3)
    await forwarding.until_current(id)
    # Not read: what expires meanwhile would be waited for.
    while (await forwarding.ask(f"STREAM.INFO.{STREAM}"))["state"]["messages"]:  # noqa: ASYNC110  it does not tell
        await trio.sleep(0.1)
    forwarding.server.kill()
    await names(forwarding, 1)
    await forwarding.until(id, lambda view: view.state == "waiting")
    forwarding.server.start()
    await forwarding.until_current(id)
    assert delivered(forwarding, id) == [1, 2, 3, 4]


async def test_what_an_old_stream_has_lost_is_sent_again(
    forwarding: NatsForwarding, clock: FrozenClock
) -> None:
    await make_short_lived_stream(forwarding)
    id = (await forwarding.add()).target.id
    clock.seconds = time.time() - 3_600
    await names(forwarding, 2)
    await forwarding.until_current(id)
    clock.seconds = time.time() + 3_600
    seqs = await names(forwarding, 3)
    await forwarding.until_current(id)
    while not _is_old(await forwarding.ask(f"STREAM.INFO.{STREAM}")):  # noqa: ASYNC110  time has no event
        await trio.sleep(0.1)
    await forwarding.ask(f"STREAM.PURGE.{STREAM}")
    seqs += await names(forwarding, 1)
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
    assert delivered(forwarding, id) == [1, 2, 3, 3, 4, 4, 5, 5, 6]
    assert forwarding.targets.get(id).gaps == ()


async def make_short_lived_stream(forwarding: NatsForwarding) -> None:
    config = {"name": STREAM, "subjects": ["sitehub.3.>"], "max_age": SHORT * 10**9}
    await forwarding.ask(f"STREAM.CREATE.{STREAM}", {**config, "allow_direct": True})


def delivered(forwarding: NatsForwarding, id: int) -> list[int]:
    """Return the seqs that the stream took, each as often as it did: it does not keep them."""
    ids = [one.id for one in forwarding.targets.deliveries(id) if not one.reason]
    ends = [part.split("-")[1:] for part in ids if not part.endswith("-other")]
    return sorted(seq for end in ends for seq in range(int(end[0]), int(end[-1]) + 1))


def _is_old(info: dict[str, Any]) -> bool:
    now, created = (datetime.fromisoformat(info[name][:19]) for name in ("ts", "created"))
    return (now - created).total_seconds() > SHORT + 1


async def test_a_full_stream_makes_the_target_wait_until_there_is_room(
    forwarding: NatsForwarding,
) -> None:
    config = {"name": STREAM, "subjects": ["sitehub.3.>"], "max_msgs": 3, "discard": "new"}
    await forwarding.ask(f"STREAM.CREATE.{STREAM}", config)
    id = (await forwarding.add()).target.id
    seqs = await names(forwarding, 2)
    await forwarding.until_current(id)
    seqs += await names(forwarding, 3)
    view = await forwarding.until(id, lambda view: view.state == "waiting")
    assert "maximum messages exceeded" in str(view.reason)
    await forwarding.ask(f"STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 100})
    await forwarding.until_current(id)
    assert await forwarding.stored_seqs() == seqs


async def test_a_cloned_hub_is_held(tmp_path: Path, clock: FrozenClock, server: NatsServer) -> None:
    async with open_nats_forwarding(tmp_path / "one", clock, server) as one:
        id = (await one.add()).target.id
        seqs = await names(one, 2)
        await one.until_current(id)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    later = FrozenClock(clock.seconds + 1)
    async with (
        open_nats_forwarding(tmp_path / "one", clock, server) as one,
        open_nats_forwarding(tmp_path / "two", later, server) as two,
    ):
        seqs += await names(one, 2)
        await one.until(id, lambda view: view.cursor.seq == seqs[-1])
        await names(two, 3)
        view = await two.until(id, lambda view: view.state == "held")
        assert str(view.reason) == "another hub sends as site-1 too"
        seqs += await names(one, 1)
        await one.until(id, lambda view: view.cursor.seq == seqs[-1])
        assert await one.stored_seqs() == seqs


async def test_two_hubs_that_were_given_one_name_are_held(
    tmp_path: Path, clock: FrozenClock, server: NatsServer
) -> None:
    async with (
        open_nats_forwarding(tmp_path / "one", clock, server) as one,
        open_nats_forwarding(tmp_path / "two", clock, server) as two,
    ):
        ids = {hub: (await hub.add()).target.id for hub in (one, two)}
        with trio.fail_after(60):
            while "held" not in (states := {hub.targets.get(ids[hub]).state for hub in ids}):
                for hub in ids:
                    await names(hub, 1)
                await trio.sleep(0.1)
        assert "held" in states


async def test_a_restored_hub_sends_its_new_log_from_the_beginning(
    tmp_path: Path, clock: FrozenClock, server: NatsServer
) -> None:
    data = tmp_path / "hub"
    async with open_nats_forwarding(data, clock, server) as forwarding:
        id = (await forwarding.add()).target.id
        seqs = await names(forwarding, 3)
        await forwarding.until_current(id)
        old = forwarding.hub.store.log_id
    change_database(data, "UPDATE record_log SET log_id = hex(randomblob(16))")
    async with open_nats_forwarding(data, clock, server) as forwarding:
        again = [*seqs, *await names(forwarding, 1)]
        await forwarding.until(id, lambda view: view.cursor.seq == again[-1])
        new = forwarding.hub.store.log_id
        stored = [(one.headers["Sitehub-Log"], one.record_seq) for one in await forwarding.stored()]
        assert stored == [*((old, seq) for seq in seqs), *((new, seq) for seq in again)]


async def test_a_hub_whose_disk_was_put_back_is_held(
    tmp_path: Path, clock: FrozenClock, server: NatsServer
) -> None:
    """Unlike a backup, an image of it gives numbers again under the same id of the log."""
    data = tmp_path / "hub"
    async with open_nats_forwarding(data, clock, server) as forwarding:
        id = (await forwarding.add()).target.id
        await names(forwarding, 2)
        await forwarding.until_current(id)
    shutil.copytree(data, tmp_path / "image")
    async with open_nats_forwarding(data, clock, server) as forwarding:
        seqs = [1, 2, *await names(forwarding, 2)]
        await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
    later = FrozenClock(clock.seconds + 60)
    async with open_nats_forwarding(tmp_path / "image", later, server) as forwarding:
        await names(forwarding, 3)
        view = await forwarding.until(id, lambda view: view.state == "held")
        assert str(view.reason) == "another hub sends as site-1 too"
        # Nothing of it was sent, and under another name all of it is.
        assert await forwarding.stored_seqs() == seqs
        await forwarding.targets.remove(id, by=COMMAND_LINE)
        id = (await forwarding.add(hub="site-1b")).target.id
        await forwarding.until(id, lambda view: view.cursor.seq == 5)
        stored = [one for one in await forwarding.stored() if "site-1b" in one.subject]
        assert [one.record_seq for one in stored] == [1, 2, 3, 4, 5]


def large_face(size: int) -> CheckedUpload:
    picture = Picture("face", "image/jpeg", b"\xff\xd8\xff" + bytes(size))
    return CheckedUpload(
        kind="face", occurred_at=0, detail=FaceDetail(name="x"), pictures=(picture,)
    )


@can_be_stopped
async def test_a_batch_that_does_not_get_through_is_tried_in_halves(
    new_forwarding: NatsForwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "GATHER_SECONDS", 0.0)
    forwarding = new_forwarding
    selection = Selection(pictures="all", alarms=False)
    id = (await forwarding.add(selection=selection)).target.id
    await names(forwarding, 1)
    await forwarding.until_current(id)
    forwarding.server.stop_answering()
    await names(forwarding, 1)
    for _ in range(60):
        await forwarding.hub.add(large_face(100_000))
    forwarding.server.kill()
    await forwarding.until(id, lambda view: view.state == "waiting")
    forwarding.server.start()
    await forwarding.until_current(id)
    attempts = forwarding.targets.deliveries(id)
    first = next(one for one, before in pairwise(attempts) if before.reason)
    seqs = first.id.split("-")[1:]
    # 2 MB instead of 4.
    assert int(seqs[-1]) - int(seqs[0]) <= 20
    assert await forwarding.stored_seqs() == list(range(1, 63))


@can_be_stopped
async def test_a_server_that_hangs_does_not_hold_up_the_end_of_the_hub(
    tmp_path: Path, clock: FrozenClock, new_server: NatsServer
) -> None:
    data = tmp_path / "hub"
    async with open_nats_forwarding(data, clock, new_server) as forwarding:
        id = (await forwarding.add(selection=Selection(pictures="all"))).target.id
        await names(forwarding, 2)
        await forwarding.until_current(id)
        new_server.stop_answering()
        for _ in range(20):
            await forwarding.hub.add(large_face(900_000))
        await forwarding.until(id, lambda view: view.behind > 0)
    # Here it has ended.
    new_server.kill()
    new_server.start()
    async with open_nats_forwarding(data, clock, new_server) as forwarding:
        await forwarding.until(id, lambda view: view.cursor.seq == 22)
        assert await forwarding.stored_seqs() == list(range(1, 23))
