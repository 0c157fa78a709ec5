"""Groups of cameras: list, adding, changing and removing."""

from __future__ import annotations

import pytest

from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer


async def test_without_groups_the_page_says_what_to_do_next(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get("/cameras/groups")
    assert 'href="/cameras/connect"' in admin.text
    await hub.enrol("Main gate")
    await admin.get("/cameras/groups")
    assert "open><summary><h2>Add a group" in admin.text


async def test_a_group_is_added_changed_and_removed(hub: PageSite, admin: Photographer) -> None:
    await hub.enrol_many(["Main gate", "Lobby"])
    await admin.get("/cameras/groups")
    await admin.send("/cameras/groups/add", name=" Gate ", did="1")
    assert admin.goes_to == "/cameras/groups?done=group-added"
    (group,) = hub.services.people.groups.list()
    assert (group.name, group.dids) == ("Gate", ("1",))
    change = PersonChange(name="Ann", groups=(group.id,))
    await hub.services.people.register.add(change, by=COMMAND_LINE)
    await admin.get("/cameras/groups")
    for text in ("Main gate", f'href="/people?group={group.id}">1<'):
        assert text in admin.text

    await admin.get(f"/cameras/groups/{group.id}")
    assert 'name="did" value="1" checked' in admin.text
    assert 'name="did" value="2">' in admin.text
    await admin.send(f"/cameras/groups/{group.id}", name="Lobby", did="2")
    (group,) = hub.services.people.groups.list()
    assert (group.name, group.dids) == ("Lobby", ("2",))

    await admin.get(f"/cameras/groups/{group.id}/remove")
    assert "1 person is in this group" in admin.text
    await admin.send(f"/cameras/groups/{group.id}/remove")
    assert hub.services.people.groups.list() == ()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "1 to 64 characters"),
        ({"name": "x" * 65}, "1 to 64 characters"),
        ({"name": "Gate"}, "already"),
        ({"name": "New", "did": "9"}, "removed in the meantime"),
    ],
)
async def test_a_wrong_group_is_refused_and_what_was_entered_stays(
    hub: PageSite, admin: Photographer, fields: dict[str, str], says: str
) -> None:
    await hub.services.people.groups.add("Gate", by=COMMAND_LINE)
    await admin.get("/cameras/groups")
    await admin.send("/cameras/groups/add", **fields)
    assert admin.response.status_code in (400, 409)
    assert says in admin.text
    assert f'value="{fields["name"]}"' in admin.text
    assert len(hub.services.people.groups.list()) == 1


async def test_a_guard_sees_groups_and_changes_none(hub: PageSite, guard: Photographer) -> None:
    group = await hub.services.people.groups.add("Gate", by=COMMAND_LINE)
    await guard.get("/cameras/groups")
    assert "Gate" in guard.text
    assert "Add a group" not in guard.text
    for path in (str(group.id), f"{group.id}/remove"):
        await guard.get(f"/cameras/groups/{path}")
        assert guard.response.status_code == 403


@pytest.mark.parametrize("path", ["/cameras/groups", "/people/cameras"])
async def test_without_cameras_a_page_leads_to_connecting_them(
    admin: Photographer, path: str
) -> None:
    await admin.get(path)
    assert 'href="/cameras/connect"' in admin.text
