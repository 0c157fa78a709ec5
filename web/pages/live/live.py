"""Live, the guard's home: the wall, its stream, the strip of cameras, and a record's page."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import UNSET, Struct, UnsetType
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.devices.views import DeviceView
from hub.services.records.record_log import RecordFilter
from hub.wire.uploads.records import RECORD_KINDS, RecordKind
from web import auth
from web.live_events import refuse_too_many
from web.pages.labels import DEVICE_STATES
from web.pages.labels import KINDS as KIND_NAMES
from web.pages.language import gettext
from web.pages.layout import page, wants_part
from web.pages.live.record_cards import card, fields, further_fields, shown_pictures
from web.pages.live.stream import WALL, Wall

blueprint = Blueprint("live", __name__)

#: Thousands have a page of their own: so many stand in the row, and so many in the choice.
_MOST_CHIPS = 60
_MOST_CHOICES = 200
_STATE_ORDER = {"offline": 0, "online": 1, "disabled": 2}


class View(Struct, frozen=True):
    """What the wall is narrowed to, as its address says it."""

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
        """The query of an address with this view, or with parts of it changed."""
        pairs = {
            "kind": self.kind if kind is UNSET else kind,
            "did": self.did if did is UNSET else did,
            "before": before,
        }
        text = urlencode({key: value for key, value in pairs.items() if value})
        return f"?{text}" if text else ""


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
    url: str
    chosen: bool


class Strip(Struct, frozen=True):
    """The cameras in one row, as far as they have room there; `total`: how many there are."""

    cameras: list[CameraLink]
    total: int
    online: int
    offline: int
    waiting: int


def _view() -> View:
    """The view of this request. What is no kind is no filter; a bookmark must not break."""
    wanted = request.args.get("kind")
    kind = next((one for one in RECORD_KINDS if one == wanted), None)
    return View(kind=kind, did=request.args.get("did") or None)


def _seq_argument(name: str) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadParameter("the number of a record", field=name)
    return int(text)


def _kind_links(view: View) -> list[KindLink]:
    everything = KindLink(gettext("All"), "", "/" + view.query(kind=None), view.kind is None)
    return [everything] + [
        KindLink(gettext(KIND_NAMES[kind]), kind, "/" + view.query(kind=kind), view.kind == kind)
        for kind in RECORD_KINDS
    ]


def _name(device: DeviceView) -> str:
    return device.name or device.sn


def _camera_link(device: DeviceView, view: View) -> CameraLink:
    chosen = device.did == view.did
    return CameraLink(
        did=device.did,
        name=_name(device),
        state=device.state,
        state_text=gettext(DEVICE_STATES[device.state]),
        url="/" + view.query(did=None if chosen else device.did),
        chosen=chosen,
    )


def _links(devices: list[DeviceView], view: View, most: int) -> list[CameraLink]:
    """The first of them, and the one that is chosen."""
    shown = devices[:most] + [device for device in devices[most:] if device.did == view.did]
    return [_camera_link(device, view) for device in shown]


def _choices(view: View) -> list[CameraLink]:
    devices = sorted(auth.services().devices.list(), key=lambda device: _name(device).casefold())
    return _links(devices, view, _MOST_CHOICES)


def _strip(view: View) -> Strip:
    """What is offline comes first, for that is what one must see."""
    devices = auth.services().devices.list()
    ordered = sorted(
        devices, key=lambda device: (_STATE_ORDER[device.state], _name(device).casefold())
    )
    return Strip(
        cameras=_links(ordered, view, _MOST_CHIPS),
        total=len(devices),
        online=sum(device.state == "online" for device in devices),
        offline=sum(device.state == "offline" for device in devices),
        waiting=len(auth.services().enrolment.waiting()),
    )


@blueprint.get("/")
async def live() -> Response:
    await auth.require_role("viewer")
    view, before = _view(), _seq_argument("before")
    log = auth.services().records
    # Read first: what is committed meanwhile is on the page already, and skipped by its seq.
    seq = log.last_seq
    found = await log.page(view.filter, before=before, newest_first=True, limit=WALL)
    strip = _strip(view)
    older = "" if found.next is None else "/" + view.query(before=found.items[-1].seq)
    return await page(
        "live/live.html",
        area="live",
        seq=seq,
        kind=view.kind or "",
        did=view.did or "",
        query=view.query(),
        before=before,
        cards=[card(record) for record in found.items],
        kinds=_kind_links(view),
        strip=strip,
        choices=_choices(view),
        has_cameras=strip.total > 0 or seq > 0,
        newest_url="/" + view.query(),
        older_url=older,
    )


@blueprint.get("/strip")
async def show_strip() -> Response:
    await auth.require_role("viewer")
    return await page("live/_strip.html", strip=_strip(_view()))


@blueprint.get("/notices")
async def notices() -> Response:
    await auth.require_role("viewer")
    return await page("_notices.html")


@blueprint.get("/stream")
async def stream() -> Response:
    """Cards as they come, and what changed, for every tab of one browser."""
    by = auth.actor(await auth.require_role("viewer"))
    if request.method == "HEAD":
        return Response(b"", content_type="text/event-stream")
    refuse_too_many(by)
    response = Response(Wall(by, _seq_argument("after")), content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.get("/records/<int:seq>")
async def record(seq: int) -> Response:
    await auth.require_role("viewer")
    view = _view()
    log = auth.services().records
    found = await log.get(seq)
    newer = await log.page(view.filter, after=seq, limit=1)
    older = await log.page(view.filter, before=seq, newest_first=True, limit=1)
    query = view.query()
    return await page(
        "live/_record.html" if wants_part() else "live/record.html",
        area="live",
        record=found,
        card=card(found),
        pictures=shown_pictures(found),
        fields=fields(found),
        further=further_fields(found),
        query=query,
        newer_url=f"/records/{newer.items[0].seq}{query}" if newer.items else "",
        older_url=f"/records/{older.items[0].seq}{query}" if older.items else "",
    )
