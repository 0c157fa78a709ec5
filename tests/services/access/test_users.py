from __future__ import annotations

import pytest
import trio

from hub.errors import AlreadyExists, BadParameter, NoSuchResource, TooManyRequests
from hub.services.access.audit import COMMAND_LINE, Actor
from tests.support.hub_services import PASSWORD, HubServices

ELSEWHERE = "10.0.0.66"


@pytest.mark.parametrize(
    ("name", "role", "password", "field"),
    [
        ("", "guard", PASSWORD, "name"),
        ("a" * 65, "guard", PASSWORD, "name"),
        ("a\nb", "guard", PASSWORD, "name"),
        ("ann", "root", PASSWORD, "role"),
        ("ann", "guard", "1234567", "password"),
        ("ann", "guard", "x" * 1025, "password"),
    ],
)
async def test_an_invalid_field_is_named_in_the_error(
    hub: HubServices, name: str, role: str, password: str, field: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        await hub.services.users.add(name, role, password, by=COMMAND_LINE)
    assert caught.value.field == field
    assert hub.services.users.all() == ()


async def test_a_name_can_be_used_only_once(hub: HubServices) -> None:
    await hub.services.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(AlreadyExists):
        await hub.services.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)


async def test_the_last_administrator_can_be_neither_removed_nor_demoted(
    hub: HubServices,
) -> None:
    await hub.services.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.users.add("bob", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await hub.services.users.remove("ann", by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await hub.services.users.set_role("ann", "guard", by=COMMAND_LINE)
    await hub.services.users.set_role("bob", "admin", by=COMMAND_LINE)
    await hub.services.users.remove("ann", by=COMMAND_LINE)
    assert [user.name for user in hub.services.users.all()] == ["bob"]


async def test_two_administrators_cannot_remove_each_other_concurrently(hub: HubServices) -> None:
    await hub.services.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.users.add("bob", "admin", PASSWORD, by=COMMAND_LINE)
    refused = []

    async def remove(name: str) -> None:
        try:
            await hub.services.users.remove(name, by=COMMAND_LINE)
        except BadParameter:
            refused.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(remove, "ann")
        nursery.start_soon(remove, "bob")
    assert len(refused) == 1
    assert [user.name for user in hub.services.users.all()] == refused


async def test_a_removed_user_is_signed_out(hub: HubServices) -> None:
    await hub.add_user("ann")
    token = await hub.add_user("bob", "guard")
    await hub.services.users.remove("bob", by=COMMAND_LINE)
    assert await hub.services.sessions.user_of(token) is None
    await hub.services.users.add("bob", "guard", PASSWORD, by=COMMAND_LINE)
    assert await hub.services.sessions.user_of(token) is None


async def test_the_error_names_the_unknown_user(hub: HubServices) -> None:
    with pytest.raises(NoSuchResource, match="nobody"):
        await hub.services.users.set_role("nobody", "guard", by=COMMAND_LINE)


async def test_changing_ones_own_password_needs_the_old_one_and_ends_the_other_sessions(
    hub: HubServices,
) -> None:
    here = await hub.add_user("ann")
    there = (await hub.services.sessions.sign_in("ann", PASSWORD, "10.0.0.2")).token
    me = Actor("user ann", "10.0.0.1")
    with pytest.raises(BadParameter) as caught:
        await hub.services.users.change_password(
            "ann", "not this one", "a new one", keep=here, by=me
        )
    assert caught.value.field == "old"
    await hub.services.users.change_password("ann", PASSWORD, "a new one", keep=here, by=me)
    assert await hub.services.sessions.user_of(here)
    assert await hub.services.sessions.user_of(there) is None
    assert await hub.services.sessions.sign_in("ann", "a new one", "10.0.0.1")


async def test_a_stolen_session_cannot_be_used_to_guess_the_password(hub: HubServices) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    for _ in range(5):
        with pytest.raises(BadParameter):
            await hub.services.users.change_password(
                "ann", "a guess", "a new one", keep=token, by=me
            )
    with pytest.raises(TooManyRequests):
        await hub.services.users.change_password("ann", PASSWORD, "a new one", keep=token, by=me)


async def test_a_password_change_refused_by_a_full_queue_does_not_count_as_a_guess(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    monkeypatch.setattr("hub.services.access.passwords._MAX_WAITING", 0)
    for _ in range(6):
        with pytest.raises(TooManyRequests, match="at once"):
            await hub.services.users.change_password(
                "ann", PASSWORD, "a new one", keep=token, by=me
            )
    monkeypatch.undo()
    await hub.services.users.change_password("ann", PASSWORD, "a new one", keep=token, by=me)


async def test_a_password_set_by_an_administrator_meanwhile_wins(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    make = hub.services.users._passwords.make

    async def overtaken(password: str) -> str:
        monkeypatch.undo()
        await hub.services.users.set_password("ann", "an administrator's", by=COMMAND_LINE)
        return await make(password)

    monkeypatch.setattr(hub.services.users._passwords, "make", overtaken)
    with pytest.raises(BadParameter):
        await hub.services.users.change_password(
            "ann", PASSWORD, "a thief's own", keep=token, by=Actor("user ann")
        )
    assert await hub.services.sessions.sign_in("ann", "an administrator's", "10.0.0.1")


async def test_a_password_set_by_an_administrator_ends_all_sessions_of_the_user(
    hub: HubServices,
) -> None:
    token = await hub.add_user("ann")
    await hub.services.users.set_password("ann", "another one", by=COMMAND_LINE)
    assert await hub.services.sessions.user_of(token) is None
    assert await hub.services.sessions.sign_in("ann", "another one", "10.0.0.1")
