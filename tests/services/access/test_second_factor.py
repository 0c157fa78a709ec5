"""The second factor: codes by the time, each once, recovery codes, and bounded guessing."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from hub.config import Config, WebConfig
from hub.errors import BadParameter, NoSuchResource, NotAuthorised, TooManyRequests
from hub.services.access.second_factor import STEP_SECONDS, CodeNeeded, totp
from hub.services.access.sign_in import TicketEnded
from hub.services.audit import Actor
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices, open_hub_services

ANN = Actor("user ann", "10.0.0.1")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann", "admin")
        yield hub


def code_at(secret: str, clock: FrozenClock, steps: int = 0) -> str:
    return totp(base64.b32decode(secret), clock.ms // 1000 // STEP_SECONDS + steps)


async def turn_on(hub: HubServices, clock: FrozenClock) -> tuple[str, tuple[str, ...]]:
    """Return the secret and the recovery codes."""
    factors = hub.services.access.second_factors
    secret = factors.begin("ann")
    codes = await factors.confirm("ann", code_at(secret, clock), by=ANN)
    clock.advance(60)
    return secret, codes


async def ticket_of(hub: HubServices, address: str = "10.0.0.1") -> str:
    with pytest.raises(CodeNeeded) as needed:
        await hub.services.access.sessions.sign_in("ann", PASSWORD, address)
    return needed.value.ticket


async def give(hub: HubServices, code: str, address: str = "10.0.0.1") -> str:
    """Sign in with a code after the password; return the token of the session."""
    sessions = hub.services.access.sessions
    ticket = await ticket_of(hub, address)
    return (await sessions.sign_in_by_code(ticket, code, address)).token


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert totp(b"12345678901234567890", seconds // 30, 8) == code


async def test_a_code_is_asked_for_after_the_password(hub: HubServices, clock: FrozenClock) -> None:
    secret, _ = await turn_on(hub, clock)
    with pytest.raises(NotAuthorised, match="password is wrong"):
        await hub.services.access.sessions.sign_in("ann", "wrong password", "10.0.0.1")
    token = await give(hub, code_at(secret, clock))
    user = await hub.services.access.sessions.user_of(token)
    assert user is not None
    assert user.name == "ann"


@pytest.mark.parametrize(("steps", "fits"), [(-2, False), (-1, True), (1, True), (2, False)])
async def test_a_code_is_good_for_a_step_around_its_time(
    hub: HubServices, clock: FrozenClock, steps: int, fits: bool
) -> None:
    secret, _ = await turn_on(hub, clock)
    clock.advance(300)
    if fits:
        assert await give(hub, code_at(secret, clock, steps))
        return
    with pytest.raises(NotAuthorised, match="code is wrong"):
        await give(hub, code_at(secret, clock, steps))


async def test_a_code_counts_once_and_after_a_restart_too(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann", "admin")
        secret, _ = await turn_on(hub, clock)
        code, before = code_at(secret, clock), code_at(secret, clock, -1)
        assert await give(hub, code)
        with pytest.raises(NotAuthorised):
            await give(hub, code)
    async with open_hub_services(tmp_path, clock) as hub:
        for used in (code, before):
            with pytest.raises(NotAuthorised):
                await give(hub, used)
        clock.advance(30)
        assert await give(hub, code_at(secret, clock))


@pytest.mark.parametrize("change", ["last_step = 'x'", "secret = x'00'"])
async def test_a_damaged_second_factor_lets_nobody_in_by_the_password_alone(
    tmp_path: Path, clock: FrozenClock, change: str
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann", "admin")
        secret, _ = await turn_on(hub, clock)
    damage(tmp_path / "hub.sqlite", change)
    async with open_hub_services(tmp_path, clock) as hub:
        for code in (code_at(secret, clock), "", "x"):
            with pytest.raises(NotAuthorised, match="code is wrong"):
                await give(hub, code)
        await hub.services.access.second_factors.remove("ann", by=ANN)
        assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


def damage(database: Path, change: str) -> None:
    """Change the row as a disk could, which knows nothing of types."""
    strict, loose = ") STRICT, WITHOUT ROWID", ") WITHOUT ROWID"
    for before, after, statement in (
        (strict, loose, "SELECT 1"),
        ("", "", f"UPDATE second_factor SET {change}"),
        (loose, strict, "SELECT 1"),
    ):
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(
                "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'second_factor'",
                (before, after),
            )
            connection.execute(statement)


async def test_of_the_same_code_at_once_one_is_taken(hub: HubServices, clock: FrozenClock) -> None:
    secret, _ = await turn_on(hub, clock)
    code, taken = code_at(secret, clock), []

    async def try_it() -> None:
        taken.append(await hub.services.access.second_factors.fits("ann", code, by=ANN))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(try_it)
    assert sorted(taken) == [False, False, False, True]


async def test_a_recovery_code_counts_once_whatever_the_clock_says(
    hub: HubServices, clock: FrozenClock
) -> None:
    _, codes = await turn_on(hub, clock)
    clock.advance(-10 * 365 * 86_400)
    assert await give(hub, codes[0])
    with pytest.raises(NotAuthorised):
        await give(hub, codes[0])
    assert await give(hub, f" {codes[1].lower().replace('-', '')} ")
    assert hub.services.access.second_factors.recovery_left("ann") == 8
    audited = [(one.action, one.target) for one in await hub.services.core.audit.newest()]
    assert ("user.factor_recovery", "8") in audited
    assert ("user.factor_failed", "ann") in audited


async def test_a_clock_that_was_ahead_does_not_refuse_the_codes_of_now(
    hub: HubServices, clock: FrozenClock
) -> None:
    clock.advance(86_400)
    secret, _ = await turn_on(hub, clock)
    clock.advance(-86_400)
    await hub.services.core.clock.confirm(by=ANN)
    assert await give(hub, code_at(secret, clock))


async def test_guesses_of_codes_are_slowed_like_those_of_passwords(
    hub: HubServices, clock: FrozenClock
) -> None:
    await turn_on(hub, clock)
    ticket = await ticket_of(hub)
    sessions = hub.services.access.sessions
    for n in range(5):
        if n < 2:
            # The right password in between does not begin the count anew.
            await ticket_of(hub)
        with pytest.raises(NotAuthorised, match="code is wrong"):
            await sessions.sign_in_by_code(ticket, "000000", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        await sessions.sign_in_by_code(ticket, "000000", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        await sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_a_ticket_counts_for_five_minutes_once_and_for_the_same_user(
    hub: HubServices, clock: FrozenClock
) -> None:
    _, codes = await turn_on(hub, clock)
    sessions = hub.services.access.sessions
    ticket = await ticket_of(hub)
    await sessions.sign_in_by_code(ticket, codes[0], "10.0.0.1")
    changed = await ticket_of(hub)
    await hub.services.access.users.set_password("ann", "another password", by=ANN)
    await hub.services.access.users.set_password("ann", PASSWORD, by=ANN)
    late = await ticket_of(hub)
    clock.advance(301)
    for ended in (ticket, changed, late, "", "made up"):
        with pytest.raises(TicketEnded):
            await sessions.sign_in_by_code(ended, codes[1], "10.0.0.1")


async def test_tickets_are_bounded_and_one_user_takes_none_of_others(
    hub: HubServices, clock: FrozenClock
) -> None:
    await turn_on(hub, clock)
    factors = hub.services.access.second_factors
    user = hub.services.access.users.get("ann")
    bob = await hub.services.access.users.add("bob", "guard", PASSWORD, by=ANN)
    of_bob = factors.wait_for_code(bob)
    tickets = [factors.wait_for_code(user) for _ in range(300)]
    assert [factors.user_of(one) is not None for one in tickets[-5:]] == [False, *[True] * 4]
    assert factors.user_of(of_bob) == bob


async def test_it_is_on_only_after_its_first_code(hub: HubServices, clock: FrozenClock) -> None:
    factors = hub.services.access.second_factors
    with pytest.raises(NoSuchResource):
        await factors.confirm("ann", "000000", by=ANN)
    secret = factors.begin("ann")
    for wrong in ("", "0" * 6, "ABCDEF", "9" * 1000):
        with pytest.raises(BadParameter):
            await factors.confirm("ann", wrong, by=ANN)
    assert not factors.is_on("ann")
    code = code_at(secret, clock)
    await factors.confirm("ann", f"{code[:3]} {code[3:]}", by=ANN)
    assert factors.is_on("ann")


async def test_setting_it_up_again_replaces_secret_and_recovery_codes(
    hub: HubServices, clock: FrozenClock
) -> None:
    old, old_codes = await turn_on(hub, clock)
    new, _ = await turn_on(hub, clock)
    for code in (code_at(old, clock), old_codes[0]):
        with pytest.raises(NotAuthorised):
            await give(hub, code)
    assert await give(hub, code_at(new, clock))


async def test_it_goes_with_its_user(hub: HubServices, clock: FrozenClock) -> None:
    await turn_on(hub, clock)
    await hub.add_user("bob", "admin")
    await hub.services.access.users.remove("ann", by=ANN)
    await hub.add_user("ann", "admin")
    assert not hub.services.access.second_factors.is_on("ann")
    assert await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_neither_secret_nor_recovery_codes_are_in_the_database(
    hub: HubServices, clock: FrozenClock
) -> None:
    secret, codes = await turn_on(hub, clock)
    rows = await hub.store.write(
        lambda c: c.execute("SELECT secret, recovery FROM second_factor").fetchall()
    )
    text = repr(rows)
    assert secret not in text
    assert not any(code.replace("-", "") in text for code in codes)


async def test_an_administrator_who_owes_it_can_only_view(
    tmp_path: Path, clock: FrozenClock
) -> None:
    config = Config(web=WebConfig(second_factor="administrators"))
    async with open_hub_services(tmp_path, clock, config) as hub:
        roles = {}
        for name, role in (("ann", "admin"), ("bob", "guard")):
            token = await hub.add_user(name, role)
            user = await hub.services.access.sessions.user_of(token)
            roles[name] = user and user.role
        assert roles == {"ann": "viewer", "bob": "guard"}
        secret, _ = await turn_on(hub, clock)
        user = await hub.services.access.sessions.user_of(await give(hub, code_at(secret, clock)))
        assert user is not None
        assert user.role == "admin"
