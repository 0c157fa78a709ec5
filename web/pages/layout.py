"""What all pages share: language, theme, navigation, who is signed in, and how one is rendered."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlencode, urlsplit

from msgspec import Struct
from quart import Response, g, render_template, request

from hub.services.access.users import User
from web import auth
from web.pages import language
from web.pages.labels import ROLES, health_sentence

LANGUAGE_COOKIE = "sitehub_language"
THEME_COOKIE = "sitehub_theme"
THEMES = ("auto", "light", "dark")

#: One slash, and nothing that browsers take for another or leave out (tab, CR, LF).
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-~]*")

Area = Literal["live", "cameras", "firmware", "account", ""]


class NavigationItem(Struct, frozen=True):
    area: Area
    url: str
    icon: str
    text: str


async def note_changes() -> None:
    """Before anything is looked up: what changes while a page is made is looked at again."""
    g.changes = auth.services().change_feed.published


async def choose_language() -> None:
    language.use(
        language.choose(
            request.cookies.get(LANGUAGE_COOKIE),
            auth.services().site.language(),
            request.accept_languages,
        )
    )


def _navigation(me: User) -> list[NavigationItem]:
    _ = language.gettext
    items = [
        NavigationItem(area="live", url="/", icon="live", text=_("Live")),
        NavigationItem(area="cameras", url="/cameras", icon="camera", text=_("Cameras")),
    ]
    # Others may look at it, as from a camera's page, and have nothing to do there.
    if auth.reaches(me, "admin"):
        items.append(
            NavigationItem(area="firmware", url="/firmware", icon="firmware", text=_("Firmware"))
        )
    return items


class Notice(Struct, frozen=True):
    """What is wrong with the hub itself; a fault keeps it from its work."""

    text: str
    is_fault: bool


def _notices() -> list[Notice]:
    reasons = auth.services().health.reasons()
    return [Notice(health_sentence(reason), reason.is_fault) for reason in reasons]


def _theme() -> str:
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def _here() -> str:
    """The address of this page; of one that answers a form, that of the form."""
    if request.method in ("GET", "HEAD"):
        return request.full_path.rstrip("?")
    try:
        form = urlsplit(request.referrer or "")
    except ValueError:  # Not a URL, such as "http://[".
        form = urlsplit("")
    return local_path(form._replace(scheme="", netloc="", fragment="").geturl())


async def shared_values() -> dict[str, object]:
    """What every template may use."""
    hub = auth.services()
    me = await auth.current_user()
    return {
        "language": language.current(),
        "languages": language.LANGUAGES.values(),
        "theme": _theme(),
        "zone": hub.site.zone(),
        "site_name": hub.site.name(),
        "me": me,
        "role": language.gettext(ROLES[me.role]) if me else "",
        "may_change": me is not None and auth.reaches(me, "admin"),
        "navigation": _navigation(me) if me else [],
        "notices": _notices() if me else [],
        # Where the page's stream goes on from.
        "seq": hub.records.last_seq,
        "changes": g.changes,
        "here": _here(),
        "csrf_token": auth.csrf_token,
    }


async def page(template: str, *, area: Area = "", status: int = 200, **values: object) -> Response:
    """Render a page, or a part of one."""
    body = await render_template(template, area=area, **values)
    return Response(body, status, content_type="text/html; charset=utf-8")


def url(path: str, **values: str) -> str:
    """An address with these values as its query; empty ones are left out."""
    given = {name: value for name, value in values.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def local_path(wanted: str | None) -> str:
    """Where to go next: a path of ours or the start, never another site."""
    return wanted if wanted and _LOCAL_PATH.fullmatch(wanted) else "/"


def wants_part() -> bool:
    """Whether JavaScript asks for the changing part of a page alone."""
    return request.headers.get("X-Part") == "1"


def go(path: str) -> Response:
    """Show another page after a form was taken, so that reloading does not send it again."""
    return Response(b"", 303, {"Location": path})
