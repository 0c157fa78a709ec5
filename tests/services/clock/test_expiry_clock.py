"""Tokens, sessions and links end when they are due, whatever the wall clock is set to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.config import Config, DevicesConfig
from hub.errors import NotAuthorised
from hub.services.access.second_factor import SecondFactors
from hub.services.access.sessions import Sessions
from hub.services.admission.tokens import DeviceTokens
from hub.services.clock.clock import SiteClock
from hub.store.tables.devices import NewDevice
from hub.store.tables.users import User
from tests.services.clock.test_clock import DAY, HOUR, YEAR, Host
from tests.support.core import core_of

ANN = User("ann", "admin", "hash", 0)
STEPS = (-YEAR, -DAY, -HOUR, -600, 600, HOUR, DAY, YEAR)


@pytest.fixture
def host() -> Host:
    return Host()


async def sessions_of(host: Host, clock: SiteClock) -> Sessions:
    if host.store.users.get(ANN.name) is None:
        await host.store.users.add(ANN)
    unused: object = None
    core = core_of(host.store, clock.expiry, clock=clock)
    return Sessions(core, unused, SecondFactors(core))  # type: ignore[arg-type]


async def issue_token(host: Host, clock: SiteClock, life: int = HOUR) -> Callable[[], bool]:
    """Issue a token; return whether it is valid, as the hub of `clock` says at the time."""
    if host.store.devices.by_did("1") is None:
        await host.store.devices.add([NewDevice(sn="SN1", code="CODE0001", did="1")])
    tokens = tokens_of(host, clock, life)
    token = await tokens.issue("1")
    return lambda: is_valid(tokens, token)


def tokens_of(host: Host, clock: SiteClock, life: int = HOUR) -> DeviceTokens:
    return DeviceTokens(
        core_of(
            host.store, clock.expiry, Config(devices=DevicesConfig(token_ttl=life)), clock=clock
        )
    )


def is_valid(tokens: DeviceTokens, token: str) -> bool:
    try:
        tokens.lookup(token)
    except NotAuthorised:
        return False
    return True


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_neither_lengthens_nor_shortens_a_token(host: Host, step: float) -> None:
    is_good = await issue_token(host, host.new_clock())
    host.run(HOUR / 2)
    host.set_by(step)
    host.run(HOUR / 2 - 1)
    assert is_good()
    host.run(1)
    assert not is_good()


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_neither_lengthens_nor_shortens_a_session(host: Host, step: float) -> None:
    sessions = await sessions_of(host, host.new_clock())
    token = (await sessions.open(ANN, "10.0.0.1")).token
    host.set_by(step)
    host.run(12 * HOUR - 1)
    assert await sessions.user_of(token) == ANN
    host.set_by(-step)
    host.run(12 * HOUR)
    assert await sessions.user_of(token) is None


async def test_many_steps_back_do_not_keep_a_session_alive(host: Host) -> None:
    sessions = await sessions_of(host, host.new_clock())
    token = (await sessions.open(ANN, "10.0.0.1")).token
    for _ in range(7 * 24 - 1):
        host.run(HOUR)
        host.set_by(-HOUR)
        assert await sessions.user_of(token) == ANN
    host.run(HOUR)
    assert await sessions.user_of(token) is None


@pytest.mark.parametrize("step", STEPS)
async def test_a_restart_after_a_step_neither_lengthens_nor_shortens_a_life(
    host: Host, step: float
) -> None:
    async with host.running() as clock:
        tokens = tokens_of(host, clock)
        await issue_token(host, clock)
        token = await tokens.issue("1")
        host.set_by(step)
    host.run(HOUR / 2)
    async with host.running() as clock:
        tokens = tokens_of(host, clock)
        assert is_valid(tokens, token)
        host.run(HOUR / 2)
        assert not is_valid(tokens, token)


@pytest.mark.parametrize("back", [120, HOUR, DAY, YEAR])
async def test_a_clock_set_back_while_the_hub_is_off_ends_every_life(
    host: Host, back: float
) -> None:
    async with host.running() as clock:
        await issue_token(host, clock)
        token = await tokens_of(host, clock).issue("1")
        session = (await (await sessions_of(host, clock)).open(ANN, "10.0.0.1")).token
    host.run(30)
    host.set_by(-back)
    async with host.running() as clock:
        assert not is_valid(tokens_of(host, clock), token)
        assert await (await sessions_of(host, clock)).user_of(session) is None
        is_good = await issue_token(host, clock)
        assert is_good()
        # Also when the clock is set right: nobody knows how long the hub was off.
        host.set_by(back)
        assert not is_valid(tokens_of(host, clock), token)
        assert is_good()
        host.run(HOUR)
        assert not is_good()


async def test_a_hub_that_was_killed_does_not_lengthen_a_life(host: Host) -> None:
    async with host.running() as clock:
        await issue_token(host, clock)
        token = await tokens_of(host, clock).issue("1")
        saved = host.store.settings.get("clock.state")
        host.run(500)
    assert saved is not None
    await host.store.settings.set("clock.state", saved)
    host.run(HOUR - 501)
    clock = host.new_clock()
    assert is_valid(tokens_of(host, clock), token)
    host.run(1)
    assert not is_valid(tokens_of(host, clock), token)


def test_times_are_shown_by_the_clock_of_the_wall(host: Host) -> None:
    clock = host.new_clock()
    moment = int(clock.expiry() * 1000)
    assert clock.expiry.as_shown(moment) == host.wall.ms
    host.set_by(-DAY)
    host.run(10)
    assert clock.expiry.as_shown(moment) == host.wall.ms - 10_000


async def test_what_lives_is_not_removed_after_a_step(host: Host) -> None:
    clock = host.new_clock()
    is_good = await issue_token(host, clock)
    sessions = await sessions_of(host, clock)
    session = (await sessions.open(ANN, "10.0.0.1")).token
    for step in (YEAR, -2 * YEAR):
        host.set_by(step)
        await tokens_of(host, clock).prune()
        await sessions.prune()
    assert is_good()
    assert await sessions.user_of(session) == ANN
