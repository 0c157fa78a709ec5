from __future__ import annotations

import pytest

from hub.live.feed import Change, Feed, Subscription
from hub.live.pending_devices import (
    KEPT_SECONDS,
    ConnectAttempt,
    PendingDevices,
    RefusalReason,
    duration,
)
from tests.support.clock import FrozenClock
from tests.support.gate import FakeLink


class Room(PendingDevices):
    """A waiting room for three."""

    def __init__(self, clock: FrozenClock, most: int = 3) -> None:
        self.changes: Feed[Change] = Feed()
        super().__init__(most, self.changes, clock)

    def knock(self, sn: str, link: FakeLink, code: str = "unknown") -> None:
        self.record_unknown(knock_of(sn, link), [RefusalReason(code)], link)  # type: ignore[arg-type]

    def fail(self, did: str, code: str) -> None:
        self.record_failure(did, knock_of("SN", FakeLink()), [RefusalReason(code)])  # type: ignore[arg-type]

    @property
    def sns(self) -> list[str]:
        return [row.sn for row in self.pending()]


def knock_of(sn: str, link: FakeLink) -> ConnectAttempt:
    address = link.address
    return ConnectAttempt(
        sn=sn, ip=address, address=address, sign=None, ts_text="1", clock_offset=0
    )


def told(changes: Subscription[Change]) -> list[Change]:
    items, changes._items = changes._items, []
    return items


def test_an_sn_has_one_row_whatever_connection_it_knocks_on(clock: FrozenClock) -> None:
    room = Room(clock)
    first, second = FakeLink(), FakeLink("10.0.0.9")
    room.knock("A", first)
    room.knock("A", second)
    (row,) = room.pending()
    assert row.attempt.address == "10.0.0.9"
    assert room.connection_of("A") is second


@pytest.mark.parametrize("code", ["no-signature", "bad-signature", "no-key", "key-mismatch"])
def test_who_holds_no_key_does_not_take_the_row_of_one_that_does(
    clock: FrozenClock, code: str
) -> None:
    room = Room(clock)
    camera, stranger = FakeLink(), FakeLink("10.0.0.9")
    room.knock("A", stranger, code)
    room.knock("A", camera, "clock-off")
    clock.advance(KEPT_SECONDS - 1)
    room.knock("A", stranger, code)
    (row,) = room.pending()
    assert (row.attempt.address, row.reasons) == (camera.address, (RefusalReason("clock-off"),))
    assert room.connection_of("A") is camera
    assert room.is_pending(stranger)
    room.knock("A", camera, code)  # Its own connection says so: its key was changed.
    assert room.pending()[0].reasons == (RefusalReason(code),)  # type: ignore[arg-type]
    room.knock("A", camera)
    room.leave(camera)
    room.knock("A", stranger, code)
    assert room.pending()[0].attempt.address == camera.address
    clock.advance(KEPT_SECONDS + 1)
    room.knock("A", stranger, code)
    assert room.connection_of("A") is stranger


def test_the_row_outlives_its_connection_for_an_hour(clock: FrozenClock) -> None:
    room = Room(clock)
    link = FakeLink()
    room.knock("A", link)
    room.leave(link)
    assert room.connection_of("A") is None
    clock.advance(KEPT_SECONDS)
    assert room.sns == ["A"]
    clock.advance(1)
    assert room.sns == []
    assert room.find("A") is None


def test_rows_are_bounded_and_a_flood_makes_room_for_itself(clock: FrozenClock) -> None:
    room = Room(clock)
    room.knock("CAMERA", FakeLink("10.0.0.8"))
    for number in range(10):
        room.knock(f"FLOOD{number}", FakeLink("10.6.6.6"))
    assert room.sns == ["CAMERA", "FLOOD8", "FLOOD9"]
    assert [room.has_row(sn) for sn in ("CAMERA", "FLOOD7", "FLOOD9")] == [True, False, True]


def test_connections_are_bounded_and_the_oldest_of_the_busiest_address_is_closed(
    clock: FrozenClock,
) -> None:
    room = Room(clock)
    camera = FakeLink("10.0.0.8")
    flood = [FakeLink("10.6.6.6") for _ in range(4)]
    room.knock("SAME", camera)
    for link in flood:
        room.knock("SAME", link)
    assert camera.closed is None
    assert [link.closed is not None for link in flood] == [True, True, False, False]


def test_a_connection_that_is_in_is_never_closed_for_room(clock: FrozenClock) -> None:
    room = Room(clock)
    link = FakeLink()
    link.did = "12"
    room.knock("OTHER", link)
    assert not room.is_pending(link)


def test_listeners_are_told_of_rows_and_reasons_but_not_of_every_knock(clock: FrozenClock) -> None:
    room = Room(clock)
    link = FakeLink()
    with room.changes.subscribe() as changes:
        room.knock("A", link)
        room.knock("A", link)
        assert told(changes) == [Change("waiting", "A")]
        room.knock("A", link, "no-signature")
        assert told(changes) == [Change("waiting", "A")]
        room.fail("12", "code-mismatch")
        room.fail("12", "code-mismatch")
        assert told(changes) == [Change("device", "12")]
        room.forget("A")
        room.forget("A")
        assert told(changes) == [Change("waiting", "A")]


def test_further_tries_are_told_now_and_then(clock: FrozenClock) -> None:
    room = Room(clock)
    link = FakeLink()
    with room.changes.subscribe() as changes:
        room.knock("A", link)
        clock.advance(9)
        room.knock("A", link)
        assert told(changes) == [Change("waiting", "A")]
        clock.advance(1)
        room.knock("A", link)
        assert told(changes) == [Change("waiting", "A")]
        room.knock("A", link)
        assert told(changes) == []
    assert room.pending()[0].tries == 4


def test_the_reason_of_an_enrolled_device_fades_and_goes_when_it_comes_in(
    clock: FrozenClock,
) -> None:
    room = Room(clock)
    link = FakeLink()
    room.fail("12", "replayed")
    failing = room.failure("12")
    assert failing is not None
    assert [reason.code for reason in failing.reasons] == ["replayed"]
    assert room.sns == []
    clock.advance(KEPT_SECONDS + 1)
    assert room.failure("12") is None
    room.fail("12", "replayed")
    room.keep_open(link, "A")
    room.admitted("12", link)
    assert room.failure("12") is None
    assert not room.is_pending(link)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (RefusalReason("clock-off", {"seconds": "28680"}), "its clock is 7 h 58 min ahead"),
        (RefusalReason("clock-off", {"seconds": "-400"}), "its clock is 6 min 40 s behind"),
        (RefusalReason("code-mismatch"), "the code does not match the signature"),
        (RefusalReason("no-signature"), "it sends no signature"),
        (RefusalReason("foreign-did", {"did": "9"}), "it gives the did 9, which is not its own"),
    ],
)
def test_a_reason_is_a_plain_sentence(reason: RefusalReason, sentence: str) -> None:
    assert reason.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3600, "1 h"), (28_680, "7 h 58 min"), (90_061, "1 d 1 h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
