"""The tree of the pages: the areas on top, by role, and what is below each.

The address of a page alone says where it is. To add a page, write its blueprint (`web.pages`) and
its template; what a person looks for by itself is an entry of TREE as well.
"""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.services.access.rights import Right
from hub.store.tables.users import User
from web import auth
from web.language import N_, gettext


class Entry(Struct, frozen=True):
    """A page below an area. `role`: the right that users need to see it.

    `also`: other addresses whose pages belong to it.
    """

    url: str
    text: str
    role: Right = "admin"
    also: tuple[str, ...] = ()


class Area(Struct, frozen=True):
    """An entry on top; on a phone, those that are `is_aside` are below "More".

    `below`: shown on the pages of the area, if a user sees more than one of them.
    """

    url: str
    text: str
    icon: str
    role: Right
    below: tuple[Entry, ...] = ()
    is_aside: bool = False


TREE = (
    Area("/", N_("Live"), "live", "viewer"),
    Area(
        "/search",
        N_("Search"),
        "search",
        "viewer",
        (
            Entry("/search", N_("Records"), "viewer"),
            Entry("/search/photo", N_("By photo"), "guard"),
            Entry("/search/kept", N_("Evidence"), "guard"),
        ),
    ),
    Area(
        "/alarms",
        N_("Alarms"),
        "alarm",
        "viewer",
        (
            Entry("/alarms", N_("All alarms"), "viewer"),
            Entry("/alarms/rules", N_("Rules")),
            Entry("/alarms/plates", N_("Plates")),
        ),
    ),
    Area(
        "/people",
        N_("People"),
        "people",
        "register",
        (
            Entry("/people", N_("All people"), "register"),
            Entry("/people/import", N_("Import and export"), "people"),
            Entry("/people/cameras", N_("On cameras"), "register"),
        ),
        is_aside=True,
    ),
    Area(
        "/cameras",
        N_("Cameras"),
        "camera",
        "viewer",
        (
            Entry("/cameras", N_("All cameras"), "viewer"),
            Entry(
                "/cameras/connect",
                N_("Connect"),
                also=("/cameras/accept", "/cameras/add", "/cameras/import"),
            ),
            Entry("/cameras/groups", N_("Groups"), "guard"),
            Entry("/cameras/many", N_("Settings for many")),
            Entry("/cameras/firmware", N_("Firmware")),
        ),
    ),
    # Its kinds of reports are tabs of their own, which keep the period.
    Area("/reports", N_("Reports"), "report", "register", is_aside=True),
    Area(
        "/site",
        N_("Site"),
        "site",
        "admin",
        (
            Entry("/site", N_("Overview")),
            Entry("/site/users", N_("Users and screens"), also=("/site/screens",)),
            Entry("/site/backups", N_("Backups")),
            Entry("/site/targets", N_("Connections"), also=("/site/api-keys",)),
            Entry("/site/erasures", N_("Privacy"), also=("/site/audit",)),
            Entry("/site/settings", N_("Advanced")),
        ),
        is_aside=True,
    ),
)

#: Where pages were before. What was below such an address is below the new one, unless that is a
#: section of a page.
MOVED = {
    "/alarms/rules/new": "/alarms/rules#add",
    "/cameras/<int:did>/people/add": "/cameras/<int:did>/people/list#add",
    "/cameras/<int:did>/capabilities": "/cameras/<int:did>/manage#capabilities",
    "/cameras/<int:did>/light": "/cameras/<int:did>#light",
    "/cameras/<int:did>/outages": "/cameras/<int:did>#outages",
    "/cameras/firmware/add": "/cameras/firmware#add",
    "/cameras/firmware/downloads": "/cameras/firmware#downloads",
    "/cameras/import": "/cameras/add#table",
    "/cameras/ignored": "/cameras/connect#ignored",
    "/cameras/groups/add": "/cameras/groups#add",
    "/site/users/add": "/site/users#add",
    "/account/second-factor": "/account#second-factor",
    "/cameras/<int:did>/search": "/search/photo?did=<int:did>#main",
    "/cameras/<int:did>/unsigned": "/cameras/<int:did>/manage#unsigned",
    "/search/saved": "/search#saved",
    **{f"/site/targets/{one}": f"/site/targets?add={one}#add" for one in ("mail", "mqtt", "nats")},
    "/audit": "/site/audit",
    "/evidence": "/search/kept",
    "/firmware": "/cameras/firmware",
    "/people/export": "/people/import",
    "/photo-search": "/search/photo",
    "/site/alarm-rules": "/alarms/rules",
    "/site/plate-lists": "/alarms/plates",
    "/site/reports": "/reports/morning",
    "/site/health": "/site#health",
    "/site/retention": "/site#storage",
    "/site/certificate": "/site#certificate",
    "/site/update": "/site#version",
    "/site/screens": "/site/users#screens",
    "/site/api-keys": "/site/targets#api-keys",
}

blueprint = Blueprint("moved", __name__)


class NavigationLink(Struct, frozen=True):
    url: str
    text: str
    is_chosen: bool
    icon: str = ""
    is_aside: bool = False


class Navigation(Struct, frozen=True):
    """What a page shows of the tree. `title`: of the entry that it belongs to."""

    areas: list[NavigationLink]
    below: list[NavigationLink]
    title: str


def navigation(me: User | None, path: str) -> Navigation:
    """The navigation of the page at `path`, for `me`; None: nobody is signed in."""
    areas = [one for one in TREE if me is not None and auth.reaches(me, one.role)]
    area = next((one for one in areas if one.url != "/" and _is_below(path, one.url)), None)
    if area is None and path == "/" and areas:
        area = areas[0]
    entries = [one for one in area.below if me and auth.reaches(me, one.role)] if area else []
    entry = max(
        ((url, one) for one in entries for url in (one.url, *one.also) if _is_below(path, url)),
        key=lambda found: len(found[0]),
        default=(path, None),
    )[1]
    return Navigation(
        [
            NavigationLink(one.url, gettext(one.text), one is area, one.icon, one.is_aside)
            for one in areas
        ],
        [NavigationLink(one.url, gettext(one.text), one is entry) for one in entries]
        if len(entries) > 1
        else [],
        gettext(entry.text) if entry else "",
    )


def _is_below(path: str, url: str) -> bool:
    return path == url or path.startswith(f"{url}/")


async def _lead_on(new: str, rest: str = "", did: int = 0) -> Response:
    """Lead from where a page was to where it is now.

    Not permanently: browsers keep that, also after the update that moved the page is taken back.
    """
    new = new.replace("<int:did>", str(did)) + (f"/{quote(rest)}" if rest else "")
    if query := request.query_string.decode():
        page, mark, section = new.partition("#")
        new = f"{page}{'&' if '?' in page else '?'}{query}{mark}{section}"
    return Response(b"", 303, {"Location": new})


for _old, _new in MOVED.items():
    for _rule in (_old,) if "#" in _new else (_old, f"{_old}/<path:rest>"):
        blueprint.add_url_rule(
            _rule,
            _rule.replace("/", "-"),
            _lead_on,
            methods=["GET"],
            role=None,
            defaults={"new": _new},
        )
