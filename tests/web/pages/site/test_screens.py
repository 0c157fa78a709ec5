"""The page of wall screens, and how a browser becomes one."""

from __future__ import annotations

import re

from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

SCREENS = "/site/screens"


async def make_link(admin: Photographer) -> str:
    """The path of a new link for a screen."""
    await admin.get("/site/users")
    await admin.send(f"{SCREENS}/link", name="Lobby", user="viewer", own_password=PASSWORD)
    return re.findall(r"<code id=\"link\">https?://[^/]+(/wall/start/[^<]+)<", admin.text)[0]


async def test_a_browser_becomes_a_screen_and_is_signed_out_again(
    hub: PageSite, admin: Photographer
) -> None:
    path = await make_link(admin)
    browser = Photographer(hub)
    await browser.get(path)
    assert "Use this browser as the wall screen Lobby?" in browser.text
    # The link may lack the prefix of a proxy, which the cookie for the form has in its path.
    assert f'method="post" action="{path}"' in browser.text
    await browser.send(path)
    assert browser.goes_to == "/wall"
    assert (await browser.get("/wall")).status_code == 200
    # Renewed each time: browsers forget a cookie after 400 days.
    assert "Max-Age=34560000" in browser.response.headers["Set-Cookie"]
    assert (await browser.get("/site")).status_code == 403

    await admin.get("/site/users")
    assert '<th scope="row">Lobby</th>' in admin.text
    (id,) = re.findall(r'name="id" value="([0-9a-f]{64})"', admin.text)
    await admin.send(f"{SCREENS}/end", id=id)
    assert admin.goes_to == "/site/users?done=screen-ended#screens"
    assert (await browser.get("/wall")).status_code == 303


async def test_who_stands_at_a_screen_does_nothing_to_its_user(
    hub: PageSite, admin: Photographer
) -> None:
    viewer = await Photographer.signed_in(hub, "viewer")
    path = await make_link(admin)
    browser = Photographer(hub)
    await browser.get(path)
    await browser.send(path)
    await browser.get("/account")
    assert "Change password" not in browser.text
    assert "Sign out on all devices" not in browser.text
    for form in ("/account/sign-out-everywhere", "/account/password"):
        await browser.send(form, old=PASSWORD, new="another password")
        assert browser.response.status_code == 403
    assert (await viewer.get("/account")).status_code == 200
    assert "Sign out on all devices" in viewer.text
    assert (await browser.get("/wall")).status_code == 200


async def test_a_used_link_says_so(hub: PageSite, admin: Photographer) -> None:
    path = await make_link(admin)
    browser = Photographer(hub)
    await browser.get(path)
    await browser.send(path)
    other = Photographer(hub)
    for ask in (other.get(path), other.send(path, token="")):
        await ask
        assert other.response.status_code in (403, 404)
    await other.get(path)
    assert "This link is no longer valid" in other.text


async def test_a_link_needs_the_administrators_own_password(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get("/site/users")
    await admin.send(f"{SCREENS}/link", name="Lobby", user="viewer", own_password="a guess")
    assert admin.response.status_code == 400
    assert "Your password is wrong." in admin.text
    assert 'value="Lobby"' in admin.text


async def test_a_bad_name_or_user_is_explained(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/site/users")
    for name, user, sentence in (
        ("", "viewer", "Enter a name of 1 to 64 characters."),
        ("Lobby", "nobody", "Choose a user from the list."),
    ):
        await admin.send(f"{SCREENS}/link", name=name, user=user, own_password=PASSWORD)
        assert admin.response.status_code == 400
        assert sentence in admin.text


async def test_a_screen_that_is_unknown_cannot_be_ended(admin: Photographer) -> None:
    await admin.get("/site/users")
    for id in ("", "zz", "00" * 32):
        await admin.send(f"{SCREENS}/end", id=id)
        assert admin.response.status_code == 404
