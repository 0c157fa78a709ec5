"""Targets get every record of the log once, in order, whatever happens to them or to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, NoSuchResource
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.targets import TargetChange
from hub.store.targets.target import Selection
from hub.store.targets.targets import MAX_NAME_LENGTH
from tests.services.forwarding.conftest import (
    URL,
    Forwarding,
    Received,
    Receiver,
    change_database,
    day_of,
    open_forwarding,
)
from tests.support.clock import FrozenClock
from tests.support.hub_services import face


def status(code: int, **headers: str) -> Any:
    return lambda received: httpx.Response(code, headers=headers)


async def test_a_target_gets_every_record_in_order(forwarding: Forwarding) -> None:
    first = await forwarding.hub.add_faces("a", "b")
    target, secret = await forwarding.add()
    later = await forwarding.hub.add_faces("c")
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 3)
    assert forwarding.receiver.seqs == [*first, *later]
    log = forwarding.services.records.log.log_id
    message = forwarding.receiver.kept[0]
    assert message.id == f"{log}-{first[0]}"
    assert message.url == URL
    assert message.is_signed_by(secret)
    assert message.body["type"] == "record"
    assert message.body["timestamp"].endswith("Z")
    assert message.body["data"]["name"] == "a"
    assert message.body["data"]["log"] == message.body["log"] == log
    assert message.body["data"]["hub"] == target.target.options.hub
    view = await forwarding.until_current(target.target.id)
    assert (view.behind, view.reason, view.dead_letters) == (0, None, 0)


async def test_a_target_begins_with_the_next_record_unless_it_is_asked_for_all(
    forwarding: Forwarding,
) -> None:
    await forwarding.hub.add_faces("a", "b")
    await forwarding.add(begin="now")
    (seq,) = await forwarding.hub.add_faces("c")
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    assert forwarding.receiver.seqs == [seq]


async def test_what_is_not_selected_is_left_out_and_counts_as_forwarded(
    forwarding: Forwarding,
) -> None:
    target, _ = await forwarding.add(selection=Selection(dids=("2",), alarms=False))
    await forwarding.hub.add_faces("a", did="1")
    (seq,) = await forwarding.hub.add_faces("b", did="2")
    last = await forwarding.hub.add_faces("c", did="1")
    view = await forwarding.until_current(target.target.id)
    assert forwarding.receiver.seqs == [seq]
    assert view.cursor.seq == last[0]


async def test_a_failure_is_tried_again_in_order_and_shown(
    forwarding: Forwarding, clock: FrozenClock
) -> None:
    forwarding.receiver.answer = status(500)
    target, _ = await forwarding.add()
    seqs = await forwarding.hub.add_faces("a", "b")
    id = target.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    view = forwarding.targets.get(id)
    assert str(view.reason) == "it answered 500"
    assert view.next_try == clock.ms + 5_000
    assert view.behind == 2
    assert view.behind_since == clock.ms
    # By the clock of tries, whatever the wall clock is set to.
    clock.advance(1e7)
    assert forwarding.targets.get(id).waiting_seconds < 3_600
    forwarding.receiver.answer = status(200)
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    view = await forwarding.until_current(id)
    assert forwarding.receiver.seqs == seqs
    assert (view.reason, view.next_try) == (None, None)
    assert [one.status for one in forwarding.targets.deliveries(id)] == [200, 200, 500]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("no route"), "no route"),
        (httpx.ReadError(""), "ReadError"),
        (httpx.InvalidURL("wrong"), "wrong"),
    ],
)
async def test_what_cannot_be_reached_is_told_and_tried_again(
    forwarding: Forwarding, error: Exception, reason: str
) -> None:
    forwarding.receiver.error = error
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(
        lambda: str(forwarding.targets.get(target.target.id).reason) == reason
    )
    forwarding.receiver.error = None
    await forwarding.targets.retry(target.target.id, by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 1)


async def test_a_record_that_is_refused_for_ever_is_dead_lettered_and_blocks_nothing(
    forwarding: Forwarding, clock: FrozenClock
) -> None:
    first, second = 1, 2
    forwarding.receiver.answer = lambda received: httpx.Response(
        422 if received.seq == first else 200
    )
    target, _ = await forwarding.add()
    assert await forwarding.hub.add_faces("a", "b") == [first, second]
    id = target.target.id
    view = await forwarding.until_current(id)
    assert forwarding.receiver.seqs == [second]
    assert view.dead_letters == 1
    (letter,) = await forwarding.targets.dead_letters(id)
    assert (letter.seq, str(letter.reason), letter.refused_at) == (
        first,
        "it answered 422",
        clock.ms,
    )

    forwarding.receiver.answer = status(200)
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
    assert forwarding.receiver.seqs == [second, first]
    assert await forwarding.targets.dead_letters(id) == ()


async def test_a_target_that_refuses_everything_is_held(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = status(422)
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces(*(str(number) for number in range(25)))
    id = target.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "held")
    assert "refuses everything" in str(forwarding.targets.get(id).reason)
    assert len(forwarding.receiver.asked) == 21


async def test_410_holds_a_target_until_a_person_lets_it_go_on(
    forwarding: Forwarding, tmp_path: Path, clock: FrozenClock
) -> None:
    forwarding.receiver.answer = status(410)
    target, _ = await forwarding.add()
    seqs = await forwarding.hub.add_faces("a")
    id = target.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "held")
    assert "410" in str(forwarding.targets.get(id).reason)
    await forwarding.hub.add_faces("b")
    assert len(forwarding.receiver.asked) == 1
    forwarding.receiver.answer = status(200)
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == [*seqs, seqs[0] + 1]


async def test_another_address_lets_a_held_target_go_on(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = status(410)
    target, _ = await forwarding.add()
    id = target.target.id
    seqs = await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "held")
    forwarding.receiver.answer = status(200)
    change = TargetChange(url="https://other.example/in")
    assert (await forwarding.targets.change(id, change, by=COMMAND_LINE)).state != "held"
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == seqs


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Wed, 25 Nov 2026 12:02:00 GMT", 120),
        ("soon", 5),
        ("9" * 30, 86_400),
        ("Wed, 25 Nov 99999999999 12:02:00 GMT", 5),
        ("Wed, 25 Nov 2026 12:02:00 +99999999999", 5),
    ],
)
async def test_retry_after_is_honoured(
    forwarding: Forwarding, clock: FrozenClock, header: str, seconds: int
) -> None:
    forwarding.receiver.answer = status(429, **{"Retry-After": header})
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a")
    id = target.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    assert forwarding.targets.get(id).next_try == clock.ms + seconds * 1000


async def test_a_redirect_is_not_followed(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = status(302, Location="https://other.example/in")
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a")
    id = target.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    assert str(forwarding.targets.get(id).reason) == "it answered 302"
    assert [one.url for one in forwarding.receiver.asked] == [URL]


async def test_nothing_is_lost_or_skipped_by_a_restart(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        target, secret = await forwarding.add()
        seqs = await forwarding.hub.add_faces("a", "b")
        await forwarding.until_current(target.target.id)
        receiver.answer = status(503)
        seqs += await forwarding.hub.add_faces("c")
        await receiver.until(lambda: len(receiver.asked) == 3)
    receiver.answer = status(200)
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        seqs += await forwarding.hub.add_faces("d")
        await receiver.until(lambda: receiver.seqs == seqs)
        assert receiver.kept[-1].is_signed_by(secret)
        assert forwarding.targets.get(target.target.id).target.name == "receiver.example"


async def test_a_new_log_is_forwarded_from_its_beginning(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        target, _ = await forwarding.add()
        seqs = await forwarding.hub.add_faces("a", "b")
        await forwarding.until_current(target.target.id)
    change_database(tmp_path, "UPDATE target SET log = 'another'")
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        await receiver.until(lambda: len(receiver.kept) == 4)
        assert receiver.seqs == seqs * 2


async def test_a_test_says_what_became_of_it_and_moves_nothing(forwarding: Forwarding) -> None:
    target, secret = await forwarding.add()
    delivery = await forwarding.targets.test(target.target.id, by=COMMAND_LINE)
    assert (delivery.status, delivery.reason) == (204, None)
    (message,) = forwarding.receiver.kept
    assert message.body["type"] == "test"
    assert message.is_signed_by(secret)
    forwarding.receiver.error = httpx.ConnectError("refused")
    delivery = await forwarding.targets.test(target.target.id, by=COMMAND_LINE)
    assert (delivery.status, str(delivery.reason)) == (None, "refused")
    assert forwarding.targets.get(target.target.id).cursor.seq == 0


async def test_both_secrets_sign_for_a_day(forwarding: Forwarding, clock: FrozenClock) -> None:
    target, old = await forwarding.add()
    new = await forwarding.targets.change_secret(target.target.id, by=COMMAND_LINE)
    assert new != old
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 1)
    clock.advance(86_401)
    await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 2)
    during, after = forwarding.receiver.kept
    assert during.is_signed_by(old)
    assert during.is_signed_by(new)
    assert after.is_signed_by(new)
    assert not after.is_signed_by(old)


async def test_a_target_is_changed_and_removed(forwarding: Forwarding) -> None:
    target, secret = await forwarding.add()
    id = target.target.id
    await forwarding.hub.add_faces("a")
    await forwarding.until_current(id)
    change = TargetChange(name="VMS", url="https://other.example/x")
    view = await forwarding.targets.change(id, change, by=COMMAND_LINE)
    assert (view.target.name, view.target.options.url) == ("VMS", "https://other.example/x")
    await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 2)
    assert forwarding.receiver.kept[-1].url == "https://other.example/x"
    assert forwarding.receiver.kept[-1].is_signed_by(secret)
    await forwarding.targets.remove(id, by=COMMAND_LINE)
    await forwarding.hub.add_faces("c")
    assert forwarding.targets.list() == ()
    with pytest.raises(NoSuchResource):
        forwarding.targets.get(id)
    assert len(forwarding.receiver.kept) == 2
    entries = await forwarding.services.core.audit.oldest()
    assert [entry.action for entry in entries] == ["target.add", "target.set", "target.remove"]
    assert not any(secret in entry.target for entry in entries)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://receiver.example/"),
        ("url", "https://user:pass@receiver.example/"),
        ("url", "https://localhost:8443/x"),
        ("url", "https://[::1]:8443/x"),
        ("name", "x" * (MAX_NAME_LENGTH + 1)),
        ("hub", "Not A Name"),
        ("ca", "no certificate"),
    ],
)
async def test_wrong_fields_are_named(forwarding: Forwarding, field: str, value: str) -> None:
    with pytest.raises(BadParameter) as caught:
        await forwarding.add(**{field: value})
    assert caught.value.field == field
    assert forwarding.targets.list() == ()


async def test_a_name_is_given_once(forwarding: Forwarding) -> None:
    await forwarding.add(name="VMS")
    with pytest.raises(AlreadyExists):
        await forwarding.add(name="VMS")


async def test_alarms_are_told_as_they_are_and_before_a_backlog(forwarding: Forwarding) -> None:
    seqs = await forwarding.hub.add_faces("a")
    await raise_alarm(forwarding, seqs[0])
    await forwarding.add(selection=Selection())
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 2)
    alarm, record = forwarding.receiver.kept
    assert (alarm.body["type"], alarm.seq, alarm.body["data"]["state"]) == ("alarm", seqs[0], "new")
    told = alarm.body["data"]["record"]
    assert (told["seq"], told["images"]) == (seqs[0], {})
    assert record.body["type"] == "record"
    await forwarding.services.alarms.raised.close(seqs, "", by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) >= 3)
    assert forwarding.receiver.kept[-1].body["data"]["state"] == "closed"
    ids = [one.id for one in forwarding.receiver.kept]
    assert len(set(ids)) == len(ids)


async def raise_alarm(forwarding: Forwarding, seq: int) -> None:
    await forwarding.hub.store.write(lambda c: c.execute(_ALARM, (seq,)).rowcount)
    await forwarding.hub.store.alarms.reload()


_ALARM = """
INSERT INTO alarm (seq, kind, subject, severity, state, count, first_at, last_at, last_seq,
    heard_at, new_since, dids, detail, note)
VALUES (?, 'blacklist', 'p', 'critical', 'new', 1, 1, 1, 1, 1, 1, '[]', '{}', '')
"""


async def test_pictures_are_links_that_open_without_a_key_for_a_day(
    forwarding: Forwarding, clock: FrozenClock
) -> None:
    await forwarding.add(selection=Selection(alarms=False, pictures="all"))
    (seq,) = await forwarding.hub.add_faces("a", pictures=True)
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    link = httpx.URL(forwarding.receiver.kept[0].body["data"]["images"]["face"])
    assert (link.host, link.port) == ("10.0.0.5", 8443)
    _, _, _, expires, signature, picture = link.path.split("/", 5)
    assert picture == f"{seq}/face.jpg"
    links = forwarding.targets.links
    assert links.opens(picture, expires, signature)
    assert not links.opens(f"{seq + 1}/face.jpg", expires, signature)
    assert not links.opens(picture, str(int(expires) + 1), signature)
    assert not links.opens(picture, "soon", signature)
    assert not links.opens(picture, expires, "é")
    clock.advance(86_400)
    assert links.opens(picture, expires, signature)
    clock.advance(3_601)
    assert not links.opens(picture, expires, signature)


async def test_without_pictures_a_record_has_no_links(forwarding: Forwarding) -> None:
    await forwarding.add(selection=Selection(alarms=False))
    await forwarding.hub.add_faces("a", pictures=True)
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    assert forwarding.receiver.kept[0].body["data"]["images"] == {}


async def test_a_large_record_is_shortened(forwarding: Forwarding) -> None:
    await forwarding.add()
    extra = msgspec.Raw(msgspec.json.encode({"x": "y" * 40_000}))
    await forwarding.hub.add(replace(face("a"), extra=extra))
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    message: Received = forwarding.receiver.kept[0]
    assert len(message.text) < 20_000
    assert message.body["data"]["extra"] == {}
    assert message.body["data"]["shortened"] is True


async def test_what_was_deleted_before_a_target_had_it_is_told(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = status(500)
    target, _ = await forwarding.add()
    id = target.target.id
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    await forwarding.hub.add_faces("b", "c")
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq <= 2").rowcount
    )
    await forwarding.targets.note_dropped(day_of(1, 2), "disk")
    forwarding.receiver.answer = status(200)
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    view = await forwarding.until_current(id)
    # The first record was being sent: it arrives although it is gone here.
    assert [one.body["type"] for one in forwarding.receiver.kept][-2:] == ["gap", "record"]
    gap = forwarding.receiver.kept[-2].body["data"]
    assert (gap["from"], gap["to"], gap["reason"]) == (1, 2, "disk")
    assert forwarding.receiver.seqs[-1] == 3
    assert view.unseen_gaps == 1
    await forwarding.targets.confirm_gaps(id, by=COMMAND_LINE)
    assert forwarding.targets.get(id).unseen_gaps == 0


async def test_a_target_that_has_everything_gets_no_gap(forwarding: Forwarding) -> None:
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a", "b")
    await forwarding.until_current(target.target.id)
    await forwarding.targets.note_dropped(day_of(1, 2), "age")
    assert forwarding.targets.get(target.target.id).gaps == ()
    assert not forwarding.targets.needs(day_of(1, 2))


async def test_an_answer_that_never_comes_is_a_failure(
    forwarding: Forwarding, mock_clock: trio.testing.MockClock
) -> None:
    forwarding.receiver.hangs = True
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a")
    while not forwarding.receiver.asked:
        await trio.lowlevel.checkpoint()
    mock_clock.jump(31)
    while not forwarding.targets.get(target.target.id).reason:
        await trio.lowlevel.checkpoint()
    assert str(forwarding.targets.get(target.target.id).reason) == "it did not answer within 30 s"
