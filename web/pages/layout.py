"""What all pages share: language, theme, navigation, the signed-in user, and rendering."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from msgspec import Struct
from quart import Response, g, render_template, request

from hub.services import Services
from hub.services.problems import HealthReason
from hub.store.tables.users import User
from web import auth, language
from web.pages.labels import ROLES, done_sentence, health_sentence, health_topics
from web.pages.navigation import navigation
from web.pages.shown.alarm_state import AlarmState, alarm_state
from web.pages.shown.relays import switched_sentence

CSV = "text/csv; charset=utf-8"
LANGUAGE_COOKIE = "sitehub_language"
THEME_COOKIE = "sitehub_theme"
THEMES = ("auto", "light", "dark")

#: Starts with exactly one slash, without characters that browsers treat as one or drop, and without
#: steps upwards, which would leave the path of a reverse proxy. To browsers %2e is a dot.
_LOCAL_PATH = re.compile(r"/(?![/\\])(?![^?#]*(?<=[/\\])(?:\.|%2[eE]){1,2}(?:[/\\?#]|$))[!-~]*")


async def note_changes() -> None:
    """Note the change counter before anything is read, so that later changes refresh the page."""
    g.changes = auth.services().core.changes.published


async def choose_language() -> None:
    site = auth.services().core.site
    cookie = request.cookies.get(LANGUAGE_COOKIE)
    language.use(language.choose(cookie, site.language(), request.accept_languages), site.zone())


class Notice(Struct, frozen=True):
    """A problem of the hub. `is_serious`: to be shown in red.

    `url`: what to do; "" for users who cannot do it.
    """

    text: str
    is_serious: bool
    url: str = ""


def _notices(me: User, told: Collection[str]) -> list[Notice]:
    """The problems of the hub, but for those that are told as alarms."""
    reasons = [one for one in auth.services().upkeep.health.reasons() if one.key not in told]
    if auth.reaches(me, "admin"):
        return [
            Notice(health_sentence(one), one.is_serious, advice_url(one.key)) for one in reasons
        ]
    return _notices_without_rights(reasons)


def _notices_without_rights(reasons: list[HealthReason]) -> list[Notice]:
    """What concerns everybody, and in one banner what only an administrator can mend."""
    shown = [
        Notice(health_sentence(one), one.is_serious) for one in reasons if not one.problem.topic
    ]
    for_administrators = [one for one in reasons if one.problem.topic]
    if for_administrators:
        text = language.gettext("Administrator needed: %(topics)s") % {
            "topics": health_topics(for_administrators)
        }
        shown.append(Notice(text, any(one.is_serious for one in for_administrators)))
    return shown


def advice_url(key: str) -> str:
    """Where the page Health says what to do about a problem of the hub, by its key."""
    return f"/site#problem-{key}"


def _theme() -> str:
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def _current_path() -> str:
    """The address of this page; for the response to a form, that of the form."""
    if request.method in ("GET", "HEAD"):
        return request.full_path.rstrip("?")
    try:
        form = urlsplit(request.referrer or "")
    except ValueError:  # Not a URL, such as "http://[".
        form = urlsplit("")
    return local_path(form._replace(scheme="", netloc="", fragment="").geturl())


async def shared_values() -> dict[str, object]:
    """The values that every template can use."""
    hub = auth.services()
    me = await auth.current_user()
    sees_records = me is not None and auth.reaches(me, "viewer")
    alarms = alarm_state(hub) if sees_records else AlarmState()
    return {
        "language": language.current(),
        "languages": language.LANGUAGES.values(),
        "theme": _theme(),
        "zone": language.zone(),
        "site_name": hub.core.site.name(),
        "me": me,
        "role": language.gettext(ROLES[me.role]) if me else "",
        "may_view": sees_records,
        "keeps_people": me is not None and auth.reaches(me, "people"),
        "may_keep": me is not None and auth.reaches(me, "guard"),
        "may_change": me is not None and auth.reaches(me, "admin"),
        "navigation": navigation(me, request.path),
        "done": _done(hub) if me else done_sentence(request.args.get("done")),
        "notices": _notices(me, alarms.problems) if me else [],
        "alarm_state": alarms,
        # Where the event stream of the page starts.
        "seq": hub.records.log.last_seq,
        "changes": g.changes,
        "here": _current_path(),
        "csrf_token": auth.csrf_token,
    }


async def page(template: str, *, status: int = 200, **values: object) -> Response:
    """Render a page or a part of one."""
    body = await render_template(template, **values)
    return Response(body, status, content_type="text/html; charset=utf-8")


def _done(hub: Services) -> str:
    done = request.args.get("done")
    return done_sentence(done) or switched_sentence(hub, done, request.args.get("of"))


def saved_file(name: str, body: Any, content_type: str = CSV) -> Response:
    """Answer with a file that the browser saves; one that is made while it is sent takes its time.

    `body`: as Response takes it.
    """
    response = Response(body, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if not isinstance(body, (str, bytes)):
        response.timeout = None
    return response


def make_url(path: str, **values: str) -> str:
    """The path with these query parameters; empty ones are left out."""
    given = {name: value for name, value in values.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def local_path(wanted: str | None) -> str:
    """`wanted` if it is a path on this site, else "/"; never another site."""
    return wanted if wanted and _LOCAL_PATH.fullmatch(wanted) else "/"


def done_url(path: str, done: str, of: str = "") -> str:
    """The path of a page with the sentence to show there, in place of one that it had.

    `of`: the did of the camera that the sentence is about.
    """
    url = urlsplit(path)
    pairs = parse_qsl(url.query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in ("done", "of")]
    added = [("done", done), ("of", of)] if of else [("done", done)]
    return url._replace(query=urlencode([*kept, *added])).geturl()


def wants_part() -> bool:
    """Whether a script asks for only the changing part of the page."""
    return request.headers.get("X-Part") == "1"


def redirect_to(path: str) -> Response:
    """Redirect after a form, so that reloading does not send it again."""
    return Response(b"", 303, {"Location": path})
