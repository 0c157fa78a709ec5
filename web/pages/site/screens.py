"""Wall screens: which browsers stay signed in to show the wall, and links for new ones."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.urls import dashboard_urls
from hub.store.tables.sessions import Session
from web import auth, language
from web.language import gettext
from web.pages.faults import NO_FAULT, Fault
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked
from web.pages.site.sections import Section, make_section, sections_page

blueprint = Blueprint("site_screens", __name__, url_prefix="/site/screens")


_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class ScreenRow(Struct, frozen=True):
    """`id`: what ends it, in hex. `used`: when it last showed that it is on."""

    id: str
    name: str
    user: str
    address: str
    since: str
    used: str


def base_url() -> str:
    """The address of this hub as the user's PC can open it: the one that this browser uses."""
    if request.host.rpartition(":")[0] in _LOOPBACK or request.host in _LOOPBACK:
        return dashboard_urls(auth.services())[0]
    return auth.base_url()


async def _screens_page(values: dict[str, str], fault: Fault) -> Response:
    return await sections_page(await section(values, fault), status=fault.status)


async def section(values: dict[str, str] | None = None, fault: Fault = NO_FAULT) -> Section:
    hub = auth.services()
    users = [user.name for user in hub.access.users.all() if user.enabled and user.role == "viewer"]
    return await make_section(
        "screens",
        gettext("Wall screens"),
        gettext(
            "Screens that show the wall for months without anyone signing in. They cannot change "
            "anything."
        ),
        "site/_screens.html",
        rows=[_row(one) for one in hub.access.screens.all()],
        users=users,
        values=values or {"name": "", "user": ""},
        field=fault.field,
        fault=fault.sentence,
    )


def _row(session: Session) -> ScreenRow:
    hub, shown = auth.services(), language.current()
    zone, expiry = language.zone(), hub.core.clock.expiry
    return ScreenRow(
        id=session.token_hash.hex(),
        name=session.screen,
        user=session.user,
        address=session.address,
        since=shown.date(expiry.as_shown(session.created_at), zone),
        used=shown.moment(expiry.as_shown(session.last_used_at), zone),
    )


async def _entered() -> dict[str, str]:
    form = await request.form
    return {"name": form.get("name", "").strip(), "user": form.get("user", "")}


@blueprint.post("/link", role="admin", password=asked(_screens_page, _entered))
async def make_link() -> Response:
    """Make the link that is opened on the screen."""
    values = await _entered()
    try:
        token = await auth.services().access.screens.make_link(
            values["name"], values["user"], by=auth.user(), address=auth.client_address()
        )
    except BadParameter as error:
        return await _screens_page(values, Fault(error.field, _describe_error(error.field)))
    return await page(
        "site/screen_link.html",
        name=values["name"],
        link=f"{base_url()}wall/start/{token}",
    )


def _describe_error(field: str) -> str:
    if field == "user":
        return gettext("Choose a user from the list.")
    return gettext("Enter a name of 1 to 64 characters.")


@blueprint.post("/end", role="admin")
async def end() -> Response:
    try:
        token_hash = bytes.fromhex((await request.form).get("id", ""))
    except ValueError:
        token_hash = b""
    await auth.services().access.screens.end(token_hash, by=auth.actor())
    return redirect_to("/site/users?done=screen-ended#screens")
