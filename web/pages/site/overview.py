"""The start of the site area: how the site is, its name, time zone and language, addresses."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.site import SiteSettings
from hub.services.urls import dashboard_urls, device_urls
from web import auth
from web.language import gettext
from web.pages.layout import page, redirect_to
from web.pages.site import certificate, health, retention, update
from web.pages.site.sections import sections_page
from web.pages.site.tiles import site_tiles
from web.pages.zones import zone_choices

blueprint = Blueprint("site", __name__, url_prefix="/site")

_FIELDS = ("name", "zone", "language")


@blueprint.get("", role="admin")
async def overview() -> Response:
    site = auth.services().core.site
    return await _overview_page(
        {"name": site.name(), "zone": site.zone_name(), "language": site.language()}
    )


async def _overview_page(values: dict[str, str], *, field: str = "", fault: str = "") -> Response:
    hub = auth.services()
    return await sections_page(
        await health.section(),
        await retention.section(),
        await certificate.section(),
        await update.section(),
        can_fold=True,
        template="site/overview.html",
        status=400 if fault else 200,
        values=values,
        field=field,
        fault=fault,
        zones=zone_choices(values["zone"]),
        tiles=await site_tiles(),
        dashboards=dashboard_urls(hub),
        devices=device_urls(hub),
        data_dir=str(hub.core.data_dir),
    )


@blueprint.get("/tiles", role="admin")
async def tiles() -> Response:
    """The part of the page that is refreshed when something changes."""
    return await page("site/_tiles.html", tiles=await site_tiles())


@blueprint.post("", role="admin")
async def change() -> Response:
    """Set name, time zone and language, which apply at once."""
    form = await request.form
    values = {name: form.get(name, "").strip() for name in _FIELDS}
    hub = auth.services()
    try:
        await hub.core.site.set(SiteSettings(**values))
    except BadParameter as error:
        return await _overview_page(
            values, field=error.field, fault=describe_site_error(error.field)
        )
    await hub.core.audit.add(auth.actor(), "site.change", values["name"])
    return redirect_to("/site?done=changed")


def describe_site_error(field: str) -> str:
    """What to enter instead, for a field of SiteSettings."""
    faults = {
        "name": gettext("Enter a site name of 1 to 100 characters."),
        "zone": gettext("Choose a time zone from the list."),
    }
    return faults.get(field, gettext("Choose a value from the list."))
