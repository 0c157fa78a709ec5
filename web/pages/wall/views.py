"""The page of a wall screen, its alarms, and the link by which a screen stays signed in."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import NotAuthorised
from hub.services.records.repeat_groups import group_repeats
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import RECORD_KINDS, RecordKind
from web import auth
from web.pages.alarms.views import live_alarms
from web.pages.layout import page, redirect_to
from web.pages.shown.alarm_cards import AlarmCard
from web.pages.shown.known_people import make_group_cards

blueprint = Blueprint("wall", __name__, url_prefix="/wall")

#: Large alarms at once; the others are counted.
_MAX_ALARMS = 3
_READ_PER_PLACE = 3
#: Bounds and default of the places on the screen, across and down.
_COLUMNS, _ROWS = (1, 12, 6), (1, 8, 3)


class WallView(Struct, frozen=True):
    """What the address asks for. `dids`: these cameras only; None: all.

    What is wrong in it is ignored: a screen must not stop because a camera was removed.
    """

    kind: RecordKind | None
    dids: tuple[str, ...] | None
    look: str
    columns: int
    rows: int

    @property
    def filter(self) -> RecordFilter:
        return RecordFilter(kind=self.kind, dids=self.dids)


class WallAlarms(Struct, frozen=True):
    """The most severe new alarms, and how many more there are."""

    alarms: list[AlarmCard]
    more: int


@blueprint.get("", role="viewer")
async def wall() -> Response:
    hub, view = auth.services(), _read_view()
    # Read before the records: the page may have later ones, which the script skips by their seq.
    seq = hub.records.log.last_seq
    places = view.columns * view.rows
    # Some are repeats of others, and share a card.
    found = await hub.records.log.page(
        view.filter, newest_first=True, limit=_READ_PER_PLACE * places
    )
    response = await page(
        "wall/wall.html",
        seq=seq,
        view=view,
        cards=await make_group_cards(group_repeats(found.items)[:places]),
        now=int(hub.core.clock.likely_time() * 1000),
        alarms=await _alarms(),
    )
    token = auth.session_token()
    if hub.access.sessions.is_screen(token):
        auth.remember_screen(response, token)
    return response


def _read_view() -> WallView:
    args = request.args
    look = args.get("look", "dark")
    return WallView(
        kind=next((one for one in RECORD_KINDS if one == args.get("kind")), None),
        dids=_read_cameras(),
        look=look if look in ("dark", "light", "auto") else "dark",
        columns=_read_number("columns", *_COLUMNS),
        rows=_read_number("rows", *_ROWS),
    )


def _read_cameras() -> tuple[str, ...] | None:
    dids = [did for did in request.args.getlist("did") if did]
    groups = request.args.getlist("group", type=int)
    if not dids and not groups:
        return None
    of_groups = [
        did
        for group in auth.services().people.groups.list()
        if group.id in groups
        for did in group.dids
    ]
    return tuple(dict.fromkeys([*dids, *of_groups]))


def _read_number(name: str, least: int, most: int, otherwise: int) -> int:
    number = request.args.get(name, otherwise, type=int)
    return min(max(number, least), most)


async def _alarms() -> WallAlarms:
    live = await live_alarms()
    more = max(0, len(live.alarms) - _MAX_ALARMS) + live.more
    return WallAlarms(live.alarms[:_MAX_ALARMS], more)


@blueprint.get("/alarms", role="viewer")
async def alarms() -> Response:
    """The part of the page that has the alarms."""
    return await page("wall/_alarms.html", alarms=await _alarms())


@blueprint.get("/start/<token>", role=None)
async def show_start(token: str) -> Response:
    """Ask once: programs that look at links must not use this one up."""
    link = auth.services().access.screens.link_of(token)
    return await page("wall/start.html", link=link, status=404 if link is None else 200)


@blueprint.post("/start/<token>", role=None)
async def start(token: str) -> Response:
    """Sign this browser in as a wall screen."""
    hub = auth.services()
    try:
        signed_in = await hub.access.screens.start(token, auth.client_address())
    except NotAuthorised:
        return await page("wall/start.html", link=None, status=404)
    # The session that this browser had before could do more.
    if earlier := auth.session_token():
        await hub.access.sessions.sign_out(earlier)
    response = redirect_to("/wall")
    auth.remember_screen(response, signed_in.token)
    return response
