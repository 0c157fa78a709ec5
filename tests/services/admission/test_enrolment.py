"""D3: pending devices, accepting one, and sending its initial parameters."""

from __future__ import annotations

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from hub.errors import (
    AlreadyExists,
    BadParameter,
    HubError,
    NoSuchResource,
    TooManyRequests,
    WrongSignature,
)
from hub.live.registry import DeviceAnswer
from hub.services.admission.enrolment import CHECKS_PER_SECOND
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.session import InitParam
from hub.wire.uploads.bodies import DeviceInfo
from tests.support.clock import FrozenClock
from tests.support.gate import (
    CODE,
    SN,
    FakeLink,
    gate,
    pending_camera,
    pending_codes,
    public_pem,
    refusal,
    refusal_codes,
)

TAKEN = DeviceAnswer(200, "OK")


async def test_attempts_of_an_unknown_device_make_one_pending_row(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    first = clock.ms
    clock.advance(20)
    await refusal(site, link, site.connect_param(ip="192.168.1.9"))
    (row,) = site.enrolment.waiting()
    assert (row.sn, row.attempt.ip, row.attempt.address) == (SN, "192.168.1.9", link.address)
    assert (row.first_seen, row.last_seen, row.tries) == (first, clock.ms, 2)
    assert pending_codes(site) == ["unknown"]


async def test_the_reason_names_what_the_installer_should_know_first(clock: FrozenClock) -> None:
    site = gate(clock)
    link = FakeLink()

    async def reason(**fields: object) -> str:
        await refusal(site, link, site.connect_param(**fields))
        return " ".join(pending_codes(site))

    assert await reason() == "no-key"
    await site.devices.set_site_key(public_pem())
    assert await reason() == "unknown"
    assert await reason(ts=int(clock.seconds) - 28_680) == "clock-off"
    row = site.enrolment.waiting()[0]
    assert row.reason == "its clock is 7 h 58 min behind: set its time and time zone"
    assert row.attempt.clock_offset == -28_680
    assert await reason(sign=None) == "unsigned-off"


async def test_accepting_a_device_sends_its_parameters_over_the_open_connection(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock, init_uri="/device/init")
    link.answers = [TAKEN]
    accepted = await site.enrolment.accept(SN, CODE, name="Gate")
    assert accepted.outcome == "taken"
    device = site.devices.device(accepted.device.did)
    secret = site.store.devices.secrets(device.did).secret
    assert link.requests == [
        ("/device/init", InitParam(device.did, device.ota_id, device.appid, secret))
    ]
    assert all((device.ota_id, device.appid, secret))
    assert (device.name, device.init_outcome, device.did_state) == ("Gate", "taken", "sent")
    assert site.enrolment.waiting() == []


async def test_an_accepted_device_connects_again_on_the_same_connection(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock)
    link.answers = [TAKEN]
    accepted = await site.enrolment.accept(SN, CODE)
    await site.connect(link, site.connect_param(did=accepted.device.did))
    assert site.devices.get(accepted.device.did).state == "online"
    assert site.store.devices.by_did(accepted.device.did).did_state == "known"


@pytest.mark.parametrize(
    ("code", "key", "reason"), [("WRONG", None, "code-mismatch"), (CODE, 1, "key-mismatch")]
)
async def test_accepting_with_a_code_that_does_not_match_is_423_and_stores_nothing(
    clock: FrozenClock, code: str, key: int | None, reason: str
) -> None:
    site, link = await pending_camera(clock)
    with pytest.raises(WrongSignature, match="does not match"):
        await site.enrolment.accept(SN, code, key=None if key is None else public_pem(key))
    assert site.devices.list() == []
    assert link.requests == []
    assert pending_codes(site) == [reason]


async def test_accepting_without_any_key_is_423(clock: FrozenClock) -> None:
    site = gate(clock)
    link = FakeLink()
    link.answers = [TAKEN]
    await refusal(site, link)
    with pytest.raises(WrongSignature, match="site key"):
        await site.enrolment.accept(SN, CODE)
    assert (await site.enrolment.accept(SN, CODE, key=public_pem())).device.has_own_key


async def test_parameters_are_not_sent_before_a_signature_was_verified(
    clock: FrozenClock,
) -> None:
    """The parameters hold a secret."""
    site = gate(clock, require_did="auto")
    await site.devices.set_site_key(public_pem())
    link = FakeLink()
    await refusal(site, link, site.connect_param(sign=None))
    accepted = await site.enrolment.accept(SN, CODE)
    assert (accepted.outcome, link.requests) == ("not-sent", [])
    await refusal(site, link, site.connect_param(code="WRONG"))
    assert link.requests == []
    error = await refusal(site, link)
    assert getattr(error, "offer", None) is True


async def test_accepting_with_a_bad_field_names_it(clock: FrozenClock) -> None:
    site, _ = await pending_camera(clock)
    for fields, field in (
        ({"code": ""}, "code"),
        ({"code": CODE, "did": "007"}, "did"),
        ({"code": CODE, "key": "no key"}, "key"),
        ({"code": CODE, "name": "x" * 101}, "name"),
    ):
        with pytest.raises(BadParameter) as caught:
            await site.enrolment.accept(SN, **fields)
        assert caught.value.field == field
    assert len(site.enrolment.waiting()) == 1


async def test_accepting_a_device_that_is_not_pending_is_an_error(clock: FrozenClock) -> None:
    site, _ = await pending_camera(clock)
    with pytest.raises(NoSuchResource):
        await site.enrolment.accept("NOBODY", CODE)
    await site.devices.add(NewDevice(sn=SN, code=CODE))
    with pytest.raises(AlreadyExists):
        await site.enrolment.accept(SN, CODE)


async def test_accepting_twice_at_once_makes_one_device(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    link.answers = [TAKEN]
    outcomes: list[str] = []

    async def accept() -> None:
        try:
            outcomes.append((await site.enrolment.accept(SN, CODE)).outcome)
        except AlreadyExists:
            outcomes.append("already")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        nursery.start_soon(accept)
    assert sorted(outcomes) == ["already", "taken"]
    assert len(link.requests) == 1
    assert len(site.devices.list()) == 1


async def test_a_device_that_left_is_sent_its_parameters_at_its_next_connect(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock)
    site.pending.leave(link)
    accepted = await site.enrolment.accept(SN, CODE)
    assert accepted.outcome == "not-sent"
    assert site.devices.device(accepted.device.did).did_state == "unknown"


async def test_a_device_that_leaves_while_it_is_being_stored_is_not_reported_as_silent(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock)
    site.store.before_write = lambda: site.pending.leave(link)
    accepted = await site.enrolment.accept(SN, CODE)
    assert accepted.outcome == "not-sent"
    assert site.devices.device(accepted.device.did).did_state == "unknown"


async def test_no_parameters_are_sent_if_the_device_cannot_be_stored(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    site.store.refuses = True
    with pytest.raises(HubError):
        await site.enrolment.accept(SN, CODE)
    assert link.requests == []
    assert len(site.enrolment.waiting()) == 1


async def test_adding_a_pending_sn_shows_at_once_whether_its_signature_matches(
    clock: FrozenClock,
) -> None:
    site, _ = await pending_camera(clock)
    view = await site.devices.add(NewDevice(sn=SN, code="WRONG"))
    assert (refusal_codes(site, view.did), view.state) == (["code-mismatch"], "offline")
    assert site.enrolment.waiting() == []


async def test_replayed_attempts_cannot_be_accepted(clock: FrozenClock) -> None:
    """The last signature decides, so a good one that was intercepted is not valid for long."""
    site, link = await pending_camera(clock)
    with pytest.raises(HubError):
        await site.connect(link, replace(site.connect_param(), sign="AAAA"))
    with pytest.raises(WrongSignature):
        await site.enrolment.accept(SN, CODE)


async def test_a_wrong_key_is_reported_before_any_code_is_entered(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.devices.set_site_key(public_pem(1))
    await refusal(site, FakeLink())
    assert pending_codes(site) == ["key-mismatch"]


async def test_all_reasons_are_reported_at_once(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    await refusal(site, link, site.connect_param(ts=int(clock.seconds) - 28_680))
    with pytest.raises(WrongSignature, match=r"code does not match.*; its clock is 7 h 58 min"):
        await site.enrolment.accept(SN, "WRONG")
    assert pending_codes(site) == ["code-mismatch", "clock-off"]


async def test_a_wrong_clock_of_an_accepted_device_is_reported_before_its_next_connect(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock)
    link.answers = [TAKEN]
    await refusal(site, link, site.connect_param(ts=int(clock.seconds) - 28_680))
    accepted = await site.enrolment.accept(SN, CODE)
    assert accepted.outcome == "taken"
    assert refusal_codes(site, accepted.device.did) == ["clock-off"]
    view = await site.devices.change(accepted.device.did, DeviceChange(clock_trusted=False))
    assert view.waiting is None


async def test_a_delay_is_reported_with_its_end(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    for _ in range(5):
        await refusal(site, link)
    (row,) = site.enrolment.waiting()
    assert row.slowed_until == clock.ms + 1000
    assert row.reason.endswith(
        "too many attempts failed, its own or those of unknown devices at its address: "
        "answers are delayed until 12:00:01 UTC"
    )
    clock.advance(1)
    assert site.enrolment.waiting()[0].slowed_until is None


async def test_a_delay_of_an_enrolled_device_is_reported_too(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    for _ in range(6):
        await refusal(site, FakeLink(), site.connect_param(code="WRONG"))
    view = site.devices.get(device.did)
    assert view.waiting is not None
    assert (view.waiting.tries, view.waiting.slowed_until) == (6, clock.ms + 1000)


@pytest.mark.parametrize(
    ("code", "key", "outcome"),
    [
        (CODE, None, "fits"),
        ("WRONG", None, "code-mismatch"),
        (CODE, 1, "key-mismatch"),
        (CODE, 0, "fits"),
    ],
)
async def test_checking_a_code_stores_and_sends_nothing(
    clock: FrozenClock, code: str, key: int | None, outcome: str
) -> None:
    site, link = await pending_camera(clock)
    before = site.enrolment.waiting(), site.store.writes
    check = site.enrolment.check_code(SN, code, None if key is None else public_pem(key))
    assert check.outcome == outcome
    assert (check.form is not None) is (outcome == "fits")
    assert (site.enrolment.waiting(), site.store.writes) == before
    assert link.requests == []


async def test_a_matching_code_does_not_hide_a_wrong_clock(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    await refusal(site, link, site.connect_param(ts=int(clock.seconds) + 400))
    check = site.enrolment.check_code(SN, CODE)
    assert (check.outcome, [reason.code for reason in check.reasons]) == ("fits", ["clock-off"])


async def test_a_code_cannot_be_checked_without_a_signature_or_a_key(clock: FrozenClock) -> None:
    site = gate(clock)
    await refusal(site, FakeLink())
    assert site.enrolment.check_code(SN, CODE).outcome == "no-key"
    await refusal(site, FakeLink(), site.connect_param(sign=None))
    assert site.enrolment.check_code(SN, CODE, public_pem()).outcome == "no-signature"
    with pytest.raises(NoSuchResource):
        site.enrolment.check_code("NOBODY", CODE)
    for code, key in (("", None), (CODE, "no key")):
        with pytest.raises(BadParameter):
            site.enrolment.check_code(SN, code, key)


async def test_a_code_can_be_checked_against_an_enrolled_device_that_fails(
    clock: FrozenClock,
) -> None:
    """Its own key is used: the code was mistyped at enrolment."""
    site = gate(clock)
    await site.enrol(key=public_pem(1), code="MISTYPED")
    with pytest.raises(NoSuchResource):
        site.enrolment.check_code(SN, CODE)
    await refusal(site, FakeLink(), site.connect_param(key=1))
    assert site.enrolment.check_code(SN, "OTHER").outcome == "code-mismatch"
    assert site.enrolment.check_code(SN, CODE).outcome == "fits"


async def test_checks_of_codes_are_rate_limited(
    clock: FrozenClock, autojump_clock: MockClock
) -> None:
    site, _ = await pending_camera(clock)
    for _ in range(CHECKS_PER_SECOND):
        site.enrolment.check_code(SN, "GUESS")
    with pytest.raises(TooManyRequests):
        site.enrolment.check_code(SN, "GUESS")
    await trio.sleep(1)
    site.enrolment.check_code(SN, "GUESS")


async def test_a_pending_camera_replaces_a_broken_one(clock: FrozenClock) -> None:
    site = gate(clock, require_did="auto")
    broken = await site.enrol("BROKEN", name="Gate")
    await site.connect(FakeLink(), site.connect_param("BROKEN", did=broken.did))
    site.devices.note_report(broken, DeviceInfo(fw_ver="1.2"))
    await site.devices.flush()
    link = FakeLink()
    link.answers = [TAKEN]
    await refusal(site, link)
    with pytest.raises(WrongSignature):
        await site.enrolment.accept(SN, "WRONG", replaces=broken.did)
    assert site.devices.get(broken.did).sn == "BROKEN"
    accepted = await site.enrolment.accept(SN, CODE, replaces=broken.did)
    view = accepted.device
    assert (view.did, view.sn, view.name, view.fw_ver) == (broken.did, SN, "Gate", None)
    assert link.requests[0][1].did == broken.did
    assert len(site.devices.list()) == 1
    await site.connect(link, site.connect_param(did=broken.did))


async def test_a_change_to_a_pending_camera_is_verified(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    broken = await site.enrol("BROKEN")
    await refusal(site, FakeLink())
    for change in (
        DeviceChange(sn=SN, code="WRONG"),
        DeviceChange(sn=SN, code="WRONG", key=None),
        DeviceChange(sn=SN, code=CODE, key=public_pem(1)),
    ):
        with pytest.raises(WrongSignature) as caught:
            await site.devices.change(broken.did, change)
        (reason,) = site.pending.find(SN).reasons  # type: ignore[union-attr]
        assert caught.value.message == reason.sentence
        assert reason.code == ("key-mismatch" if change.code == CODE else "code-mismatch")
    assert site.devices.get(broken.did).sn == "BROKEN"
    await site.devices.change(broken.did, DeviceChange(sn=SN, code=CODE))
    assert pending_codes(site) == []


async def test_a_change_of_the_sn_alone_is_verified_with_the_stored_code(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    other = await site.enrol("BROKEN", code="OTHER")
    await refusal(site, FakeLink())
    with pytest.raises(WrongSignature):
        await site.devices.change(other.did, DeviceChange(sn=SN))
    await site.devices.change(other.did, DeviceChange(code=CODE))
    await site.devices.change(other.did, DeviceChange(sn=SN))


async def test_attempts_of_a_stranger_with_the_same_sn_are_ignored(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    broken = await site.enrol("BROKEN")
    stranger = replace(site.connect_param(), sign="AAAA")
    with pytest.raises(HubError):
        await site.connect(FakeLink("10.0.0.9"), stranger)
    # Only the stranger tries: its attempt proves nothing, and the change is accepted.
    await site.devices.change(broken.did, DeviceChange(sn=SN, code=CODE))
    await site.devices.change(broken.did, DeviceChange(sn="BROKEN"))
    # The camera tries too: its attempt is the one that is verified.
    camera = FakeLink()
    camera.answers = [TAKEN]
    await refusal(site, camera)
    with pytest.raises(HubError):
        await site.connect(FakeLink("10.0.0.9"), stranger)
    with pytest.raises(WrongSignature):
        await site.devices.change(broken.did, DeviceChange(sn=SN, code="WRONG"))
    assert (await site.enrolment.accept(SN, CODE)).device.sn == SN


async def test_a_change_to_a_camera_without_a_signature_is_accepted(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    broken = await site.enrol("BROKEN")
    with pytest.raises(HubError):
        await site.connect(FakeLink(), replace(site.connect_param(), sign=None))
    await site.devices.change(broken.did, DeviceChange(sn=SN, code="WRONG"))
    assert site.devices.get(broken.did).waiting_reason == "it sends no signature"


async def test_a_device_that_does_not_exist_cannot_be_replaced(clock: FrozenClock) -> None:
    site, _ = await pending_camera(clock)
    with pytest.raises(NoSuchResource):
        await site.enrolment.accept(SN, CODE, replaces="99")
    with pytest.raises(BadParameter):
        await site.enrolment.accept(SN, CODE, replaces="99", did="5")
    assert pending_codes(site) == ["unknown"]
