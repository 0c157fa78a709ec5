"""Guesses of security codes by somebody who has the key of the series (D2)."""

from __future__ import annotations

from hub.errors import WrongSignature
from hub.services.admission.code_guesses import FREE_GUESSES, GUESS_SECONDS
from tests.services.admission.test_connect import gate, refusal
from tests.support.clock import FrozenClock
from tests.support.gate import ADDRESS, SN, FakeLink, Gate

ELSEWHERE = "10.9.9.9"


async def guess(site: Gate, address: str) -> FakeLink:
    link = FakeLink(address)
    assert isinstance(await refusal(site, link, site.connect_param(code="OTHER")), WrongSignature)
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
        before = site.guesses.wait_seconds("1", own=False)
        await guess(site, f"10.2.0.{number}")
        looked_at += not before
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
    site.devices.note(SN, ip=ADDRESS)
    await guess_all(site)
    link = FakeLink(ADDRESS)
    await site.connect(link, site.connect_param())
    assert link.held == []


async def test_guesses_at_the_cameras_own_address_are_bounded_too(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.enrol()
    await site.connect(FakeLink(), site.connect_param())
    for _ in range(FREE_GUESSES):
        await guess(site, ADDRESS)
    assert (await guess(site, ADDRESS)).held[0] == GUESS_SECONDS
    assert site.guesses.wait_seconds("1", own=False) == 0


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
