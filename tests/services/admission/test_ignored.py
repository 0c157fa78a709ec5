"""D3: devices whose connect attempts are not shown."""

from __future__ import annotations

import pytest

from hub.errors import BadParameter, NoSuchResource
from hub.live.feed import Change
from hub.live.registry import DeviceAnswer
from hub.services.admission.ignored import MAX_IGNORED, IgnoredDevices
from hub.store.db import Store
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, SN, pending_camera
from tests.support.memory_store import MemoryStore


def ignored(store: Store) -> IgnoredDevices:
    return IgnoredDevices(store.settings, lambda sn: None)


async def test_an_ignored_device_does_not_wait_for_approval(clock: FrozenClock) -> None:
    site, _ = await pending_camera(clock)
    with site.changes.subscribe() as changes:
        await site.enrolment.ignored.add(SN)
        assert await changes.next() == [Change("waiting", SN)]
    assert site.enrolment.waiting() == []
    assert site.enrolment.last_attempt(SN) is not None
    await site.enrolment.ignored.remove(SN)
    assert [one.sn for one in site.enrolment.waiting()] == [SN]
    with pytest.raises(NoSuchResource):
        await site.enrolment.ignored.remove(SN)


async def test_a_device_that_is_accepted_is_not_ignored_any_more(clock: FrozenClock) -> None:
    site, link = await pending_camera(clock)
    await site.enrolment.ignored.add(SN)
    link.answers = [DeviceAnswer(200, "OK")]
    await site.enrolment.accept(SN, CODE)
    assert site.enrolment.ignored.sns() == []


async def test_what_is_ignored_survives_a_restart(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    await ignored(store).add("SN1")
    await ignored(store).add("SN2")
    assert ignored(store).sns() == ["SN2", "SN1"]
    await ignored(store).remove("SN2")
    assert ignored(store).sns() == ["SN1"]
    await store.settings.set("ignored_attempts", "damaged")
    assert ignored(store).sns() == []


async def test_the_oldest_is_shown_again_when_too_many_are_ignored(clock: FrozenClock) -> None:
    sns = ignored(MemoryStore(clock))
    for number in range(MAX_IGNORED + 1):
        await sns.add(f"SN{number}")
    await sns.add("SN1")
    assert len(sns.sns()) == MAX_IGNORED
    assert "SN0" not in sns
    assert sns.sns()[0] == "SN1"


@pytest.mark.parametrize("sn", ["", "x" * 65])
async def test_a_serial_number_has_1_to_64_characters(clock: FrozenClock, sn: str) -> None:
    with pytest.raises(BadParameter, match="64"):
        await ignored(MemoryStore(clock)).add(sn)
