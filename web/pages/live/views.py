"""The live page: wall, event stream and camera strip; and the page of one record."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import urlencode

from msgspec import UNSET, Struct, UnsetType
from quart import Blueprint, Response, request

from hub.errors import NoSuchResource
from hub.services.devices.overview import CameraSummary
from hub.services.devices.views import DeviceView
from hub.services.people.masking import masked_record, record_has_numbers
from hub.services.records.repeat_groups import RepeatGroup, group_repeats
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.users import User
from hub.wire.uploads.records import RECORD_KINDS, Record, RecordKind
from web import auth
from web.language import gettext
from web.live_events import refuse_too_many
from web.pages.alarms.views import live_alarms
from web.pages.evidence.rows import hold_row
from web.pages.faults import seq_of
from web.pages.labels import DEVICE_STATES
from web.pages.labels import KINDS as KIND_NAMES
from web.pages.layout import page, redirect_to, wants_part
from web.pages.live.last_visit import since_last_visit
from web.pages.live.record_links import more_links, recordings_url
from web.pages.live.stream import CARDS_PER_PAGE, WallStream
from web.pages.search.record_place import RecordPlace, searched_place
from web.pages.shown.camera_names import CameraName, camera_name
from web.pages.shown.camera_rows import CameraRow, ShownState, camera_row, shown_state
from web.pages.shown.known_people import known_people, make_group_cards
from web.pages.shown.record_cards import (
    card_pictures,
    extra_fields,
    list_badge,
    make_card,
    named_pid,
    record_fields,
    shows_person,
)
from web.pages.shown.relays import RelayLink, relay_link
from web.pages.times import short_moment

blueprint = Blueprint("live", __name__)

#: Cameras shown in the strip and in the drop-down list; the rest is on the page of cameras.
_MAX_STRIP_CAMERAS = 60
_MAX_CAMERA_CHOICES = 200
#: A record is shown without the link to its neighbour if that takes longer to find.
_NEIGHBOUR_SECONDS = 0.3
#: While repeats leave the wall half empty, so many pages are read for it.
_MAX_WALL_READS = 4
#: Set by places.js: the wall has places in which cards stay.
_WALL_COOKIE = "sitehub_wall"
_STATE_ORDER = {"offline": 0, "refused": 0, "online": 1, "disabled": 2}


class WallFilter(Struct, frozen=True):
    """The filter of the wall, as its address gives it."""

    kind: RecordKind | None = None
    did: str | None = None

    @property
    def filter(self) -> RecordFilter:
        return RecordFilter(kind=self.kind, did=self.did)

    def query(
        self,
        *,
        kind: RecordKind | UnsetType | None = UNSET,
        did: str | UnsetType | None = UNSET,
        before: int | None = None,
    ) -> str:
        """The query string for this filter, with parts of it replaced."""
        pairs = {
            "kind": self.kind if kind is UNSET else kind,
            "did": self.did if did is UNSET else did,
            "before": before,
        }
        text = urlencode({key: value for key, value in pairs.items() if value})
        return f"?{text}" if text else ""


class WallCards(Struct, frozen=True):
    """The newest records first, repeats together. `next` and `is_complete`: see RecordPage."""

    groups: list[RepeatGroup]
    next: int | None
    is_complete: bool


class KindLink(Struct, frozen=True):
    text: str
    icon: str
    url: str
    chosen: bool


class CameraLink(Struct, frozen=True):
    did: str
    name: str
    state: str
    state_text: str
    #: What to say besides the name: that it is refused, since when it is offline; or "".
    note: str
    url: str
    chosen: bool

    @property
    def is_listed(self) -> bool:
        """Whether it is shown at once: it is not well."""
        return self.state in ("offline", "refused")


class WallCamera(Struct, frozen=True):
    """The camera of the filter. `note`: see CameraLink. `all_url`: the wall of all cameras."""

    row: CameraRow
    note: str
    relay: RelayLink | None
    all_url: str


class CameraStrip(Struct, frozen=True):
    """The first cameras without the chosen one: those that are not well, and the others (`well`).

    `total` counts all cameras, `others` those without the chosen one.
    """

    cameras: list[CameraLink]
    well: list[CameraLink]
    total: int
    others: int
    online: int
    offline: int
    refused: int
    waiting: int


def _read_filter() -> WallFilter:
    """The filter of this request. An unknown kind is ignored: a bookmark must not break."""
    wanted = request.args.get("kind")
    kind = next((one for one in RECORD_KINDS if one == wanted), None)
    return WallFilter(kind=kind, did=request.args.get("did") or None)


def _wall_place() -> RecordPlace:
    wall_filter = _read_filter()
    query = wall_filter.query()
    return RecordPlace(wall_filter.filter, query, f"/{query}")


def _read_seq(name: str) -> int | None:
    text = request.args.get(name)
    return seq_of(text, name) if text else None


def _kind_links(wall_filter: WallFilter) -> list[KindLink]:
    everything = KindLink(
        gettext("All"), "", "/" + wall_filter.query(kind=None), wall_filter.kind is None
    )
    return [everything] + [
        KindLink(
            gettext(KIND_NAMES[kind]),
            kind,
            "/" + wall_filter.query(kind=kind),
            wall_filter.kind == kind,
        )
        for kind in RECORD_KINDS
    ]


def _camera_link(camera: CameraSummary, wall_filter: WallFilter) -> CameraLink:
    state = shown_state(camera)
    return CameraLink(
        did=camera.did,
        name=camera.name,
        state=state,
        state_text=gettext(DEVICE_STATES[state]),
        note=_absence_note(camera, state),
        # Its page says which check fails and what to do; there is nothing new to show here.
        url=f"/cameras/{camera.did}"
        if state == "refused"
        else "/" + wall_filter.query(did=camera.did),
        chosen=camera.did == wall_filter.did,
    )


def _absence_note(camera: CameraSummary | DeviceView, state: ShownState) -> str:
    hub = auth.services()
    since = (
        hub.cameras.availability.offline_since(camera.did) if camera.state == "offline" else None
    )
    if since is None:
        return gettext("refused") if state == "refused" else ""
    moment = {"time": short_moment(since)}
    if state == "refused":
        return gettext("refused, last online %(time)s") % moment
    return gettext("offline since %(time)s") % moment


def _camera_choices(wall_filter: WallFilter) -> list[CameraLink]:
    """The first cameras, and the selected one."""
    cameras, most = auth.services().cameras.devices.overview.all(), _MAX_CAMERA_CHOICES
    shown = cameras[:most] + [one for one in cameras[most:] if one.did == wall_filter.did]
    return [_camera_link(one, wall_filter) for one in shown]


def _camera_strip(wall_filter: WallFilter) -> CameraStrip:
    """Cameras that are offline or refused come first, because they need attention."""
    cameras = auth.services().cameras.devices.overview.all()
    states: Counter[str] = Counter(shown_state(one) for one in cameras)
    others = [one for one in cameras if one.did != wall_filter.did]
    others.sort(key=lambda one: _STATE_ORDER[shown_state(one)])
    links = [_camera_link(one, wall_filter) for one in others[:_MAX_STRIP_CAMERAS]]
    return CameraStrip(
        cameras=[one for one in links if one.is_listed],
        well=[one for one in links if not one.is_listed],
        total=len(cameras),
        others=len(others),
        online=states["online"],
        offline=states["offline"],
        refused=states["refused"],
        waiting=len(auth.services().cameras.enrolment.waiting()),
    )


def _wall_camera(wall_filter: WallFilter) -> WallCamera | None:
    """None without a filter, and of a camera that is not there any more."""
    hub = auth.services()
    if wall_filter.did is None:
        return None
    try:
        device = hub.cameras.devices.get(wall_filter.did)
    except NoSuchResource:
        return None
    row = camera_row(device)
    return WallCamera(
        row,
        _absence_note(device, row.state),
        relay_link(hub, device.did),
        f"/{wall_filter.query(did=None)}",
    )


@blueprint.get("/", role="signed-in")
async def live() -> Response:
    if not auth.reaches(auth.user(), "viewer"):
        return redirect_to("/people")
    wall_filter, before = _read_filter(), _read_seq("before")
    log = auth.services().records.log
    # Read before the records: the page may have later ones, which the script skips by their seq.
    seq = log.last_seq
    found = await _read_wall(wall_filter, before)
    strip = _camera_strip(wall_filter)
    older = "" if found.next is None else "/" + wall_filter.query(before=found.next)
    return await page(
        "live/live.html",
        seq=seq,
        kind=wall_filter.kind or "",
        did=wall_filter.did or "",
        query=wall_filter.query(),
        before=before,
        cards=await make_group_cards(found.groups),
        has_places=request.cookies.get(_WALL_COOKIE) == "places",
        **await _review_values(auth.user(), wall_filter, before, found.groups),
        kinds=_kind_links(wall_filter),
        strip=strip,
        camera=_wall_camera(wall_filter),
        choices=_camera_choices(wall_filter),
        has_cameras=strip.total > 0 or seq > 0,
        newest_url="/" + wall_filter.query(),
        older_url=older,
        is_cut=not found.is_complete,
        live_alarms=await live_alarms(),
    )


async def _review_values(
    me: User, wall_filter: WallFilter, before: int | None, groups: list[RepeatGroup]
) -> dict[str, Any]:
    """What of the wall this user has seen and reviewed. `line_card`: the card below the line."""
    reviews, known = auth.services().records.reviews, auth.services().records.reviews.get(me.name)
    seqs = [group.lead.seq for group in groups]
    line = reviews.last_visit(me.name).seq
    below = next((seq for seq in seqs if seq <= line), None)
    is_whole = wall_filter == WallFilter() and before is None
    return {
        "line": line,
        "line_card": below if is_whole and seqs and below != seqs[0] else None,
        "reviewed_seqs": {seq for seq in seqs if reviews.is_reviewed(known, seq)},
        "since": await since_last_visit(me) if is_whole else None,
        "may_review": before is None and auth.reaches(me, "guard"),
    }


async def _read_wall(wall_filter: WallFilter, before: int | None) -> WallCards:
    """Read a page of the wall; more records if many of them repeat others."""
    records: list[Record] = []
    for reads in range(1, _MAX_WALL_READS + 1):
        found = await auth.services().records.log.page(
            wall_filter.filter, before=before, newest_first=True, limit=CARDS_PER_PAGE
        )
        records += found.items
        groups, before = group_repeats(records), found.next
        is_filled = len(groups) > CARDS_PER_PAGE // 2 or reads == _MAX_WALL_READS
        if is_filled or before is None or not found.is_complete:
            break
    return WallCards(groups, before, found.is_complete)


@blueprint.get("/strip", role="viewer")
async def show_strip() -> Response:
    return await page("live/_strip.html", strip=_camera_strip(_read_filter()))


@blueprint.get("/strip/camera", role="viewer")
async def show_camera() -> Response:
    wall_filter = _read_filter()
    return await page(
        "live/_camera.html", camera=_wall_camera(wall_filter), query=wall_filter.query()
    )


@blueprint.get("/notices", role="signed-in")
async def notices() -> Response:
    return await page("_notices.html")


@blueprint.get("/stream", role="signed-in")
async def stream() -> Response:
    """The events for all tabs of one browser: new cards, and what has changed."""
    if request.method == "HEAD":
        return Response(b"", content_type="text/event-stream")
    refuse_too_many(auth.actor())
    response = Response(
        WallStream(auth.user(), _read_seq("after")),
        content_type="text/event-stream",
    )
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.get("/records/<int:seq>", role="viewer")
async def record(seq: int) -> Response:
    me = auth.user()
    place = searched_place(request.args) or _wall_place()
    log = auth.services().records.log
    found = await log.get(seq)
    find = partial(log.page, place.filter, limit=1, seconds=_NEIGHBOUR_SECONDS)
    newer = await find(after=seq)
    older = await find(before=seq, newest_first=True)
    query = place.query
    people = await known_people(auth.services().people.register, [found], me)
    person = people.get(named_pid(found))
    may_see_numbers = auth.reaches(me, "admin") and record_has_numbers(found)
    is_full = may_see_numbers and request.args.get("numbers") == "full"
    if is_full:
        await auth.services().people.register.note_record_numbers_shown(seq, auth.actor())
    return await page(
        "live/_record.html" if wants_part() else "live/record.html",
        record=found,
        card=make_card(found, people),
        # As it was called then.
        camera=CameraName(
            found.device_name or found.sn, camera_name(auth.services(), found.did).url
        ),
        person=person,
        known_badge=list_badge(person.category) if person else None,
        shows_person=shows_person(found),
        pictures=card_pictures(found),
        fields=record_fields(found),
        further=extra_fields(found if is_full else masked_record(found)),
        has_hidden=may_see_numbers and not is_full,
        more=more_links(found),
        recordings=recordings_url(found),
        relay_link=relay_link(auth.services(), found.did),
        holds=[hold_row(one) for one in await auth.services().records.holds.of_record(seq)],
        close_url=place.close_url,
        newer_url=f"/records/{newer.items[0].seq}{query}" if newer.items else "",
        older_url=f"/records/{older.items[0].seq}{query}" if older.items else "",
    )
