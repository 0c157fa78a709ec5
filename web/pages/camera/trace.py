"""The protocol trace of a camera or of a pending device, updated live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import OK
from hub.services.devices.frame_trace import TracedFrame
from hub.wire.redaction import format_size
from web import auth, language
from web.language import N_, gettext
from web.pages.camera.layout import camera_page, get_camera
from web.pages.labels import waiting_reasons
from web.pages.layout import page, redirect_to

blueprint = Blueprint("trace", __name__, url_prefix="/cameras")

#: Exchanges shown at first, and with `?all=1`.
_FIRST_EXCHANGES = 30
_MAX_EXCHANGES = 200
#: How long a request of the script waits for new frames.
_WAIT_SECONDS = 20.0

#: The title of a frame, by its kind and direction.
_FRAME_TITLES = {
    ("request", "in"): N_("Camera request"),
    ("request", "out"): N_("Hub request"),
    ("answer", "in"): N_("Camera response"),
    ("answer", "out"): N_("Hub response"),
    ("upload", "in"): N_("Camera upload"),
    ("bad", "in"): N_("Invalid message from the camera"),
    ("part", "in"): N_("Long message from the camera (start only)"),
    ("part", "out"): N_("Long message from the hub (start only)"),
    ("ended", "in"): N_("Connection closed"),
}

#: Why connections end most often, by what the link says; the rest is shown as it is.
ENDINGS = {
    "the peer ended the connection": N_("The camera ended the connection."),
    "the peer closed the connection": N_("The camera closed the connection."),
    "the connection broke": N_("The connection was lost."),
    "no frame came in time": N_("The camera sent nothing in time."),
    "it did not read its answer in time": N_("The camera did not read the answer in time."),
    "a fault of the hub": N_("A fault of the hub: see its log."),
    "the hub stops": N_("The hub was stopped."),
}


class FrameLine(Struct, frozen=True):
    """One frame as text."""

    number: int
    of: int | None
    time: str
    direction: str
    icon: str
    what: str
    uri: str
    code: str
    is_bad: bool
    size: str
    took: str
    text: str


class TracedExchange(Struct):
    """A request, with its answer if it is known; or any other frame."""

    first: FrameLine
    answer: FrameLine | None = None


def pair_exchanges(frames: Iterable[TracedFrame]) -> list[TracedExchange]:
    """Pair each answer with its request, if both are in `frames`. Newest first."""
    found: dict[int, TracedExchange] = {}
    for frame in frames:
        exchange = None if frame.matched is None else found.get(frame.matched)
        if exchange is None:
            found[frame.number] = TracedExchange(_make_line(frame))
        else:
            exchange.answer = _make_line(frame)
    return list(reversed(found.values()))


def _make_line(frame: TracedFrame) -> FrameLine:
    zone = language.zone()
    return FrameLine(
        number=frame.number,
        of=frame.matched,
        time=f"{language.current().time(frame.at, zone)}.{frame.at % 1000:03}",
        direction=frame.direction,
        icon="plug" if frame.kind == "ended" else "right" if frame.direction == "in" else "left",
        what=gettext(
            _FRAME_TITLES.get(
                (frame.kind, frame.direction), _FRAME_TITLES["request", frame.direction]
            )
        ),
        uri=frame.uri,
        code="" if frame.code is None else str(frame.code),
        is_bad=frame.kind == "bad" or frame.code not in (None, 0, OK),
        size=format_size(frame.size) if frame.size else "",
        took=_format_duration(frame),
        text=_ending(frame.text) if frame.kind == "ended" else frame.text,
    )


def _ending(reason: str) -> str:
    return gettext(ENDINGS[reason]) if reason in ENDINGS else reason


def _format_duration(frame: TracedFrame) -> str:
    if frame.duration_ms is None:
        return ""
    if frame.duration_ms < 1000:
        return gettext("%(n)s ms") % {"n": f"{frame.duration_ms:g}"}
    return gettext("%(n)s s") % {"n": f"{frame.duration_ms / 1000:.1f}"}


class TraceView(Struct, frozen=True):
    """What the page shows first; the script continues `after` that frame."""

    exchanges: list[TracedExchange]
    has_more: bool
    after: int


def _trace_view(frames: Sequence[TracedFrame]) -> TraceView:
    everything = pair_exchanges(frames)
    most = _MAX_EXCHANGES if request.args.get("all") else _FIRST_EXCHANGES
    return TraceView(everything[:most], len(everything) > most, frames[-1].number if frames else 0)


def _read_after() -> int:
    text = request.args.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@blueprint.get("/<int:did>/trace", role="admin")
async def show_trace(did: int) -> Response:
    frames = auth.services().cameras.trace.frames(str(did))
    return await camera_page(
        "camera/trace.html",
        get_camera(did),
        news=f"/cameras/{did}/trace/news",
        shown=_trace_view(frames),
    )


@blueprint.get("/<int:did>/trace/news", role="admin")
async def news(did: int) -> Response:
    """The frames after a given one. Waits up to _WAIT_SECONDS for the first."""
    frames = await auth.services().cameras.trace.wait(str(did), _read_after(), _WAIT_SECONDS)
    return await page("camera/_exchanges.html", exchanges=pair_exchanges(frames))


@blueprint.get("/waiting/<path:sn>/trace", role="admin")
async def show_waiting_trace(sn: str) -> Response:
    hub = auth.services()
    enrolled = next((device for device in hub.cameras.devices.list() if device.sn == sn), None)
    if enrolled is not None:
        # It has been accepted in the meantime; its trace moved with it.
        return redirect_to(f"/cameras/{enrolled.did}/trace")
    frames = hub.cameras.trace.pending_frames(sn)
    waiting = hub.cameras.enrolment.last_attempt(sn)
    return await page(
        "cameras/pending_trace.html",
        sn=sn,
        reasons=waiting_reasons(waiting) if waiting else [],
        shown=_trace_view(frames),
    )


@blueprint.get("/waiting/<path:sn>/trace/news", role="admin")
async def waiting_news(sn: str) -> Response:
    frames = await auth.services().cameras.trace.wait_for_pending(sn, _read_after(), _WAIT_SECONDS)
    return await page("camera/_exchanges.html", exchanges=pair_exchanges(frames))
