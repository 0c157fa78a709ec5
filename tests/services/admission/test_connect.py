"""D2, row by row: the checks and their order, tokens, heartbeats, and delays after failures."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from hub.errors import CannotStoreNow, DeviceNotRegistered, HubError, NotAuthorised
from hub.live.feed import Change
from hub.live.refusal_reasons import RefusalReason
from hub.services.admission.connect import FREE_FAILURES
from hub.services.admission.connect_checks import MissingDid
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.session import KeepaliveParam
from hub.wire.signing import SIGN_FORMS
from tests.support import memory_store
from tests.support.clock import FrozenClock
from tests.support.gate import (
    CODE,
    SN,
    FakeLink,
    Gate,
    gate,
    online,
    pending_codes,
    public_pem,
    refusal,
    refusal_codes,
)

NOBODY = KeepaliveParam()


async def past_connect(site: Gate) -> Any:
    """Return the connect of a device that was admitted, and whose connection has ended."""
    param = site.connect_param()
    link = FakeLink()
    await site.connect(link, param)
    site.admission.leave(link, "gone")
    return param


async def test_a_good_connect_gets_a_token_its_lifetime_and_the_heartbeat_interval(
    clock: FrozenClock,
) -> None:
    site = gate(clock, token_ttl=1800, heartbeat_interval=20)
    device = await site.enrol()
    admitted = await site.connect(FakeLink(), site.connect_param())
    assert admitted.device.did == device.did
    assert (admitted.result.expire, admitted.result.interval) == (1800, 20)
    assert 16 <= len(admitted.result.token) <= 32
    assert admitted.result.token.isascii()
    assert site.authentication.by_token(admitted.result.token).sn == SN


async def test_a_first_connect_waits_for_one_write(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = gate(clock)
    device = await site.enrol()
    submit = memory_store._InlineCommit.submit
    writes: list[Any] = []

    async def counted(commit: Any, write: Any) -> Any:
        writes.append(write)
        return await submit(commit, write)

    monkeypatch.setattr(memory_store._InlineCommit, "submit", counted)
    await site.connect(FakeLink(), site.connect_param(did=device.did))
    assert len(writes) == 1
    assert [row.learnt for row in site.store.capabilities.of(device.did)] == ["did"]


async def test_only_the_hash_of_a_token_is_stored(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    token = (await site.connect(FakeLink(), site.connect_param())).result.token
    assert site.store.tokens.holder(hashlib.sha256(token.encode()).digest()) is not None
    assert site.store.tokens.holder(token.encode()) is None


async def test_an_unknown_sn_is_answered_421_and_becomes_pending(clock: FrozenClock) -> None:
    site = gate(clock)
    link = FakeLink()
    error = await refusal(site, link, site.connect_param("NOBODY"))
    assert isinstance(error, DeviceNotRegistered)
    assert [row.sn for row in site.enrolment.waiting()] == ["NOBODY"]
    assert link.closed is None


async def test_a_flood_of_made_up_sns_does_not_flood_the_log(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site = gate(clock)
    for number in range(200):
        await refusal(site, FakeLink(), site.connect_param(f"MADE-UP-{number}"))
    await refusal(site, FakeLink("10.0.0.99"), site.connect_param("REAL"))
    lines = [line for line in caplog.messages if "tried to connect from" in line]
    assert len(lines) == FREE_FAILURES + 2
    assert "REAL" in lines[-1]


@pytest.mark.parametrize("form", SIGN_FORMS)
async def test_every_form_of_the_signature_is_accepted_and_remembered(
    clock: FrozenClock, form: str
) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.connect(FakeLink(), site.connect_param(form=form))
    assert site.devices.get(device.did).sign_form == form


async def test_a_wrong_or_missing_signature_is_answered_423(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    for wrong, code in (
        (site.connect_param(code="OTHER"), "code-mismatch"),
        (site.connect_param(key=1), "key-mismatch"),
        (replace(site.connect_param(), sign="!!"), "bad-signature"),
        (replace(site.connect_param(), sign=None), "no-signature"),
    ):
        assert (await refusal(site, FakeLink(), wrong)).code == 423
        assert refusal_codes(site, device.did) == [code]


async def test_every_refusal_names_the_field(clock: FrozenClock) -> None:
    site = gate(clock, require_did="always")
    device = await site.enrol()
    used_up = site.connect_param(did=device.did)
    await site.connect(FakeLink(), used_up)
    for param, field in (
        (site.connect_param("NOBODY"), "sn"),
        (replace(site.connect_param(), sign=None), "sign"),
        (site.connect_param(code="OTHER"), "sign"),
        (site.connect_param(ts=int(clock.seconds) - 301), "ts"),
        (used_up, "ts"),
        (site.connect_param(ts=int(clock.seconds) - 1, did="999"), "did"),
        (site.connect_param(ts=int(clock.seconds) - 1, did=""), "did"),
    ):
        assert (await refusal(site, FakeLink(), param)).message.startswith(f"{field}: ")


async def test_a_devices_own_key_has_precedence_over_the_site_key(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol(key=public_pem(1))
    assert (await refusal(site, FakeLink(), site.connect_param(key=0))).code == 423
    await site.connect(FakeLink(), site.connect_param(key=1))


async def test_without_a_key_every_signature_is_refused(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.devices.add(NewDevice(sn=SN, code=CODE))
    error = await refusal(site, FakeLink(), site.connect_param())
    assert error.code == 423
    assert "site key" in error.message
    assert refusal_codes(site, device.did) == ["no-key"]


@pytest.mark.parametrize(
    ("off", "side"), [(-28_680, "7 h 58 min behind"), (301, "5 min 1 s ahead")]
)
async def test_a_clock_beyond_the_skew_is_answered_423_and_reported(
    clock: FrozenClock, off: int, side: str
) -> None:
    site = gate(clock)
    device = await site.enrol()
    error = await refusal(site, FakeLink(), site.connect_param(ts=int(clock.seconds) + off))
    assert error.code == 423
    assert side in error.message
    view = site.devices.get(device.did)
    assert view.waiting is not None
    assert view.waiting.reasons == (RefusalReason("clock-off", {"seconds": str(off)}),)
    assert view.clock_offset == pytest.approx(off)


async def test_a_clock_within_the_skew_is_accepted(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.connect(FakeLink(), site.connect_param(ts=int(clock.seconds) - 300))
    assert site.devices.get(device.did).clock_offset == pytest.approx(-300)


async def test_a_clock_that_is_not_trusted_is_not_checked(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol(clock_trusted=False)
    await site.connect(FakeLink(), site.connect_param(ts=1000))
    assert (await refusal(site, FakeLink(), site.connect_param(ts=1000))).code == 423


async def test_the_signature_covers_the_ts_as_it_was_sent(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    param = replace(site.connect_param(ts=clock.ms), ts=clock.seconds)
    await site.connect(FakeLink(), param)
    assert online(site) == 1


async def test_a_replayed_connect_is_refused(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    param = await past_connect(site)
    error = await refusal(site, FakeLink(), param)
    assert (error.code, refusal_codes(site, device.did)) == (423, ["replayed"])


async def test_a_late_replay_does_not_count_as_a_wrong_clock(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    param = await past_connect(site)
    clock.advance(400)  # Too old by now, and still remembered.
    error = await refusal(site, FakeLink(), param)
    assert (error.code, refusal_codes(site, device.did)) == (423, ["replayed"])
    assert site.devices.get(device.did).clock_offset == pytest.approx(0, abs=1)


async def test_a_clock_that_stands_still_is_reported_from_the_second_connect(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    param = site.connect_param(ts=1000)
    told = []
    # Two connects within a second have the same ts even with a good clock.
    for seconds in (0, 1, 30, 30):
        clock.advance(seconds)
        await refusal(site, FakeLink(), param)
        told += refusal_codes(site, device.did)
    assert told == ["clock-off", "clock-off", "replayed", "replayed"]
    await refusal(site, FakeLink(), site.connect_param(ts=1030))
    assert refusal_codes(site, device.did) == ["clock-off"]


async def test_a_clock_that_stands_still_is_accepted_once_it_is_not_trusted(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    param = site.connect_param(ts=1000)
    for _ in range(2):
        clock.advance(30)
        await refusal(site, FakeLink(), param)
    await site.devices.change(device.did, DeviceChange(code="OTHER"))
    assert refusal_codes(site, device.did) == ["code-mismatch", "replayed"]
    await site.devices.change(device.did, DeviceChange(code=CODE, clock_trusted=False))
    assert refusal_codes(site, device.did) == []
    await site.connect(FakeLink(), param)


async def test_a_replay_is_refused_even_if_the_clock_is_not_trusted(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    param = await past_connect(site)
    await refusal(site, FakeLink(), param)
    await site.devices.change(device.did, DeviceChange(clock_trusted=False))
    assert refusal_codes(site, device.did) == ["replayed"]


async def test_a_clock_that_stands_still_is_reported_of_a_pending_camera_too(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.devices.set_site_key(public_pem())
    param = site.connect_param(ts=1000)
    for told in ("clock-off", "replayed"):
        link = FakeLink()
        await refusal(site, link, param)
        site.admission.leave(link, "gone")
        assert pending_codes(site) == [told]
        clock.advance(30)
    assert site.enrolment.check_code(SN, "WRONG").reasons == (
        RefusalReason("code-mismatch"),
        RefusalReason("replayed"),
    )
    accepted = await site.enrolment.accept(SN, CODE)
    assert accepted.device.waiting_reason == "it repeats an earlier connect"


async def test_one_of_two_equal_simultaneous_connects_is_a_replay(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    param = site.connect_param()
    codes: list[int] = []

    async def connect() -> None:
        try:
            await site.connect(FakeLink(), param)
        except HubError as error:
            codes.append(error.code)
        else:
            codes.append(200)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        nursery.start_soon(connect)
    assert sorted(codes) == [200, 423]


async def test_an_accepted_ts_is_remembered_for_twice_the_skew(clock: FrozenClock) -> None:
    site = gate(clock, clock_skew=120)
    await site.enrol()
    await site.enrol("LOST-CLOCK", clock_trusted=False)
    await site.connect(FakeLink(), site.connect_param())
    await site.connect(FakeLink(), site.connect_param("LOST-CLOCK"))
    assert dict(site.store.rows("SELECT sn, keep_until FROM accepted")) == {
        SN: clock.ms + 240_000,
        "LOST-CLOCK": None,
    }


async def test_only_a_successful_connect_uses_up_its_ts(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.devices.change(device.did, DeviceChange(enabled=False))
    param = site.connect_param()
    assert (await refusal(site, FakeLink(), param)).code == 401
    await site.devices.change(device.did, DeviceChange(enabled=True))
    await site.connect(FakeLink(), param)


async def test_a_disabled_device_is_answered_401(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.devices.change(device.did, DeviceChange(enabled=False))
    assert (await refusal(site, FakeLink(), site.connect_param())).code == 401
    assert site.devices.get(device.did).state == "disabled"


async def test_a_did_of_another_device_is_answered_421(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    error = await refusal(site, FakeLink(), site.connect_param(did="999"))
    assert error.code == 421
    view = site.devices.get(device.did)
    assert view.waiting is not None
    assert view.waiting.reasons == (RefusalReason("foreign-did", {"did": "999"}),)


async def test_the_checks_run_in_the_order_of_d2(clock: FrozenClock) -> None:
    """Everything is wrong at first, and is corrected one thing after the other."""
    site = gate(clock, require_did="always")
    link = FakeLink()
    used = site.connect_param("OTHER-SN", did="999")
    device = await site.enrol()
    everything_wrong = {"code": "OTHER", "ts": 1000, "did": "999"}
    assert (await refusal(site, link, used)).code == 421  # an unknown SN goes before its signature
    await site.devices.change(device.did, DeviceChange(enabled=False))

    async def reason(**wrong: Any) -> str:
        await refusal(site, link, site.connect_param(**wrong))
        found = site.pending.failure(device.did)
        assert found is not None
        return found.reasons[0].code

    assert await reason(**everything_wrong) == "code-mismatch"
    assert await reason(ts=1000, did="999") == "clock-off"
    ts = int(clock.seconds) - 7
    await site.devices.change(device.did, DeviceChange(enabled=True))
    await site.connect(FakeLink(), site.connect_param(ts=ts, did=device.did))
    await site.devices.change(device.did, DeviceChange(enabled=False))
    assert await reason(ts=ts, did="999") == "replayed"
    assert await reason(did="999") == "disabled"
    await site.devices.change(device.did, DeviceChange(enabled=True))
    assert await reason(did="999") == "foreign-did"
    assert await reason() == "no-did"


async def test_a_missing_ip_defaults_to_the_connections_address(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.connect(FakeLink("10.0.0.9"), site.connect_param())
    assert site.devices.get(device.did).ip == "10.0.0.9"
    await site.connect(FakeLink("10.0.0.9"), site.connect_param(ip="192.168.1.2"))
    assert site.devices.get(device.did).ip == "192.168.1.2"


async def test_an_empty_did_is_accepted_at_once_if_never_required(clock: FrozenClock) -> None:
    site = gate(clock, require_did="never")
    await site.enrol()
    await site.connect(FakeLink(), site.connect_param())
    assert online(site) == 1


async def test_an_empty_did_is_always_answered_421_if_always_required(clock: FrozenClock) -> None:
    site = gate(clock, require_did="always")
    device = await site.enrol()
    for _ in range(3):
        error = await refusal(site, FakeLink(), site.connect_param())
        assert isinstance(error, MissingDid)
        await site.enrolment.provisioning.settle_did(device.did, "none")
    await site.connect(FakeLink(), site.connect_param(did=device.did))


async def test_an_empty_did_is_answered_421_with_an_offer_of_parameters_in_auto_mode(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    error = await refusal(site, FakeLink(), site.connect_param())
    assert isinstance(error, MissingDid)
    assert (error.did, error.offer) == (device.did, True)


async def test_a_device_that_cannot_keep_a_did_is_admitted_without(clock: FrozenClock) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    await site.enrolment.provisioning.settle_did(device.did, "none")
    await site.connect(FakeLink(), site.connect_param())
    assert online(site) == 1


async def test_a_device_that_took_its_parameters_and_sends_no_did_cannot_keep_one(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    await site.enrolment.provisioning.settle_did(device.did, "sent")
    await site.connect(FakeLink(), site.connect_param())
    assert site.store.devices.by_did(device.did).did_state == "none"
    await site.connect(FakeLink(), site.connect_param())


async def test_a_device_that_lost_its_did_is_sent_it_again(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    await site.enrolment.provisioning.settle_did(device.did, "sent")
    await site.connect(FakeLink(), site.connect_param(did=device.did))
    assert site.store.devices.by_did(device.did).did_state == "known"
    error = await refusal(site, FakeLink(), site.connect_param())
    assert isinstance(error, MissingDid)


async def test_a_second_connection_of_a_device_replaces_the_first(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    first, second = FakeLink(), FakeLink()
    token = (await site.connect(first, site.connect_param())).result.token
    await site.connect(second, site.connect_param())
    assert first.closed is not None
    site.admission.leave(first, first.closed)
    assert site.registry.get(device.did) is second
    assert site.devices.get(device.did).state == "online"
    site.authentication.by_token(token)


async def test_a_second_connect_on_the_same_connection_closes_nothing(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    first = await site.connect(link, site.connect_param())
    second = await site.connect(link, site.connect_param())
    assert link.closed is None
    assert site.registry.get(device.did) is link
    assert first.result.token != second.result.token


async def test_going_online_and_offline_is_published(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    with site.changes.subscribe() as changes:
        await site.connect(link, site.connect_param())
        await site.connect(link, site.connect_param())
        assert await changes.next() == [Change("device", device.did)]
        site.admission.leave(link, "gone")
        site.admission.leave(link, "gone")
        assert await changes.next() == [Change("device", device.did)]


@pytest.mark.parametrize("change", [None, DeviceChange(enabled=False), DeviceChange(code="NEW")])
async def test_a_device_that_is_changed_while_its_token_is_stored_is_not_admitted(
    clock: FrozenClock, change: DeviceChange | None
) -> None:
    """A change of None removes it. Whichever write is first, the camera is offline after both."""
    for pause in range(8):
        site = gate(clock)
        device = await site.enrol()
        link = FakeLink()
        connected: list[str] = []

        async def connect(
            site: Gate = site, link: FakeLink = link, connected: list[str] = connected
        ) -> None:
            with suppress(HubError):
                connected.append((await site.connect(link, site.connect_param())).result.token)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect)
            for _ in range(pause):
                await trio.lowlevel.checkpoint()
            if change is None:
                await site.devices.remove(device.did)
            else:
                await site.devices.change(device.did, change)
        assert link.closed is not None or not site.registry.get(device.did)
        assert site.store.rows("SELECT 1 FROM token WHERE did = ?", device.did) == []
        for token in connected:
            with pytest.raises(NotAuthorised):
                site.authentication.by_token(token)


async def test_no_device_is_admitted_while_nothing_can_be_stored(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    site.store.refuses = True
    param = site.connect_param()
    with pytest.raises(CannotStoreNow):
        await site.connect(FakeLink(), param)
    site.store.refuses = False
    await site.connect(FakeLink(), param)


async def test_answers_are_delayed_after_five_failures_within_a_minute(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    link = FakeLink()
    for _ in range(5):
        await refusal(site, link, site.connect_param(code="OTHER"))
    assert link.held == []
    for _ in range(7):
        await refusal(site, link, site.connect_param(code="OTHER"))
        clock.advance(link.held[-1])
    assert link.held == [1, 2, 4, 8, 16, 30, 30]
    clock.advance(61)
    await refusal(site, link, site.connect_param(code="OTHER"))
    assert len(link.held) == 7


async def test_the_answer_to_a_good_signature_is_never_delayed(clock: FrozenClock) -> None:
    """Nobody can lock a camera out by using its SN, even from its address."""
    site = gate(clock)
    device = await site.enrol()
    attacker, camera = FakeLink(), FakeLink()
    for _ in range(20):
        await refusal(site, attacker, site.connect_param(code="GUESS"))
    await site.connect(camera, site.connect_param())
    assert camera.held == []
    late = FakeLink()
    for _ in range(20):
        await refusal(site, late, site.connect_param(did="999"))
    assert late.held == []
    assert site.registry.get(device.did) is camera


async def test_a_failing_camera_does_not_delay_others_behind_its_address(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    bad = FakeLink()
    await site.enrol("BAD")
    for number in range(63):
        await site.enrol(f"GOOD{number}")
    for _ in range(30):
        await refusal(site, bad, site.connect_param("BAD", code="OTHER"))
    assert bad.held
    for number in range(63):
        link = FakeLink()
        await refusal(site, link, site.connect_param(f"GOOD{number}", code="OTHER"))
        await site.connect(link, site.connect_param(f"GOOD{number}"))
        assert link.held == []


async def test_the_addresses_of_an_ipv6_network_are_delayed_together(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    for sn, code in (("NOBODY", ""), (SN, "OTHER")):
        links = [FakeLink(f"2001:db8::{number}") for number in range(1, 7)]
        for link in links:
            await refusal(site, link, site.connect_param(sn, code=code))
        assert [link.held for link in links] == [[], [], [], [], [], [1]]


async def test_attempts_with_unknown_sns_are_delayed_by_address(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    flood, neighbour = FakeLink("10.6.6.6"), FakeLink()
    for number in range(6):
        await refusal(site, flood, site.connect_param(f"NOBODY{number}"))
    assert flood.held == [1]
    assert site.enrolment.waiting()[-1].slowed_until == clock.ms + 1000
    await refusal(site, neighbour, site.connect_param("NOBODY0"))
    assert neighbour.held == []
