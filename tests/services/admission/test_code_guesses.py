"""Guesses of security codes by somebody who has the key of the series (D2)."""

from __future__ import annotations

import pytest

from hub.errors import WrongSignature
from hub.services.admission.code_guesses import FREE_GUESSES, GUESS_SECONDS
from hub.wire.session import ConnectParam
from tests.services.admission.test_connect import gate, refusal
from tests.support.clock import FrozenClock
from tests.support.gate import ADDRESS, FakeLink, Gate

ELSEWHERE = "10.9.9.9"


async def guess(site: Gate, address: str, param: ConnectParam | None = None) -> FakeLink:
    link, param = FakeLink(address), param or site.connect_param(code="OTHER")
    assert isinstance(await refusal(site, link, param), WrongSignature)
    return link


async def guess_all(site: Gate) -> None:
    """Use up the free guesses, from many addresses."""
    for number in range(FREE_GUESSES):
        await guess(site, f"10.1.0.{number}")


async def test_a_right_code_is_held_back_while_codes_are_guessed(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    await guess_all(site)
    link = FakeLink(ELSEWHERE)
    error = await refusal(site, link, site.connect_param())
    assert error.code == 423
    assert link.held == [GUESS_SECONDS]
    assert link.did == ""


async def test_one_guess_in_30_seconds_is_looked_at_whatever_the_address(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    await guess_all(site)
    looked_at = 0
    for number in range(200):
        clock.advance(1)
        link = await guess(site, f"10.2.0.{number % 20}")
        looked_at += not link.held
    assert looked_at <= 200 / GUESS_SECONDS + 1


async def test_the_camera_at_its_last_good_address_is_not_held_back(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    await site.connect(FakeLink(), site.connect_param())
    await guess_all(site)
    link = FakeLink(ADDRESS)
    await site.connect(link, site.connect_param())
    assert link.held == []


async def test_the_address_of_before_a_restart_goes_first_too(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    await site.connect(FakeLink(ADDRESS), site.connect_param(ip="192.168.0.8"))
    site.registry.detach(site.registry.get("1"))
    await site.devices._status.flush()
    site = Gate(site.store, clock, require_did="never")
    await guess_all(site)
    link = FakeLink(ADDRESS)
    await site.connect(link, site.connect_param(ts=int(clock.seconds) + 1))
    assert link.held == []


async def test_an_address_that_only_the_camera_states_does_not_go_first(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    await site.enrol()
    await site.connect(FakeLink(ADDRESS), site.connect_param(ip="192.168.0.8"))
    await guess_all(site)
    link = FakeLink("192.168.0.8")
    await refusal(site, link, site.connect_param())
    assert link.held


@pytest.mark.parametrize("attackers", [1, 7, 30])
async def test_a_camera_at_a_new_address_waits_for_one_guess_of_each_address_that_guesses(
    clock: FrozenClock, attackers: int
) -> None:
    site = gate(clock)
    await site.enrol()
    await guess_all(site)
    addresses = [f"10.3.0.{number}" for number in range(attackers)]
    started, wrong = clock.seconds, site.connect_param(code="OTHER")
    while clock.seconds - started <= (attackers + 1) * GUESS_SECONDS + 60:
        for address in addresses:
            await guess(site, address, wrong)
        # It tries again every 60 s.
        if (clock.seconds - started) % 60 == 0:
            try:
                param = site.connect_param(ts=int(clock.seconds))
                await site.connect(FakeLink(ELSEWHERE), param)
                return
            except WrongSignature:
                pass
        clock.advance(30)
    pytest.fail("the camera was kept out")


async def test_a_camera_that_is_replaced_leaves_nothing_of_the_guesses(clock: FrozenClock) -> None:
    site = gate(clock)
    for number in range(3):
        device = await site.enrol()
        await guess_all(site)
        await guess(site, ELSEWHERE)
        await site.devices.remove(device.did)
        clock.advance(3700 * (number + 1))
    assert site.guesses.attacked() == []
    await site.enrol()
    await guess(site, ELSEWHERE)
    assert len(site.guesses) == 1


async def test_guesses_at_the_cameras_own_address_are_bounded_too(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    await site.connect(FakeLink(), site.connect_param())
    for _ in range(FREE_GUESSES):
        await guess(site, ADDRESS)
    assert (await guess(site, ADDRESS)).held[0] == GUESS_SECONDS
    assert not (await guess(site, ELSEWHERE)).held


async def test_a_wrong_key_is_no_guess(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    for number in range(2 * FREE_GUESSES):
        await refusal(site, FakeLink(f"10.1.0.{number}"), site.connect_param(key=1))
    link = FakeLink(ELSEWHERE)
    await site.connect(link, site.connect_param())
    assert link.held == []


async def test_an_attack_is_told_once_and_ends_with_a_new_code(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await guess_all(site)
    assert site.guesses.attacked() == []
    for _ in range(3):
        await guess(site, ELSEWHERE)
    assert site.guesses.attacked() == [device.did]
    entries = [entry for entry in await site.audit.newest() if entry.action == "device.guessed"]
    assert [(entry.target, entry.address) for entry in entries] == [(device.did, ELSEWHERE)]
    clock.advance(3601)
    assert site.guesses.attacked() == []
