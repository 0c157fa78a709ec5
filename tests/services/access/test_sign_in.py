from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio

from hub.errors import NotAuthorised, TooManyRequests
from hub.services.access.sign_in import FREE_PER_USER, USER_SECONDS
from hub.services.audit import COMMAND_LINE, Actor
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices, open_hub_services

ELSEWHERE = "10.0.0.66"


async def guess(hub: HubServices, name: str, address: str, times: int = 1) -> list[int]:
    """Sign in with a wrong password. Returns the delays that were asked for, 0 for a guess."""
    delays = []
    for _ in range(times):
        try:
            await hub.services.access.sessions.sign_in(name, "wrong password", address)
        except TooManyRequests as error:
            delays.append(error.retry_after)
        except NotAuthorised:
            delays.append(0)
    return delays


async def test_wrong_passwords_delay_further_attempts_longer_and_longer(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    assert await guess(hub, "ann", ELSEWHERE, 5) == [0, 0, 0, 0, 0]
    holds = []
    for _ in range(8):
        (hold,) = await guess(hub, "ann", ELSEWHERE)
        holds.append(hold)
        clock.advance(hold)
        assert await guess(hub, "ann", ELSEWHERE) == [0]
    assert holds == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_15_minutes_after_the_last_failure_attempts_are_free_again(
    hub: HubServices, clock: FrozenClock
) -> None:
    await guess(hub, "ann", ELSEWHERE, 6)
    clock.advance(900)
    assert await guess(hub, "ann", ELSEWHERE, 5) == [0, 0, 0, 0, 0]


async def test_a_clock_that_is_set_back_delays_nobody(hub: HubServices, clock: FrozenClock) -> None:
    await guess(hub, "ann", ELSEWHERE, 6)
    clock.advance(-86_400)
    assert await guess(hub, "ann", ELSEWHERE) == [0]


async def test_during_the_delay_even_the_right_password_is_refused(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await guess(hub, "ann", ELSEWHERE, 5)
    with pytest.raises(TooManyRequests):
        await hub.services.access.sessions.sign_in("ann", PASSWORD, ELSEWHERE)


async def test_concurrent_guesses_do_not_get_around_the_limit(hub: HubServices) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    waits: list[int] = []

    async def one() -> None:
        waits.extend(await guess(hub, "ann", ELSEWHERE))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)
    assert 1 <= waits.count(0) <= 5


async def test_guesses_from_elsewhere_do_not_delay_the_user_at_the_usual_pc(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")
    for n in range(40):
        await guess(hub, "ann", f"10.0.1.{n}", 5)
    assert sum(await guess(hub, "ann", "10.0.2.1"))
    assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_a_user_at_a_new_pc_waits_for_one_guess_of_each_address_that_guesses(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    addresses = [f"10.0.{n}.1" for n in range(1, 8)]
    for address in addresses:
        await guess(hub, "ann", address, 5)
    waited = 0
    while waited <= (len(addresses) + 1) * USER_SECONDS:
        for address in addresses:
            await guess(hub, "ann", address)
        with suppress(TooManyRequests):
            assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.7.7.7")
            return
        clock.advance(10)
        waited += 10
    pytest.fail("ann was kept out")


async def test_one_account_takes_20_guesses_and_then_one_in_30_seconds_from_elsewhere(
    hub: HubServices, clock: FrozenClock
) -> None:
    looked_at = 0
    most = FREE_PER_USER + 900 / USER_SECONDS
    for number in range(90):
        looked_at += await guess(hub, "ann", f"10.0.{number % 10}.1") == [0]
        clock.advance(10)
    assert most - 5 <= looked_at <= most


async def test_a_flood_from_many_addresses_does_not_hold_up_the_usual_pc(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")
    async with trio.open_nursery() as nursery:
        for n in range(200):
            nursery.start_soon(guess, hub, f"user {n}", f"10.0.{n // 4}.{n}")
        await trio.lowlevel.checkpoint()
        for _ in range(3):
            assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_a_browser_in_which_the_user_signed_in_is_known_at_another_address(
    hub: HubServices,
) -> None:
    sessions = hub.services.access.sessions
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    signed_in = await sessions.sign_in("ann", PASSWORD, "10.0.0.1")
    marks = sessions.known_browsers.with_mark("", signed_in.user)
    await guess(hub, "ann", ELSEWHERE, 40)
    with pytest.raises(TooManyRequests):
        await sessions.sign_in("ann", PASSWORD, ELSEWHERE)
    assert await sessions.sign_in("ann", PASSWORD, ELSEWHERE, marks=marks)


async def test_a_stolen_mark_allows_no_more_guesses_than_an_address(hub: HubServices) -> None:
    sessions = hub.services.access.sessions
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    user = (await sessions.sign_in("ann", PASSWORD, "10.0.0.1")).user
    marks = sessions.known_browsers.with_mark("", user)
    for n in range(6):
        refused = NotAuthorised if n < 5 else TooManyRequests
        with pytest.raises(refused):
            await sessions.sign_in("ann", "wrong password", f"10.9.9.{n}", marks=marks)


async def test_a_user_who_is_signed_in_confirms_the_password_during_a_flood(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    async with trio.open_nursery() as nursery:
        for n in range(200):
            nursery.start_soon(guess, hub, f"user {n}", f"10.0.{n // 4}.{n}")
        await trio.lowlevel.checkpoint()
        assert await hub.services.access.users.confirm(
            "ann", PASSWORD, by=Actor("user ann", "10.7.7.7")
        )


async def test_the_usual_pc_is_still_known_after_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann")
    async with open_hub_services(tmp_path, clock) as hub:
        for n in range(30):
            await guess(hub, "ann", f"10.0.1.{n}")
        assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_an_address_that_tries_many_names_is_delayed(hub: HubServices) -> None:
    waits = [await guess(hub, f"user {n}", ELSEWHERE) for n in range(30)]
    assert waits[:20] == [[0]] * 20
    assert waits[20:] == [[1]] * 10


async def test_the_addresses_of_an_ipv6_network_share_one_limit(hub: HubServices) -> None:
    for network in ("2001:db8:1:2:", "2001:db8:", "fe80:"):
        waits = [await guess(hub, "ann", f"{network}:{n}:1:1") for n in range(1, 7)]
        assert waits == [[0]] * 5 + [[1]]


async def test_guesses_from_the_same_ipv6_network_do_not_delay_the_user_at_the_usual_pc(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.sessions.sign_in("ann", PASSWORD, "fd00::1")
    for n in range(40):
        await guess(hub, "ann", f"fd00::2:{n}")
    assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "fd00::1")


async def test_overlong_names_share_one_entry_of_the_failures(hub: HubServices) -> None:
    waits = [await guess(hub, f"{'x' * 70} {n}", ELSEWHERE) for n in range(6)]
    assert waits == [[0]] * 5 + [[1]]
    await hub.services.access.users.add("x" * 64, "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        await hub.services.access.sessions.sign_in("x" * 65, PASSWORD, "10.0.0.1")


async def test_a_successful_sign_in_clears_earlier_typing_errors(hub: HubServices) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    for _ in range(10):
        assert await guess(hub, "ann", "10.0.0.1") == [0]
        await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_sign_ins_beyond_the_queue_are_refused_and_do_not_count_as_failures(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    monkeypatch.setattr("hub.services.access.sign_in_queue.MAX_WAITING_PER_SOURCE", 0)
    assert await guess(hub, "ann", "10.0.0.1", 20) == [5] * 20
    monkeypatch.undo()
    assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_names_whose_passwords_are_not_checked_displace_no_limit(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = hub.services.access.users._sign_in._limit
    for table in (limit._users, limit._pairs, limit._origins):
        monkeypatch.setattr(table, "_size", 10)
    for number in range(FREE_PER_USER // 5):
        await guess(hub, "ann", f"10.0.{number}.1", 5)
    with monkeypatch.context() as busy:
        busy.setattr("hub.services.access.sign_in_queue.MAX_WAITING_PER_SOURCE", 0)
        for number in range(30):
            assert await guess(hub, f"junk {number}", f"10.1.{number}.1") == [5]
    assert await guess(hub, "ann", "10.0.0.1") == [1]
    assert await guess(hub, "ann", "10.7.7.7") == [USER_SECONDS]
