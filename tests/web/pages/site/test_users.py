"""The page of users, on real services."""

from __future__ import annotations

import re

import pytest

from hub.services.audit import COMMAND_LINE
from tests.support.browsing import Visitor
from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

USERS = "/site/users"


async def actions_of(hub: PageSite) -> list[tuple[str, str, str]]:
    """The audit entries of this test's administrator, oldest first."""
    entries = await hub.services.core.audit.oldest()
    return [(e.action, e.target, e.who) for e in entries if e.who != "command line"]


async def test_users_are_listed_with_role_access_and_last_activity(
    hub: PageSite, admin: Photographer
) -> None:
    await hub.services.access.users.set_enabled("viewer", False, by=COMMAND_LINE)
    await admin.get(USERS)
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", admin.text, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    assert texts[0].startswith("admin (you) Administrator Enabled 25 Nov 2026 20:00:00")
    assert texts[1].startswith("guard Guard Enabled not signed in")
    assert texts[2].startswith("viewer Viewer Disabled not signed in")


async def test_a_user_is_added_with_a_password(hub: PageSite, admin: Photographer) -> None:
    await admin.get(USERS)
    await admin.send(
        f"{USERS}/add",
        name="bob",
        role="guard",
        way="password",
        password=PASSWORD,
        own_password=PASSWORD,
    )
    await admin.get(admin.goes_to)
    assert "The user was added and can sign in." in admin.text
    assert hub.services.access.users.get("bob").role == "guard"


async def test_a_user_is_added_by_a_link_that_works_once(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(USERS)
    await admin.send(f"{USERS}/add", name="bob", role="guard", way="link", own_password=PASSWORD)
    link = re.search(r'<code id="link">http://[^/]+(/setup/[\w-]+)</code>', admin.text)
    assert link
    await admin.get(USERS)
    assert "Unused links" in admin.text
    assert link[1] not in admin.text

    bob = Visitor(hub)
    await bob.get(link[1])
    assert "Welcome, bob" in bob.text
    await bob.send(link[1], password="short")
    assert bob.response.status_code == 400
    assert "The password is too short" in bob.text
    await bob.send(link[1], password=PASSWORD)
    assert bob.goes_to == "/"
    await bob.get("/")
    assert bob.response.status_code == 200
    assert hub.services.access.users.get("bob").role == "guard"

    other = Visitor(hub)
    await other.get(link[1])
    assert other.response.status_code == 404
    assert "This link is no longer valid" in other.text


async def test_a_link_is_withdrawn(hub: PageSite, admin: Photographer) -> None:
    token = await hub.services.access.setup_links.create_for("bob", "guard", by=COMMAND_LINE)
    await admin.get(USERS)
    await admin.send(f"{USERS}/withdraw", name="bob")
    assert admin.goes_to == f"{USERS}?done=link-withdrawn"
    visitor = Visitor(hub)
    await visitor.get(f"/setup/{token}")
    assert visitor.response.status_code == 404


async def test_a_typed_password_is_not_dropped_for_a_link(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(USERS)
    form = {"name": "bob", "role": "guard", "way": "link", "own_password": PASSWORD}
    await admin.send(f"{USERS}/add", **form, password="typed here 1")
    assert admin.response.status_code == 400
    assert "Choose “Set it now” for this password, or leave it empty." in admin.text
    assert not hub.services.access.setup_links.for_users()


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": ""}, "Enter a name of 1 to 64 characters."),
        ({"name": "guard"}, "There is already a user with this name."),
        ({"role": "root"}, "Choose a role."),
        ({"way": "password", "password": "short"}, "The password is too short."),
    ],
)
async def test_an_invalid_field_is_explained_and_nothing_is_added(
    hub: PageSite, admin: Photographer, fields: dict[str, str], fault: str
) -> None:
    await admin.get(USERS)
    form = {"name": "bob", "role": "guard", "way": "link", "own_password": PASSWORD} | fields
    await admin.send(f"{USERS}/add", **form)
    assert admin.response.status_code == 400
    assert fault in admin.text
    assert len(hub.services.access.users.all()) == 3
    assert hub.services.access.setup_links.for_users() == ()


async def test_a_user_is_changed_disabled_and_signed_out_and_all_is_audited(
    hub: PageSite, admin: Photographer
) -> None:
    guard = await Photographer.signed_in(hub, "guard")
    await admin.get(f"{USERS}/user?name=guard")
    for path, fields in (
        ("role", {"role": "viewer", "own_password": PASSWORD}),
        ("password", {"password": "another sentence", "own_password": PASSWORD}),
        ("sign-out", {}),
        ("disable", {}),
    ):
        await admin.send(f"{USERS}/{path}", name="guard", **fields)
        assert admin.goes_to.startswith(f"{USERS}/user?name=guard&done=")
        await admin.get(admin.goes_to)
        assert 'class="done"' in admin.text
    await guard.get("/")
    assert guard.goes_to == "/sign-in"
    await guard.get("/sign-in")
    await guard.send("/sign-in", name="guard", password="another sentence")
    assert guard.response.status_code == 401
    await admin.send(f"{USERS}/enable", name="guard", own_password=PASSWORD)
    await guard.send("/sign-in", name="guard", password="another sentence")
    assert guard.response.status_code == 303
    found = [(action, target) for action, target, _ in await actions_of(hub)]
    assert [entry for entry in found if entry[0] != "user.sign_in"] == [
        ("user.role", "guard viewer"),
        ("user.password", "guard"),
        ("user.sign_out_everywhere", "guard"),
        ("user.disable", "guard"),
        ("user.enable", "guard"),
    ]


@pytest.mark.parametrize("wrong", [{}, {"own_password": ""}, {"own_password": "a guess"}])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("add", {"name": "eve", "role": "admin", "way": "password", "password": PASSWORD}),
        ("add", {"name": "eve", "role": "admin", "way": "link"}),
        ("password", {"name": "guard", "password": "another sentence"}),
        ("role", {"name": "guard", "role": "admin"}),
        ("enable", {"name": "viewer"}),
    ],
)
async def test_a_stolen_session_lets_nobody_in(
    hub: PageSite, admin: Photographer, path: str, fields: dict[str, str], wrong: dict[str, str]
) -> None:
    """What gives somebody access needs the administrator's own password."""
    await hub.services.access.users.set_enabled("viewer", False, by=COMMAND_LINE)
    before = hub.services.access.users.all()
    await admin.get(USERS)
    await admin.send(f"{USERS}/{path}", **fields, **wrong)
    assert admin.response.status_code == 400
    assert "Your password is wrong." in admin.text
    assert hub.services.access.users.all() == before
    assert hub.services.access.setup_links.for_users() == ()
    assert ("user.confirm_failed", "admin", "user admin") in await actions_of(hub)


async def test_ones_own_password_cannot_be_guessed_with_a_stolen_session(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(USERS)
    form = {"name": "eve", "role": "admin", "way": "link"}
    for _ in range(5):
        await admin.send(f"{USERS}/add", **form, own_password="a guess")
    await admin.send(f"{USERS}/add", **form, own_password=PASSWORD)
    assert admin.response.status_code == 429
    assert "Too many attempts." in admin.text
    # All forms that ask for it, and the sign-in, count together.
    await admin.send(f"{USERS}/role", name="guard", role="admin", own_password=PASSWORD)
    assert admin.response.status_code == 429
    assert hub.services.access.users.get("guard").role == "guard"
    assert hub.services.access.setup_links.for_users() == ()


async def test_removing_a_user_asks_once_and_names_what_goes(
    hub: PageSite, admin: Photographer
) -> None:
    await Photographer.signed_in(hub, "guard")
    await admin.get(f"{USERS}/user?name=guard")
    await admin.send(f"{USERS}/remove", name="guard")
    await admin.get(admin.goes_to)
    assert "Remove the user guard?" in admin.text
    assert "deletes the user guard (Guard) and ends 1 session." in admin.text
    await admin.send(f"{USERS}/remove", name="guard", confirmed="yes")
    assert admin.goes_to == f"{USERS}?done=user-removed"
    assert [user.name for user in hub.services.access.users.all()] == ["admin", "viewer"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [("disable", {}), ("remove", {}), ("role", {"role": "guard"})],
)
async def test_the_last_administrator_stays(
    hub: PageSite, admin: Photographer, path: str, fields: dict[str, str]
) -> None:
    await admin.get(f"{USERS}/user?name=admin")
    assert "This is the only administrator who can sign in." in admin.text
    await admin.send(f"{USERS}/{path}", name="admin", confirmed="yes", **fields)
    assert admin.response.status_code == 400
    assert "Make another user an administrator first." in admin.text
    me = hub.services.access.users.get("admin")
    assert (me.role, me.enabled) == ("admin", True)


@pytest.mark.parametrize(
    ("path", "fields", "warning"),
    [
        ("disable", {}, "you will be signed out immediately"),
        ("role", {"role": "guard"}, "you will no longer be able to open the administrator pages"),
    ],
)
async def test_an_administrator_is_asked_before_shutting_themself_out(
    hub: PageSite, admin: Photographer, path: str, fields: dict[str, str], warning: str
) -> None:
    await hub.services.access.users.set_role("guard", "admin", by=COMMAND_LINE)
    await admin.get(f"{USERS}/user?name=admin")
    await admin.send(f"{USERS}/{path}", name="admin", **fields)
    await admin.get(admin.goes_to)
    assert warning in admin.text
    me = hub.services.access.users.get("admin")
    assert (me.role, me.enabled) == ("admin", True)
    await admin.send(f"{USERS}/{path}", name="admin", confirmed="yes", **fields)
    await admin.get(USERS)
    assert admin.response.status_code in (303, 403)


@pytest.mark.parametrize("name", ["a/b", "ann & bob", "王小明", "x?y=z", "<b>"])
async def test_any_name_has_its_page(hub: PageSite, admin: Photographer, name: str) -> None:
    await hub.services.access.users.add(name, "guard", PASSWORD, by=COMMAND_LINE)
    await admin.get(USERS)
    assert "<b>" not in admin.text.partition("<tbody>")[2].partition("</tbody>")[0]
    urls = re.findall(r'href="(/site/users/user\?name=[^"]+)"', admin.text)
    for url in urls:
        await admin.get(url.replace("&amp;", "&"))
        assert admin.response.status_code == 200


async def test_an_unknown_user_has_no_page(admin: Photographer) -> None:
    for path in ("user?name=nobody", "confirm?name=nobody&action=remove", "confirm?name=admin"):
        await admin.get(f"{USERS}/{path}")
        assert admin.response.status_code == 404
