"""One-time links: for the first administrator, who names the site too, and for other users."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.config import RAISED_BY
from hub.errors import BadParameter, NotAuthorised
from hub.services.access.setup_links import setup_command
from hub.services.site import SiteSettings
from hub.store.tables.user_links import UserLink
from web import auth
from web.language import gettext
from web.pages.labels import ROLES, describe_account_error
from web.pages.layout import page, redirect_to
from web.pages.shown.ready_sets import may_choose, ready_set_choices
from web.pages.zones import zone_choices

blueprint = Blueprint("setup", __name__)

_FIELDS = ("name", "site_name", "zone", "language", "raised_by")


@blueprint.get("/setup/<token>", role=None)
async def show_setup(token: str) -> Response:
    links = auth.services().access.setup_links
    if link := links.link_of(token):
        return await _user_page(link)
    if not links.is_valid(token):
        return await used_page()
    restoring = auth.services().upkeep.first_restore
    if restoring.progress is not None or restoring.restored is not None:
        return redirect_to(f"/setup/{token}/restore")
    site = auth.services().core.site
    values = {
        "site_name": site.name(),
        "zone": site.zone_name(),
        "language": "auto",
        "raised_by": _proposed_set(),
    }
    return await _setup_page(values)


def _proposed_set() -> str:
    """The ready set for a new site; a site whose administrators were lost keeps its own."""
    state = auth.services().core.settings.state(RAISED_BY)
    is_new = auth.services().access.setup_links.is_needed() and state.source == "default"
    return "usual" if is_new else str(state.value)


@blueprint.post("/setup/<token>", role=None)
async def set_up(token: str) -> Response:
    form = await request.form
    if link := auth.services().access.setup_links.link_of(token):
        return await _set_up_user(link, token, form.get("password", ""))
    values = {name: form.get(name, "") for name in _FIELDS}
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
            raised_by=values["raised_by"] if may_choose() else "",
        )
    except NotAuthorised:
        return await used_page()
    except BadParameter as error:
        fault = _describe_error(error.field, error.message)
        return await _setup_page(values, field=error.field, fault=fault, status=400)
    response = redirect_to("/cameras/connect?first=1")
    auth.remember(response, signed_in)
    return response


async def _set_up_user(link: UserLink, token: str, password: str) -> Response:
    try:
        signed_in = await auth.services().access.setup_links.add_user(
            token, password, address=auth.client_address()
        )
    except NotAuthorised:
        return await used_page()
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


def _describe_error(field: str, message: str = "") -> str:
    faults = {
        "name": gettext("Choose a user name of 1 to 64 characters that is not taken."),
        "password": gettext("The password is too short. Use at least 8 characters."),
        "site_name": gettext("Enter a site name of 1 to 100 characters."),
        "zone": gettext("Choose a time zone from the list."),
    }
    return faults.get(field, message or gettext("Choose a value from the list."))


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
        ready_sets=ready_set_choices(values["raised_by"]) if may_choose() else [],
        may_restore=await auth.services().upkeep.first_restore.is_offered(),
    )


async def used_page() -> Response:
    """What a link leads to that does not work any more."""
    return await page(
        "account/setup_used.html",
        status=404,
        needs_setup=auth.services().access.setup_links.is_needed(),
        setup_command=setup_command(auth.services().core.data_dir),
    )
