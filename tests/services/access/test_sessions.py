from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import NotAuthorised
from hub.services.access.sessions import MAX_AGE_MS, MAX_IDLE_MS
from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices, open_hub_services


def read_all(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_the_right_password_opens_a_session(hub: HubServices) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    signed_in = await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")
    assert signed_in.user.role == "guard"
    assert await hub.services.access.sessions.user_of(signed_in.token) == signed_in.user


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong password"), ("bob", PASSWORD)])
async def test_a_wrong_password_and_an_unknown_name_are_refused_alike(
    hub: HubServices, name: str, password: str
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised, match="name or password is wrong"):
        await hub.services.access.sessions.sign_in(name, password, "10.0.0.1")


async def test_a_name_matches_in_any_unicode_form_and_with_outer_spaces(hub: HubServices) -> None:
    await hub.services.access.users.add("Zoe\u0308", "guard", PASSWORD, by=COMMAND_LINE)
    assert (
        await hub.services.access.sessions.sign_in(" Zo\u00eb ", PASSWORD, "10.0.0.1")
    ).user.name == "Zo\u00eb"


async def test_passwords_and_tokens_are_stored_as_hashes_only(
    hub: HubServices, tmp_path: Path
) -> None:
    token = await hub.add_user("ann")
    secret = (await hub.services.access.api_keys.add("x", False, by=COMMAND_LINE)).secret
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    files = read_all(tmp_path)
    assert b"$argon2id$v=19$" in files
    assert not [s for s in (token, secret, link, PASSWORD) if s.encode() in files]


async def test_a_session_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        token = await hub.add_user("ann")
    async with open_hub_services(tmp_path, clock) as hub:
        user = await hub.services.access.sessions.user_of(token)
    assert user is not None
    assert user.name == "ann"


async def test_a_session_ends_after_a_shift_without_a_request(
    hub: HubServices, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    clock.advance(MAX_IDLE_MS / 1000 - 1)
    assert await hub.services.access.sessions.user_of(token)
    clock.advance(MAX_IDLE_MS / 1000 - 1)
    assert await hub.services.access.sessions.user_of(token)
    clock.advance(MAX_IDLE_MS / 1000)
    assert await hub.services.access.sessions.user_of(token) is None


async def test_a_session_in_use_ends_after_a_week(hub: HubServices, clock: FrozenClock) -> None:
    token = await hub.add_user("ann")
    for _ in range(7 * 24 - 1):
        clock.advance(3600)
        assert await hub.services.access.sessions.user_of(token)
    clock.advance(3600)
    assert clock.ms - hub.store.sessions.of_user("ann")[0].created_at == MAX_AGE_MS
    assert await hub.services.access.sessions.user_of(token) is None


async def test_pruning_removes_only_ended_sessions(hub: HubServices, clock: FrozenClock) -> None:
    await hub.add_user("ann")
    clock.advance(MAX_IDLE_MS / 1000 - 1)
    token = await hub.add_user("bob")
    clock.advance(2)
    await hub.services.access.sessions.prune()
    assert not hub.store.sessions.of_user("ann")
    assert await hub.services.access.sessions.user_of(token)


async def test_the_last_use_is_written_every_five_minutes_at_most(
    hub: HubServices, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    begun = clock.ms
    clock.advance(299)
    await hub.services.access.sessions.user_of(token)
    assert hub.store.sessions.of_user("ann")[0].last_used_at == begun
    clock.advance(1)
    await hub.services.access.sessions.user_of(token)
    assert hub.store.sessions.of_user("ann")[0].last_used_at == clock.ms


async def test_an_unknown_token_has_no_user(hub: HubServices) -> None:
    assert await hub.services.access.sessions.user_of("no such token") is None


async def test_signing_out_ends_one_session(hub: HubServices) -> None:
    first = await hub.add_user("ann")
    second = (await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.2")).token
    await hub.services.access.sessions.sign_out(first)
    assert await hub.services.access.sessions.user_of(first) is None
    assert await hub.services.access.sessions.user_of(second)


async def test_signing_out_everywhere_ends_all_sessions_of_the_user(hub: HubServices) -> None:
    tokens = [
        await hub.add_user("ann"),
        (await hub.services.access.sessions.sign_in("ann", PASSWORD, "x")).token,
    ]
    other = await hub.add_user("bob")
    await hub.services.access.sessions.sign_out_everywhere("ann", by=COMMAND_LINE)
    assert [await hub.services.access.sessions.user_of(token) for token in tokens] == [None, None]
    assert await hub.services.access.sessions.user_of(other)


async def test_beyond_64_sessions_the_least_recently_used_one_ends(
    hub: HubServices, clock: FrozenClock
) -> None:
    first = await hub.add_user("ann")
    for _ in range(64):
        clock.advance(1)
        await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")
    assert len(hub.store.sessions.of_user("ann")) == 64
    assert await hub.services.access.sessions.user_of(first) is None


async def test_a_session_is_not_valid_while_the_clock_is_a_year_behind(
    hub: HubServices, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    clock.advance(-600)
    assert await hub.services.access.sessions.user_of(token) is not None
    clock.advance(-365 * 86_400)
    assert await hub.services.access.sessions.user_of(token) is None
    clock.advance(365 * 86_400)
    assert await hub.services.access.sessions.user_of(token) is not None


async def test_a_session_of_a_clock_that_was_a_year_ahead_is_removed(
    hub: HubServices, clock: FrozenClock
) -> None:
    clock.advance(365 * 86_400)
    token = await hub.add_user("ann")
    clock.advance(-365 * 86_400)
    await hub.services.access.sessions.prune()
    clock.advance(365 * 86_400)
    assert await hub.services.access.sessions.user_of(token) is None
