"""Wall screens: links for them, and sessions that last and can only look."""

from __future__ import annotations

import pytest
import trio

from hub.errors import BadParameter, NoSuchResource, NotAuthorised
from hub.services.audit import COMMAND_LINE
from hub.store.tables.sessions import Session
from hub.store.tables.users import User
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices

_DAY = 24 * 3600


@pytest.fixture
async def ada(hub: HubServices) -> User:
    await hub.services.access.users.add("ada", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.users.add("lobby", "viewer", PASSWORD, by=COMMAND_LINE)
    return hub.services.access.users.get("ada")


async def link(hub: HubServices, ada: User, screen: str = "Lobby", user: str = "lobby") -> str:
    return await hub.services.access.screens.make_link(screen, user, by=ada, address="10.0.0.5")


async def screen(hub: HubServices, ada: User, user: str = "lobby") -> str:
    """The token of a screen that was started."""
    token = await link(hub, ada, user=user)
    return (await hub.services.access.screens.start(token, "10.0.0.9")).token


async def test_a_screen_stays_signed_in_for_months(
    hub: HubServices, ada: User, clock: FrozenClock
) -> None:
    token = await screen(hub, ada)
    for _ in range(200):
        clock.advance(_DAY)
        await hub.services.access.sessions.prune()
        assert await hub.services.access.sessions.user_of(token)


async def test_a_screen_that_was_off_for_two_months_is_signed_out(
    hub: HubServices, ada: User, clock: FrozenClock
) -> None:
    token = await screen(hub, ada)
    clock.advance(60 * _DAY - 1)
    assert hub.services.access.screens.all()
    clock.advance(1)
    assert await hub.services.access.sessions.user_of(token) is None
    assert hub.services.access.screens.all() == ()
    await hub.services.access.sessions.prune()
    assert hub.store.sessions.screens() == ()


async def test_a_screen_can_only_look_whoever_it_belongs_to(hub: HubServices, ada: User) -> None:
    token = await screen(hub, ada, user="ada")
    user = await hub.services.access.sessions.user_of(token)
    assert user is not None
    assert (user.name, user.role) == ("ada", "viewer")
    assert hub.services.access.users.get("ada").role == "admin"


async def test_a_link_works_once_and_within_a_day(
    hub: HubServices, ada: User, clock: FrozenClock
) -> None:
    screens = hub.services.access.screens
    token = await link(hub, ada)
    await screens.start(token, "10.0.0.9")
    with pytest.raises(NotAuthorised):
        await screens.start(token, "10.0.0.9")
    late = await link(hub, ada)
    clock.advance(_DAY)
    with pytest.raises(NotAuthorised):
        await screens.start(late, "10.0.0.9")


async def test_of_concurrent_uses_of_a_link_one_succeeds(hub: HubServices, ada: User) -> None:
    token = await link(hub, ada)
    outcomes = []

    async def use() -> None:
        try:
            await hub.services.access.screens.start(token, "10.0.0.9")
            outcomes.append("in")
        except NotAuthorised:
            outcomes.append("used")

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(use)
    assert sorted(outcomes) == ["in", "used", "used"]


async def test_a_new_link_replaces_the_earlier_one(hub: HubServices, ada: User) -> None:
    first, second = await link(hub, ada), await link(hub, ada)
    assert hub.services.access.screens.link_of(first) is None
    assert hub.services.access.screens.link_of(second) is not None


async def test_a_link_ends_with_who_made_it(hub: HubServices, ada: User) -> None:
    token = await link(hub, ada)
    await hub.services.access.users.add("ben", "admin", PASSWORD, by=COMMAND_LINE)
    await hub.services.access.users.set_role("ada", "guard", by=COMMAND_LINE)
    assert hub.services.access.screens.link_of(token) is None


async def test_a_link_whose_setting_is_damaged_is_not_valid(hub: HubServices, ada: User) -> None:
    token = await link(hub, ada)
    await hub.store.settings.set("screen.link", "{")
    assert hub.services.access.screens.link_of(token) is None


@pytest.mark.parametrize(
    ("name", "user", "field"),
    [
        ("", "lobby", "name"),
        ("x" * 65, "lobby", "name"),
        ("a\nb", "lobby", "name"),
        ("Lobby", "nobody", "user"),
    ],
)
async def test_a_bad_link_names_the_field(
    hub: HubServices, ada: User, name: str, user: str, field: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        await link(hub, ada, name, user)
    assert caught.value.field == field


async def test_an_administrator_signs_a_screen_out(hub: HubServices, ada: User) -> None:
    token = await screen(hub, ada)
    (session,) = hub.services.access.screens.all()
    await hub.services.access.screens.end(session.token_hash, by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token) is None
    with pytest.raises(NoSuchResource):
        await hub.services.access.screens.end(session.token_hash, by=COMMAND_LINE)
    actions = [(one.action, one.target) for one in await hub.services.core.audit.oldest()]
    assert [one for one in actions if one[0].startswith("screen.")] == [
        ("screen.link", "Lobby"),
        ("screen.start", "Lobby"),
        ("screen.end", "Lobby"),
    ]


async def test_a_persons_session_is_no_screen(hub: HubServices, ada: User) -> None:
    token = (await hub.services.access.sessions.sign_in("ada", PASSWORD, "10.0.0.1")).token
    assert not hub.services.access.sessions.is_screen(token)
    session: Session = hub.store.sessions.of_user("ada")[0]
    with pytest.raises(NoSuchResource):
        await hub.services.access.screens.end(session.token_hash, by=COMMAND_LINE)
    assert await hub.services.access.sessions.user_of(token)
