"""One-time links: for the first administrator, who names the site too, and for other users."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter, NotAuthorised
from hub.services.access.setup_links import setup_command
from hub.services.site import SiteSettings
from hub.store.tables.user_links import UserLink
from web import auth
from web.language import gettext
from web.pages.labels import ROLES, describe_account_error
from web.pages.layout import page, redirect_to
from web.pages.zones import zone_choices

blueprint = Blueprint("setup", __name__)


@blueprint.get("/setup/<token>", role=None)
async def show_setup(token: str) -> Response:
    links = auth.services().access.setup_links
    if link := links.link_of(token):
        return await _user_page(link)
    if not links.is_valid(token):
        return await _used_page()
    site = auth.services().core.site
    values = {"site_name": site.name(), "zone": site.zone_name(), "language": "auto"}
    return await _setup_page(values)


@blueprint.post("/setup/<token>", role=None)
async def set_up(token: str) -> Response:
    form = await request.form
    if link := auth.services().access.setup_links.link_of(token):
        return await _set_up_user(link, token, form.get("password", ""))
    values = {name: form.get(name, "") for name in ("name", "site_name", "zone", "language")}
    settings = SiteSettings(
        name=values["site_name"], zone=values["zone"], language=values["language"]
    )
    try:
        auth.services().core.site.check(settings)
    except BadParameter as error:
        field = "site_name" if error.field == "name" else error.field
        return await _setup_page(values, field=field, fault=_describe_error(field), status=400)
    try:
        signed_in = await auth.services().access.setup_links.complete(
            token,
            values["name"].strip(),
            form.get("password", ""),
            settings,
            address=auth.client_address(),
        )
    except NotAuthorised:
        return await _used_page()
    except BadParameter as error:
        return await _setup_page(
            values, field=error.field, fault=_describe_error(error.field), status=400
        )
    response = redirect_to("/cameras/connect?first=1")
    auth.remember(response, signed_in)
    return response


async def _set_up_user(link: UserLink, token: str, password: str) -> Response:
    try:
        signed_in = await auth.services().access.setup_links.add_user(
            token, password, address=auth.client_address()
        )
    except NotAuthorised:
        return await _used_page()
    except BadParameter as error:
        return await _user_page(link, describe_account_error(error))
    response = redirect_to("/")
    auth.remember(response, signed_in)
    return response


async def _user_page(link: UserLink, fault: str = "") -> Response:
    return await page(
        "account/setup_user.html",
        status=400 if fault else 200,
        link=link,
        link_role=gettext(ROLES[link.role]),
        fault=fault,
    )


def _describe_error(field: str) -> str:
    faults = {
        "name": gettext("Choose a user name of 1 to 64 characters that is not taken."),
        "password": gettext("The password is too short. Use at least 8 characters."),
        "site_name": gettext("Enter a site name of 1 to 100 characters."),
        "zone": gettext("Choose a time zone from the list."),
    }
    return faults.get(field, gettext("Choose a value from the list."))


async def _setup_page(
    values: dict[str, str], *, field: str = "", fault: str = "", status: int = 200
) -> Response:
    return await page(
        "account/setup.html",
        status=status,
        values=values,
        field=field,
        fault=fault,
        zones=zone_choices(values["zone"]),
    )


async def _used_page() -> Response:
    return await page(
        "account/setup_used.html",
        status=404,
        needs_setup=auth.services().access.setup_links.is_needed(),
        setup_command=setup_command(auth.services().core.data_dir),
    )
