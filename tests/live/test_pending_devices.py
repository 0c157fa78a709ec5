from __future__ import annotations

import pytest

from hub.live.feed import Change, ChangeFeed, Subscription
from hub.live.pending_devices import KEPT_SECONDS, ConnectAttempt, PendingDevices
from hub.live.refusal_reasons import RefusalReason
from tests.support.clock import FrozenClock
from tests.support.gate import FakeLink


class ThreePendingDevices(PendingDevices):
    """With room for three rows and connections."""

    def __init__(self, clock: FrozenClock) -> None:
        self.changes = ChangeFeed()
        super().__init__(3, self.changes, clock)

    def attempt(self, sn: str, link: FakeLink, code: str = "unknown") -> None:
        self.record_unknown(attempt_by(sn, link), [RefusalReason(code)], link)  # type: ignore[arg-type]

    def fail(self, did: str, code: str) -> None:
        self.record_failure(did, attempt_by("SN", FakeLink()), [RefusalReason(code)])  # type: ignore[arg-type]

    @property
    def sns(self) -> list[str]:
        return [row.sn for row in self.pending()]


def attempt_by(sn: str, link: FakeLink) -> ConnectAttempt:
    address = link.address
    return ConnectAttempt(
        sn=sn, ip=address, address=address, sign=None, ts_text="1", clock_offset=0
    )


def published(changes: Subscription[Change]) -> list[Change]:
    items, changes._items = changes._items, []
    return items


def test_an_sn_has_one_row_for_all_its_connections(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    first, second = FakeLink(), FakeLink("10.0.0.9")
    pending.attempt("A", first)
    pending.attempt("A", second)
    (row,) = pending.pending()
    assert row.attempt.address == "10.0.0.9"
    assert pending.connection_of("A") is second


@pytest.mark.parametrize("code", ["no-signature", "bad-signature", "no-key", "key-mismatch"])
def test_an_attempt_without_a_known_key_does_not_replace_the_row_of_one_with_it(
    clock: FrozenClock, code: str
) -> None:
    pending = ThreePendingDevices(clock)
    camera, stranger = FakeLink(), FakeLink("10.0.0.9")
    pending.attempt("A", stranger, code)
    pending.attempt("A", camera, "clock-off")
    clock.advance(KEPT_SECONDS - 1)
    pending.attempt("A", stranger, code)
    (row,) = pending.pending()
    assert (row.attempt.address, row.reasons) == (camera.address, (RefusalReason("clock-off"),))
    assert pending.connection_of("A") is camera
    assert pending.is_pending(stranger)
    pending.attempt("A", camera, code)  # On its own connection: its key was changed.
    assert pending.pending()[0].reasons == (RefusalReason(code),)  # type: ignore[arg-type]
    pending.attempt("A", camera)
    pending.leave(camera)
    pending.attempt("A", stranger, code)
    assert pending.pending()[0].attempt.address == camera.address
    clock.advance(KEPT_SECONDS + 1)
    pending.attempt("A", stranger, code)
    assert pending.connection_of("A") is stranger


def test_a_row_outlives_its_connection_for_an_hour(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    link = FakeLink()
    pending.attempt("A", link)
    pending.leave(link)
    assert pending.connection_of("A") is None
    clock.advance(KEPT_SECONDS)
    assert pending.sns == ["A"]
    clock.advance(1)
    assert pending.sns == []
    assert pending.find("A") is None


def test_a_failed_connect_is_forgotten_an_hour_later(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    for did in ("1", "2"):
        pending.fail(did, "clock-off")
        clock.advance(KEPT_SECONDS // 2)
    clock.advance(1)
    pending.fail("3", "clock-off")
    assert list(pending._failing) == ["2", "3"]


def test_rows_are_bounded_and_a_flood_makes_room_for_itself(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    pending.attempt("CAMERA", FakeLink("10.0.0.8"))
    for number in range(10):
        pending.attempt(f"FLOOD{number}", FakeLink("10.6.6.6"))
    assert pending.sns == ["CAMERA", "FLOOD8", "FLOOD9"]
    assert [pending.has_row(sn) for sn in ("CAMERA", "FLOOD7", "FLOOD9")] == [True, False, True]


def test_connections_are_bounded_and_the_oldest_of_the_busiest_address_is_closed(
    clock: FrozenClock,
) -> None:
    pending = ThreePendingDevices(clock)
    camera = FakeLink("10.0.0.8")
    flood = [FakeLink("10.6.6.6") for _ in range(4)]
    pending.attempt("SAME", camera)
    for link in flood:
        pending.attempt("SAME", link)
    assert camera.closed is None
    assert [link.closed is not None for link in flood] == [True, True, False, False]


def test_a_flood_from_one_ipv6_network_makes_room_for_itself(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    pending.attempt("CAMERA", FakeLink("2001:db8::8"))
    for number in range(10):
        pending.attempt(f"FLOOD{number}", FakeLink(f"2001:db8:66::{number}"))
    assert pending.sns == ["CAMERA", "FLOOD8", "FLOOD9"]


def test_within_an_ipv6_network_the_busiest_address_makes_room(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    pending.attempt("CAMERA", FakeLink("2001:db8::8"))
    for number in range(10):
        pending.attempt(f"FLOOD{number}", FakeLink("2001:db8::66"))
    assert pending.sns == ["CAMERA", "FLOOD8", "FLOOD9"]


def test_an_admitted_connection_is_never_closed_to_make_room(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    link = FakeLink()
    link.did = "12"
    pending.attempt("OTHER", link)
    assert not pending.is_pending(link)


def test_new_rows_and_reasons_are_published_but_not_every_attempt(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    link = FakeLink()
    with pending.changes.subscribe() as changes:
        pending.attempt("A", link)
        pending.attempt("A", link)
        assert published(changes) == [Change("waiting", "A")]
        pending.attempt("A", link, "no-signature")
        assert published(changes) == [Change("waiting", "A")]
        pending.fail("12", "code-mismatch")
        pending.fail("12", "code-mismatch")
        assert published(changes) == [Change("device", "12")]
        pending.forget("A")
        pending.forget("A")
        assert published(changes) == [Change("waiting", "A")]


def test_repeated_attempts_are_published_every_ten_seconds(clock: FrozenClock) -> None:
    pending = ThreePendingDevices(clock)
    link = FakeLink()
    with pending.changes.subscribe() as changes:
        pending.attempt("A", link)
        clock.advance(9)
        pending.attempt("A", link)
        assert published(changes) == [Change("waiting", "A")]
        clock.advance(1)
        pending.attempt("A", link)
        assert published(changes) == [Change("waiting", "A")]
        pending.attempt("A", link)
        assert published(changes) == []
    assert pending.pending()[0].tries == 4


def test_the_reason_of_an_enrolled_device_expires_and_ends_with_its_admission(
    clock: FrozenClock,
) -> None:
    pending = ThreePendingDevices(clock)
    link = FakeLink()
    pending.fail("12", "replayed")
    failing = pending.failure("12")
    assert failing is not None
    assert [reason.code for reason in failing.reasons] == ["replayed"]
    assert pending.sns == []
    clock.advance(KEPT_SECONDS + 1)
    assert pending.failure("12") is None
    pending.fail("12", "replayed")
    pending.keep_open(link, "A")
    pending.admitted("12", link)
    assert pending.failure("12") is None
    assert not pending.is_pending(link)
