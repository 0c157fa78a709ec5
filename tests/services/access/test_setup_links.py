from __future__ import annotations

import sys
from typing import Any

import pytest
import trio

from hub.errors import BadParameter, NotAuthorised
from hub.service_manager.system import system_service, user_data
from hub.services.access.setup_links import setup_command
from hub.services.access.users import Users
from hub.services.audit import COMMAND_LINE, Actor
from hub.services.site import SiteSettings
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices

SITE = SiteSettings("North plant", "Asia/Shanghai", "zh")


async def test_the_set_up_link_makes_the_administrator_and_names_the_site(hub: HubServices) -> None:
    assert hub.services.access.setup_links.is_needed()
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    assert hub.services.access.setup_links.is_valid(link)
    signed_in = await hub.services.access.setup_links.complete(
        link, "ann", PASSWORD, SITE, address="10.0.0.1"
    )
    assert signed_in.user.role == "admin"
    assert await hub.services.access.sessions.user_of(signed_in.token) == signed_in.user
    assert hub.services.core.site.name() == "North plant"
    assert not hub.services.access.setup_links.is_needed()


async def test_of_concurrent_uses_of_a_link_one_succeeds(hub: HubServices) -> None:
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    outcomes = []

    async def use(name: str) -> None:
        try:
            await hub.services.access.setup_links.complete(
                link, name, PASSWORD, SITE, address="10.0.0.1"
            )
            outcomes.append("in")
        except NotAuthorised:
            outcomes.append("used")

    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(use, f"user {n}")
    assert sorted(outcomes) == ["in", "used", "used", "used"]
    assert len(hub.services.access.users.all()) == 1


async def test_a_link_is_valid_for_a_day(hub: HubServices, clock: FrozenClock) -> None:
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    clock.advance(24 * 3600 - 1)
    assert hub.services.access.setup_links.is_valid(link)
    clock.advance(1)
    assert not hub.services.access.setup_links.is_valid(link)


async def test_a_new_link_replaces_the_earlier_one(hub: HubServices) -> None:
    first = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    second = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    assert not hub.services.access.setup_links.is_valid(first)
    assert hub.services.access.setup_links.is_valid(second)


async def test_without_a_link_the_set_up_is_refused(hub: HubServices) -> None:
    assert not hub.services.access.setup_links.is_valid("")
    with pytest.raises(NotAuthorised):
        await hub.services.access.setup_links.complete(
            "", "ann", PASSWORD, SITE, address="10.0.0.1"
        )


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "short"}, "password"),
        ({"name": ""}, "name"),
        ({"site": SiteSettings("x", "Mars/Olympus", "zh")}, "zone"),
    ],
)
async def test_an_invalid_form_leaves_the_link_valid(
    hub: HubServices, changed: dict[str, Any], field: str
) -> None:
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    form = {"name": "ann", "password": PASSWORD, "site": SITE} | changed
    with pytest.raises(BadParameter) as caught:
        await hub.services.access.setup_links.complete(link, **form, address="10.0.0.1")
    assert caught.value.field == field
    assert hub.services.access.setup_links.is_valid(link)
    assert hub.services.access.setup_links.is_needed()


async def test_a_link_for_a_user_adds_the_user_with_the_role_that_was_chosen(
    hub: HubServices,
) -> None:
    await hub.add_user("ann")
    link = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    assert [(one.name, one.role) for one in hub.services.access.setup_links.for_users()] == [
        ("bob", "guard")
    ]
    signed_in = await hub.services.access.setup_links.add_user(link, PASSWORD, address="10.0.0.1")
    assert (signed_in.user.name, signed_in.user.role) == ("bob", "guard")
    assert hub.services.access.setup_links.for_users() == ()
    with pytest.raises(NotAuthorised):
        await hub.services.access.setup_links.add_user(link, PASSWORD, address="10.0.0.1")
    # The link for the first administrator is another one.
    assert not hub.services.access.setup_links.is_valid(link)


async def test_a_link_for_a_user_is_valid_for_a_day_and_then_pruned(
    hub: HubServices, clock: FrozenClock
) -> None:
    link = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    clock.advance(24 * 3600 - 1)
    assert hub.services.access.setup_links.link_of(link)
    clock.advance(1)
    assert hub.services.access.setup_links.link_of(link) is None
    with pytest.raises(NotAuthorised):
        await hub.services.access.setup_links.add_user(link, PASSWORD, address="10.0.0.1")
    await hub.services.access.setup_links.prune()
    assert hub.store.user_links.all() == ()


async def test_of_concurrent_uses_of_a_link_for_a_user_one_succeeds(hub: HubServices) -> None:
    link = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    outcomes = []

    async def use() -> None:
        try:
            await hub.services.access.setup_links.add_user(link, PASSWORD, address="10.0.0.1")
            outcomes.append("in")
        except NotAuthorised:
            outcomes.append("used")

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(use)
    assert sorted(outcomes) == ["in", "used", "used"]


async def test_a_link_for_a_user_is_replaced_or_withdrawn(hub: HubServices) -> None:
    links = hub.services.access.setup_links
    first = await links.create_for("bob", "guard", by=COMMAND_LINE)
    second = await links.create_for("bob", "viewer", by=COMMAND_LINE)
    assert links.link_of(first) is None
    assert links.link_of(second)
    await links.withdraw("bob", by=COMMAND_LINE)
    await links.withdraw("bob", by=COMMAND_LINE)
    assert links.link_of(second) is None
    actions = [(e.action, e.target) for e in await hub.services.core.audit.oldest()]
    assert actions == [
        ("user.link", "bob guard"),
        ("user.link", "bob viewer"),
        ("user.link-withdraw", "bob"),
    ]


async def test_a_link_is_refused_for_a_taken_name_and_a_wrong_role(hub: HubServices) -> None:
    await hub.add_user("ann")
    links = hub.services.access.setup_links
    for name, role, field in (("ann", "guard", "name"), ("", "guard", "name"), ("b", "x", "role")):
        with pytest.raises(BadParameter) as caught:
            await links.create_for(name, role, by=COMMAND_LINE)
        assert caught.value.field == field


async def test_links_that_were_not_used_are_bounded(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.access.setup_links._MAX_USER_LINKS", 2)
    links = hub.services.access.setup_links
    for name in ("a", "b", "b"):
        await links.create_for(name, "guard", by=COMMAND_LINE)
    with pytest.raises(BadParameter, match="withdraw"):
        await links.create_for("c", "guard", by=COMMAND_LINE)


async def test_a_short_password_leaves_the_link_for_a_user_valid(hub: HubServices) -> None:
    link = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    with pytest.raises(BadParameter) as caught:
        await hub.services.access.setup_links.add_user(link, "short", address="10.0.0.1")
    assert caught.value.field == "password"
    assert hub.services.access.setup_links.link_of(link)


async def test_a_link_is_not_valid_for_a_year_after_the_clock_was_set_back(
    hub: HubServices, clock: FrozenClock
) -> None:
    link = await hub.services.access.setup_links.create(by=COMMAND_LINE)
    user_link = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    clock.advance(-365 * 86_400)
    assert not hub.services.access.setup_links.is_valid(link)
    assert hub.services.access.setup_links.link_of(user_link) is None


@pytest.mark.parametrize("how", ["disabled", "demoted", "removed"])
async def test_the_links_of_an_administrator_end_with_the_administrator(
    hub: HubServices, how: str
) -> None:
    for name in ("ann", "eve"):
        await hub.services.access.users.add(name, "admin", PASSWORD, by=COMMAND_LINE)
    users, links, eve = (
        hub.services.access.users,
        hub.services.access.setup_links,
        Actor("user eve", "10.0.0.9"),
    )
    tokens = [
        await links.create_for("mallory", "admin", by=eve),
        await links.create_for("bob", "guard", by=Actor("user ann")),
        await links.create_for("carol", "viewer", by=COMMAND_LINE),
    ]
    await change(users, "eve", how)
    assert [one.name for one in links.for_users()] == ["bob", "carol"]
    with pytest.raises(NotAuthorised):
        await links.add_user(tokens[0], PASSWORD, address="10.0.0.9")
    assert all(map(links.link_of, tokens[1:]))
    actions = [(e.who, e.action, e.target) for e in await hub.services.core.audit.newest(limit=2)]
    assert ("command line", "user.link-withdraw", "mallory") in actions


@pytest.mark.parametrize("how", ["disabled", "demoted", "removed"])
async def test_an_ended_link_stays_so_when_its_maker_comes_back(hub: HubServices, how: str) -> None:
    for name in ("ann", "eve"):
        await hub.services.access.users.add(name, "admin", PASSWORD, by=COMMAND_LINE)
    users, links = hub.services.access.users, hub.services.access.setup_links
    token = await links.create_for("mallory", "admin", by=Actor("user eve"))
    await change(users, "eve", how)
    if how == "removed":
        await users.add("eve", "admin", PASSWORD, by=COMMAND_LINE)
    await users.set_enabled("eve", True, by=COMMAND_LINE)
    await users.set_role("eve", "admin", by=COMMAND_LINE)
    assert links.link_of(token) is None


async def test_a_link_made_while_its_maker_was_removed_is_not_valid(hub: HubServices) -> None:
    """A request of the administrator may have been on its way."""
    await hub.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        await hub.services.access.setup_links.create_for("mallory", "admin", by=Actor("user eve"))
    assert hub.store.user_links.all() == ()


async def change(users: Users, name: str, how: str) -> None:
    match how:
        case "disabled":
            await users.set_enabled(name, False, by=COMMAND_LINE)
        case "demoted":
            await users.set_role(name, "guard", by=COMMAND_LINE)
        case _:
            await users.remove(name, by=COMMAND_LINE)


def test_the_command_for_a_new_link_is_that_of_this_hub() -> None:
    service = setup_command(system_service().data)
    assert service == ("" if sys.platform == "win32" else "sudo ") + "sitehub user setup-link"
    assert setup_command(user_data()) == "sitehub user setup-link"
    assert setup_command(user_data("sitehub-demo")) == "sitehub user setup-link --data DIR"
