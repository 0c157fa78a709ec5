from __future__ import annotations

import pytest
import trio

from hub.errors import (
    AlreadyExists,
    BadParameter,
    CannotStoreNow,
    NoSuchResource,
    NotAuthorised,
    TooManyRequests,
)
from hub.services.access.sign_in_queue import Source
from hub.services.audit import COMMAND_LINE, Actor
from tests.support.clock import FrozenClock
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
        await hub.services.access.users.add(name, role, password, by=COMMAND_LINE)
    assert caught.value.field == field
    assert hub.services.access.users.all() == ()


async def test_a_name_can_be_used_only_once(hub: HubServices) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(AlreadyExists):
        await hub.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)


async def test_the_last_administrator_can_be_neither_removed_nor_demoted(
    hub: HubServices,
) -> None:
    await hub.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.users.add("bob", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await hub.services.access.users.remove("ann", by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await hub.services.access.users.set_role("ann", "guard", by=COMMAND_LINE)
    await hub.services.access.users.set_role("bob", "admin", by=COMMAND_LINE)
    await hub.services.access.users.remove("ann", by=COMMAND_LINE)
    assert [user.name for user in hub.services.access.users.all()] == ["bob"]


async def test_two_administrators_cannot_remove_each_other_concurrently(hub: HubServices) -> None:
    await hub.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.users.add("bob", "admin", PASSWORD, by=COMMAND_LINE)
    refused = []

    async def remove(name: str) -> None:
        try:
            await hub.services.access.users.remove(name, by=COMMAND_LINE)
        except BadParameter:
            refused.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(remove, "ann")
        nursery.start_soon(remove, "bob")
    assert len(refused) == 1
    assert [user.name for user in hub.services.access.users.all()] == refused


async def test_a_removed_user_is_signed_out(hub: HubServices) -> None:
    await hub.add_user("ann")
    token = await hub.add_user("bob", "guard")
    await hub.services.access.users.remove("bob", by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    await hub.services.access.users.add("bob", "guard", PASSWORD, by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None


async def test_the_error_names_the_unknown_user(hub: HubServices) -> None:
    with pytest.raises(NoSuchResource, match="nobody"):
        await hub.services.access.users.set_role("nobody", "guard", by=COMMAND_LINE)


async def test_changing_ones_own_password_needs_the_old_one_and_ends_the_other_sessions(
    hub: HubServices,
) -> None:
    here = await hub.add_user("ann")
    there = (await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.2")).token
    me = Actor("user ann", "10.0.0.1")
    with pytest.raises(BadParameter) as caught:
        await hub.services.access.users.change_password(
            "ann", "not this one", "a new one", keep=here, by=me
        )
    assert caught.value.field == "old"
    await hub.services.access.users.change_password("ann", PASSWORD, "a new one", keep=here, by=me)
    assert await hub.services.access.sessions.user_of(here)
    assert await hub.services.access.sessions.user_of(there) is None
    assert await hub.services.access.sessions.sign_in("ann", "a new one", "10.0.0.1")


async def test_a_wrong_password_is_told_even_if_the_audit_log_is_full(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)

    async def full(*entry: object) -> None:
        raise CannotStoreNow("the disk is full")

    monkeypatch.setattr(hub.services.core.audit, "add", full)
    by = Actor("user ann", ELSEWHERE)
    assert not await hub.services.access.users.confirm("ann", "wrong password", by=by)
    with pytest.raises(BadParameter, match="is not your current password"):
        await hub.services.access.users.change_password(
            "ann", "wrong password", PASSWORD, keep="", by=by
        )


async def test_a_stolen_session_cannot_be_used_to_guess_the_password(hub: HubServices) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    for _ in range(5):
        with pytest.raises(BadParameter):
            await hub.services.access.users.change_password(
                "ann", "a guess", "a new one", keep=token, by=me
            )
    with pytest.raises(TooManyRequests):
        await hub.services.access.users.change_password(
            "ann", PASSWORD, "a new one", keep=token, by=me
        )


async def test_a_password_change_refused_by_a_full_queue_does_not_count_as_a_guess(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    monkeypatch.setattr("hub.services.access.sign_in_queue.MAX_WAITING_PER_SOURCE", 0)
    for _ in range(6):
        with pytest.raises(TooManyRequests, match="at once"):
            await hub.services.access.users.change_password(
                "ann", PASSWORD, "a new one", keep=token, by=me
            )
    monkeypatch.undo()
    await hub.services.access.users.change_password("ann", PASSWORD, "a new one", keep=token, by=me)


async def test_a_password_set_by_an_administrator_meanwhile_wins(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    make = hub.services.access.users._passwords.make

    async def overtaken(password: str, source: Source) -> str:
        monkeypatch.undo()
        await hub.services.access.users.set_password("ann", "an administrator's", by=COMMAND_LINE)
        return await make(password, source)

    monkeypatch.setattr(hub.services.access.users._passwords, "make", overtaken)
    with pytest.raises(BadParameter):
        await hub.services.access.users.change_password(
            "ann", PASSWORD, "a thief's own", keep=token, by=Actor("user ann")
        )
    assert await hub.services.access.sessions.sign_in("ann", "an administrator's", "10.0.0.1")


async def test_a_password_set_by_an_administrator_ends_all_sessions_of_the_user(
    hub: HubServices,
) -> None:
    token = await hub.add_user("ann")
    await hub.services.access.users.set_password("ann", "another one", by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    assert await hub.services.access.sessions.sign_in("ann", "another one", "10.0.0.1")


async def test_a_disabled_user_is_signed_out_and_cannot_sign_in(hub: HubServices) -> None:
    await hub.add_user("ann")
    token = await hub.add_user("bob", "guard")
    await hub.services.access.users.set_enabled("bob", False, by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    with pytest.raises(NotAuthorised):
        await hub.services.access.sessions.sign_in("bob", PASSWORD, "10.0.0.1")
    await hub.services.access.users.set_enabled("bob", True, by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    assert await hub.services.access.sessions.sign_in("bob", PASSWORD, "10.0.0.1")
    actions = [(e.action, e.target) for e in await hub.services.core.audit.oldest()]
    assert ("user.disable", "bob") in actions
    assert ("user.enable", "bob") in actions


async def test_disabling_a_disabled_user_is_not_in_the_audit_log_again(hub: HubServices) -> None:
    await hub.add_user("ann")
    await hub.add_user("bob", "guard")
    for _ in range(2):
        await hub.services.access.users.set_enabled("bob", False, by=COMMAND_LINE)
    actions = [entry.action for entry in await hub.services.core.audit.oldest()]
    assert actions.count("user.disable") == 1


async def test_a_disabled_administrator_does_not_count_as_an_administrator(
    hub: HubServices,
) -> None:
    await hub.add_user("ann")
    await hub.add_user("bob")
    await hub.services.access.users.set_enabled("bob", False, by=COMMAND_LINE)
    for refused in (
        hub.services.access.users.set_enabled("ann", False, by=COMMAND_LINE),
        hub.services.access.users.set_role("ann", "guard", by=COMMAND_LINE),
        hub.services.access.users.remove("ann", by=COMMAND_LINE),
    ):
        with pytest.raises(BadParameter) as caught:
            await refused
        assert caught.value.field == "name"
    await hub.services.access.users.remove("bob", by=COMMAND_LINE)
    assert not hub.services.access.setup_links.is_needed()


async def test_an_administrator_signs_a_user_out_everywhere(hub: HubServices) -> None:
    await hub.add_user("ann")
    token = await hub.add_user("bob", "guard")
    await hub.services.access.users.sign_out("bob", by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    assert hub.services.access.sessions.of_user("bob") == ()


async def test_sessions_that_have_expired_are_not_listed(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add_user("ann")
    clock.advance(60)
    await hub.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.2")
    addresses = [session.address for session in hub.services.access.sessions.of_user("ann")]
    assert addresses == ["10.0.0.2", "10.0.0.1"]
    clock.advance(12 * 3600 - 30)
    addresses = [session.address for session in hub.services.access.sessions.of_user("ann")]
    assert addresses == ["10.0.0.2"]
