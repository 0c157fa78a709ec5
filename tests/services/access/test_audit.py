from __future__ import annotations

from hub.services.audit import COMMAND_LINE, Actor
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices


async def test_every_change_of_access_is_in_the_audit_log(hub: HubServices) -> None:
    by = Actor("user root", "10.0.0.9")
    await hub.services.access.users.add("ann", "admin", PASSWORD, by=by)
    await hub.services.access.users.add("bob", "guard", PASSWORD, by=by)
    await hub.services.access.users.set_role("bob", "viewer", by=by)
    await hub.services.access.users.set_password("bob", "another one", by=by)
    await hub.services.access.sessions.sign_out_everywhere("bob", by=by)
    await hub.services.access.users.remove("bob", by=by)
    key = await hub.services.access.api_keys.add("erp", True, by=by)
    await hub.services.access.api_keys.remove(key.appid, by=by)
    entries = await hub.services.core.audit.newest()
    assert {(entry.who, entry.address) for entry in entries} == {("user root", "10.0.0.9")}
    assert [entry.action for entry in reversed(entries)] == [
        "user.add",
        "user.add",
        "user.role",
        "user.password",
        "user.sign_out_everywhere",
        "user.remove",
        "apikey.add",
        "apikey.remove",
    ]
    assert not [entry for entry in entries if key.secret in entry.target]


async def test_entries_are_read_page_by_page_the_newest_first(
    hub: HubServices, clock: FrozenClock
) -> None:
    for number in range(5):
        await hub.services.core.audit.add(Actor("user ann", "10.0.0.9"), "device.add", str(number))
        clock.advance(1)
    first = await hub.services.core.audit.newest(limit=3)
    second = await hub.services.core.audit.newest(before=first[-1].id, limit=3)
    assert [entry.target for entry in (*first, *second)] == ["4", "3", "2", "1", "0"]
    assert clock.ms - first[0].at == 1000
    assert await hub.services.core.audit.oldest(limit=2) == second[::-1]
    assert await hub.services.core.audit.oldest(after=second[0].id) == first[::-1]


async def test_the_same_change_of_many_is_an_entry_for_each(hub: HubServices) -> None:
    await hub.services.core.audit.add_each(COMMAND_LINE, "device.add", ["1", "2"])
    entries = await hub.services.core.audit.newest()
    assert [(entry.action, entry.target) for entry in entries] == [
        ("device.add", "2"),
        ("device.add", "1"),
    ]
