"""The layout that all pages of the site area share: its heading and its own navigation."""

from __future__ import annotations

from msgspec import Struct
from quart import Response, request

from hub.store.tables.users import Role
from web import auth
from web.language import N_, gettext
from web.pages.labels import done_sentence
from web.pages.layout import page


class Section(Struct, frozen=True):
    """One topic of the area. `role`: users with fewer rights do not see it."""

    name: str
    url: str
    text: str
    role: Role = "admin"


class SectionLink(Struct, frozen=True):
    url: str
    text: str
    is_chosen: bool


#: In the order of the navigation.
SECTIONS = (
    Section("overview", "/site", N_("Overview")),
    Section("health", "/site/health", N_("Health")),
    Section("backups", "/site/backups", N_("Backups")),
    Section("retention", "/site/retention", N_("Storage")),
    Section("update", "/site/update", N_("Update")),
    Section("alarm-rules", "/site/alarm-rules", N_("Alarm rules")),
    Section("plate-lists", "/site/plate-lists", N_("Plate lists")),
    Section("reports", "/site/reports", N_("Morning reports")),
    Section("users", "/site/users", N_("Users")),
    Section("screens", "/site/screens", N_("Wall screens")),
    Section("api-keys", "/site/api-keys", N_("API keys")),
    Section("targets", "/site/targets", N_("Forwarding")),
    Section("certificate", "/site/certificate", N_("Certificate")),
    Section("settings", "/site/settings", N_("Settings")),
    Section("erasures", "/site/erasures", N_("Erase a person")),
    Section("audit", "/site/audit", N_("Audit log")),
)


async def site_page(
    template: str, *, section: str, status: int = 200, **values: object
) -> Response:
    """Render a page of the site area. `section` is the name of a row of SECTIONS."""
    me = await auth.current_user()
    links = [
        SectionLink(one.url, gettext(one.text), one.name == section)
        for one in SECTIONS
        if me is not None and auth.reaches(me, one.role)
    ]
    return await page(
        template,
        area="site",
        status=status,
        sections=links,
        section_title=next((link.text for link in links if link.is_chosen), ""),
        done=done_sentence(request.args.get("done")),
        **values,
    )
