"""D2 and D3: the initial parameters, and what a device's answer to them means."""

from __future__ import annotations

import pytest
import trio

from hub.errors import DeviceBusy, DeviceLeft, DeviceNonsense, DeviceSilent, NoSuchResource
from hub.live.feed import Change
from hub.live.registry import DeviceAnswer
from hub.services.admission.provisioning import stored_delivery
from hub.store.tables.devices import DeviceChange
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, SN, FakeLink, Gate, gate, pending_camera, refusal

TAKEN = DeviceAnswer(200, "OK")


@pytest.mark.parametrize(
    ("answer", "outcome", "message"),
    [
        (DeviceAnswer(0), "taken", "taken"),
        (DeviceAnswer(404, "no such uri"), "refused", "refused with 404 no such uri"),
        (DeviceSilent(), "silent", "no answer within 10 s"),
        (DeviceNonsense(), "silent", "no answer that can be read"),
    ],
)
async def test_the_outcome_of_provisioning_is_returned_and_stored(
    clock: FrozenClock, answer: DeviceAnswer | Exception, outcome: str, message: str
) -> None:
    """A device that answers an error stays enrolled, and is admitted without a did (D2)."""
    site, link = await pending_camera(clock)
    link.answers = [answer]
    accepted = await site.enrolment.accept(SN, CODE)
    assert (accepted.outcome, accepted.message) == (outcome, message)
    assert site.devices.get(accepted.device.did).init_outcome == message
    await site.connect(link, site.connect_param())
    assert site.store.devices.by_did(accepted.device.did).did_state == "none"


async def held_back_camera(clock: FrozenClock) -> tuple[Gate, FakeLink]:
    """A pending camera that failed so often that its answer is held back."""
    site, link = await pending_camera(clock)
    while site.enrolment.waiting()[0].slowed_until is None:
        await refusal(site, link)
    return site, link


@pytest.mark.parametrize(
    ("is_held_back", "answer"),
    [(True, DeviceLeft()), (True, DeviceSilent()), (False, DeviceLeft())],
)
async def test_parameters_lost_with_the_connection_are_sent_at_the_next_good_connect(
    clock: FrozenClock, is_held_back: bool, answer: Exception
) -> None:
    """A camera whose answer is held back gives its connection up, and the parameters with it."""
    site, link = await (held_back_camera if is_held_back else pending_camera)(clock)
    link.answers = [answer]
    accepted = await site.enrolment.accept(SN, CODE)
    assert (accepted.outcome, accepted.device.init_outcome) == ("not-sent", None)
    assert "follow when the device connects" in accepted.message
    again = FakeLink()
    again.answers = [TAKEN]
    error = await refusal(site, again)
    assert getattr(error, "offer", None) is True
    await site.enrolment.provisioning.offer(accepted.device.did, again)
    device = site.devices.get(accepted.device.did)
    assert (len(again.requests), device.init_outcome) == (1, "taken")
    await site.connect(again, site.connect_param(did=accepted.device.did))


async def test_a_camera_that_hangs_up_on_its_parameters_is_admitted_at_last(
    clock: FrozenClock,
) -> None:
    site, link = await pending_camera(clock)
    link.answers = [DeviceLeft()]
    accepted = await site.enrolment.accept(SN, CODE)
    again = FakeLink()
    again.answers = [DeviceLeft()]
    await refusal(site, again)
    await site.enrolment.provisioning.offer(accepted.device.did, again)
    await site.connect(FakeLink(), site.connect_param())


async def offered(clock: FrozenClock, *answers: DeviceAnswer | Exception) -> tuple[Gate, str]:
    """An enrolled device that connects without a did, and is offered its parameters."""
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = list(answers)
    await refusal(site, link)
    await site.enrolment.provisioning.offer(device.did, link)
    assert len(link.requests) == 1
    return site, device.did


@pytest.mark.parametrize("answer", [DeviceAnswer(420, "?"), DeviceSilent(), DeviceBusy()])
async def test_a_device_that_does_not_take_a_did_is_admitted_without(
    clock: FrozenClock, answer: DeviceAnswer | Exception
) -> None:
    """D2: an error, 10 s of silence, and the end of the connection all mean that."""
    site, did = await offered(clock, answer)
    assert site.store.devices.by_did(did).did_state == "none"
    await site.connect(FakeLink(), site.connect_param())
    await site.connect(FakeLink(), site.connect_param())


async def test_an_outcome_that_is_stored_late_is_told_when_it_is(clock: FrozenClock) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = [TAKEN]
    await refusal(site, link)
    site.store.is_slow = True
    await site.enrolment.provisioning.offer(device.did, link)
    with site.changes.subscribe() as feed:
        site.store.respond()
        assert site.devices.get(device.did).init_outcome == "taken"
        with trio.fail_after(1):
            assert Change("device", device.did) in await feed.next()


async def test_a_device_that_takes_its_did_is_admitted_with_it(clock: FrozenClock) -> None:
    site, did = await offered(clock, TAKEN)
    assert site.store.devices.by_did(did).did_state == "sent"
    await site.connect(FakeLink(), site.connect_param(did=did))
    assert site.store.devices.by_did(did).did_state == "known"


async def test_a_connect_directly_after_the_answer_is_checked_with_its_meaning(
    clock: FrozenClock,
) -> None:
    """The answer was read, its meaning is not stored yet, and the device connects again."""
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = [TAKEN]

    async def connect_again() -> None:
        site.store.before_write = None
        await site.connect(link, site.connect_param())

    async with trio.open_nursery() as nursery:
        site.store.before_write = lambda: nursery.start_soon(connect_again)
        await site.enrolment.provisioning.offer(device.did, link)
    assert site.registry.get(device.did)
    await site.connect(FakeLink(), site.connect_param())


async def test_a_device_that_connects_with_its_did_has_it_whatever_it_answered(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    await site.enrolment.provisioning.settle_did(device.did, "sent")
    link = FakeLink()
    link.answers = [DeviceSilent()]

    async def connect_with_did() -> None:
        await site.connect(link, site.connect_param(did=device.did))

    link.meanwhile = connect_with_did
    await site.enrolment.provisioning.offer(device.did, link)
    assert site.store.devices.by_did(device.did).did_state == "known"


async def test_parameters_are_not_sent_while_an_answer_is_awaited(clock: FrozenClock) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = [TAKEN]

    async def connect_meanwhile() -> None:
        error = await refusal(site, link)
        assert getattr(error, "offer", None) is False
        await site.enrolment.provisioning.offer(device.did, link)

    link.meanwhile = connect_meanwhile
    await site.enrolment.provisioning.offer(device.did, link)
    assert len(link.requests) == 1


@pytest.mark.parametrize("answer", [TAKEN, DeviceBusy()])
async def test_the_answer_of_a_replaced_camera_is_not_stored(
    clock: FrozenClock, answer: DeviceAnswer | Exception
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = [answer]

    async def replace_it() -> None:
        await site.devices.change(device.did, DeviceChange(sn="NEW-SN"))

    link.meanwhile = replace_it
    await site.enrolment.provisioning.offer(device.did, link)
    after = site.devices.device(device.did)
    assert (after.did_state, after.init_outcome) == ("unknown", None)


async def test_an_offer_to_a_device_that_is_removed_meanwhile_ends_without_error(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    link = FakeLink()
    link.answers = [TAKEN]

    async def remove() -> None:
        await site.devices.remove(device.did)

    link.meanwhile = remove
    await site.enrolment.provisioning.offer(device.did, link)
    assert not site.enrolment.provisioning.is_offering(device.did)


async def test_parameters_can_be_sent_again_to_an_online_device(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    await site.connect(link, site.connect_param())
    link.answers = [DeviceAnswer(404, "no such uri"), TAKEN]
    refused = await site.enrolment.provisioning.send_again(device.did)
    assert (refused.outcome, refused.code, refused.device_msg) == ("refused", "404", "no such uri")
    assert (await site.enrolment.provisioning.send_again(device.did)).outcome == "taken"
    assert site.devices.get(device.did).init_outcome == "taken"
    assert [param.did for _, param in link.requests] == [device.did] * 2


async def test_the_outcome_of_provisioning_is_published(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    await site.connect(link, site.connect_param())
    link.answers = [TAKEN]
    with site.changes.subscribe() as changes:
        await site.enrolment.provisioning.send_again(device.did)
        assert await changes.next() == [Change("device", device.did)]


async def test_parameters_for_an_offline_device_are_offered_at_its_next_connect(
    clock: FrozenClock,
) -> None:
    site = gate(clock, require_did="auto")
    device = await site.enrol()
    await site.enrolment.provisioning.settle_did(device.did, "none")
    assert (await site.enrolment.provisioning.send_again(device.did)).outcome == "not-sent"
    error = await refusal(site, FakeLink())
    assert getattr(error, "offer", None) is True
    with pytest.raises(NoSuchResource):
        await site.enrolment.provisioning.send_again("99")


@pytest.mark.parametrize(
    ("kept", "outcome", "code"),
    [
        ("taken", "taken", ""),
        ("refused with 404 no such uri", "refused", "404"),
        ("refused with -1", "refused", "-1"),
        ("no answer within 10 s", "silent", ""),
        ("the connection ended before an answer came", "silent", ""),
        ("no answer that can be read", "silent", ""),
    ],
)
def test_a_stored_outcome_is_read_back(kept: str, outcome: str, code: str) -> None:
    delivery = stored_delivery(kept)
    assert (delivery.outcome, delivery.code) == (outcome, code)
