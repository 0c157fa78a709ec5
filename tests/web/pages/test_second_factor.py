"""The second factor on the pages: set up, asked for at the sign-in, demanded, taken away."""

from __future__ import annotations

import base64
import html
import re

import pytest

from hub.services.access.second_factor import STEP_SECONDS, totp
from hub.services.audit import COMMAND_LINE
from tests.support.browsing import Visitor
from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

PAGE = "/account/second-factor"


def code_of(hub: PageSite, secret: str) -> str:
    return totp(base64.b32decode(secret), hub.clock.ms // 1000 // STEP_SECONDS)


async def set_up(hub: PageSite, visitor: Visitor) -> tuple[str, list[str]]:
    """Set it up; return the secret and the recovery codes."""
    await visitor.get("/account")
    await visitor.send(f"{PAGE}/begin", own_password=PASSWORD)
    assert "<svg" in visitor.text
    (shown,) = re.findall("<code>([A-Z2-7 ]+)</code>", visitor.text)
    secret = shown.replace(" ", "")
    await visitor.send(f"{PAGE}/confirm", code=code_of(hub, secret))
    codes = re.findall("<code>([A-Z2-7]{5}-[A-Z2-7]{5})</code>", visitor.text)
    assert len(codes) == 10
    hub.clock.advance(60)
    return secret, codes


async def give_password(visitor: Visitor, name: str = "admin", next: str = "/") -> str:
    """Give the name and the password; return the ticket in the page that asks for the code."""
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name=name, password=PASSWORD, next=next)
    assert visitor.response.status_code == 200
    (ticket,) = re.findall('name="ticket" value="([^"]+)"', visitor.text)
    return ticket


async def test_it_is_asked_for_after_the_password(hub: PageSite, admin: Photographer) -> None:
    secret, _ = await set_up(hub, admin)
    visitor = Visitor(hub)
    ticket = await give_password(visitor, next="/alarms")
    assert "clock shows" in visitor.text
    await visitor.get("/alarms")
    assert visitor.goes_to.startswith("/sign-in")
    ticket = await give_password(visitor, next="/alarms")
    await visitor.send("/sign-in/code", ticket=ticket, code="000000", next="/alarms")
    assert visitor.response.status_code == 401
    assert "Wrong code" in visitor.text
    await visitor.send("/sign-in/code", ticket=ticket, code=code_of(hub, secret), next="/alarms")
    assert visitor.goes_to == "/alarms"
    await visitor.get("/alarms")
    assert visitor.response.status_code == 200


async def test_it_leads_nowhere_else_and_tickets_end(hub: PageSite, admin: Photographer) -> None:
    _, codes = await set_up(hub, admin)
    visitor = Visitor(hub)
    ticket = await give_password(visitor)
    await visitor.send("/sign-in/code", ticket=ticket, code=codes[0], next="//evil.example")
    assert visitor.goes_to == "/"
    other = Visitor(hub)
    await other.get("/sign-in")
    await other.send("/sign-in/code", ticket=ticket, code=codes[1], next="/")
    assert other.response.status_code == 401
    assert "took too long" in other.text


async def test_a_wrong_password_does_not_tell_who_has_it(
    hub: PageSite, admin: Photographer
) -> None:
    await set_up(hub, admin)
    visitor = Visitor(hub)
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="admin", password="wrong password", next="/")
    assert visitor.response.status_code == 401
    assert "ticket" not in visitor.text


async def test_setting_it_up_and_removing_it_need_the_password(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get("/account")
    await admin.send(f"{PAGE}/begin", own_password="wrong password")
    assert "Your password is wrong." in admin.text
    assert "<code>" not in admin.text
    await set_up(hub, admin)
    await admin.get("/account")
    assert "10 of 10 recovery codes are left." in admin.text
    await admin.send(f"{PAGE}/remove", own_password="")
    assert hub.services.access.second_factors.is_on("admin")
    await admin.send(f"{PAGE}/remove", own_password=PASSWORD)
    assert admin.goes_to == "/account?done=factor-off"
    assert not hub.services.access.second_factors.is_on("admin")


async def test_a_wrong_first_code_turns_nothing_on(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/account")
    await admin.send(f"{PAGE}/begin", own_password=PASSWORD)
    await admin.send(f"{PAGE}/confirm", code="000000")
    assert admin.response.status_code == 400
    assert "The code is wrong." in admin.text
    # What was shown once is not shown again to whoever has the session.
    assert "<svg xmlns" not in admin.text
    assert not re.search("<code>[A-Z2-7 ]{30,}</code>", admin.text)
    assert not hub.services.access.second_factors.is_on("admin")


@pytest.mark.parametrize("who", ["guard", "viewer"])
async def test_others_may_have_one_too(hub: PageSite, who: str) -> None:
    visitor = await Visitor.signed_in(hub, who)
    secret, _ = await set_up(hub, visitor)
    other = Visitor(hub)
    ticket = await give_password(other, who)
    await other.send("/sign-in/code", ticket=ticket, code=code_of(hub, secret), next="/")
    assert other.goes_to == "/"


async def test_an_administrator_takes_it_away_with_the_password(
    hub: PageSite, admin: Photographer
) -> None:
    await set_up(hub, await Visitor.signed_in(hub, "guard"))
    await admin.get("/site/users/user?name=guard")
    assert "/site/users/second-factor" in admin.text
    await admin.send("/site/users/second-factor", name="guard", own_password="wrong password")
    assert admin.response.status_code == 400
    assert hub.services.access.second_factors.is_on("guard")
    await admin.send("/site/users/second-factor", name="guard", own_password=PASSWORD)
    assert "factor-off" in admin.goes_to
    assert not hub.services.access.second_factors.is_on("guard")
    # One's own is removed at the account, with the password.
    await set_up(hub, admin)
    await admin.send("/site/users/second-factor", name="admin")
    assert admin.goes_to == "/account#second-factor"
    assert hub.services.access.second_factors.is_on("admin")


async def test_the_site_demands_it_of_administrators(hub: PageSite, admin: Photographer) -> None:
    demanded = {"web.second_factor": "administrators"}
    await hub.services.core.settings.change(demanded, by=COMMAND_LINE)
    await admin.get("/site/users")
    assert admin.response.status_code == 403
    visitor = Visitor(hub)
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="admin", password=PASSWORD, next="/site")
    assert visitor.goes_to == "/account#second-factor"
    await visitor.get("/account")
    assert "requires a second factor of administrators" in html.unescape(visitor.text)
    await set_up(hub, visitor)
    await visitor.get("/site/users")
    assert visitor.response.status_code == 200


async def test_guesses_are_answered_with_when_to_try_again(
    hub: PageSite, admin: Photographer
) -> None:
    await set_up(hub, admin)
    visitor = Visitor(hub)
    ticket = await give_password(visitor)
    for _ in range(6):
        await visitor.send("/sign-in/code", ticket=ticket, code="000000", next="/")
    assert visitor.response.status_code == 429
    assert visitor.response.headers["Retry-After"]
    assert "Too many attempts" in visitor.text
