"""The trace of a camera, and of one that waits: what it and the hub say, as it happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import OK
from hub.services.devices.frame_trace import Frame
from hub.wire.redaction import format_size
from web import auth
from web.pages import language
from web.pages.camera.layout import camera, camera_page
from web.pages.labels import waiting_reasons
from web.pages.language import N_, gettext
from web.pages.layout import go, page

blueprint = Blueprint("trace", __name__, url_prefix="/cameras")

#: Exchanges on the page at first, and in all.
_AT_FIRST = 30
_MOST = 200
#: A script asks for what comes next, and is answered within so many seconds.
_WAIT_SECONDS = 20.0

#: What a frame is, by its kind and direction.
_WHAT = {
    ("request", "in"): N_("Camera request"),
    ("request", "out"): N_("Hub request"),
    ("answer", "in"): N_("Camera response"),
    ("answer", "out"): N_("Hub response"),
    ("upload", "in"): N_("Camera upload"),
    ("bad", "in"): N_("Invalid frame from the camera"),
    ("part", "in"): N_("Long frame from the camera (start only)"),
    ("part", "out"): N_("Long frame from the hub (start only)"),
    ("ended", "in"): N_("Connection closed"),
}


class Line(Struct, frozen=True):
    """One frame in words."""

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


class Exchange(Struct):
    """A request and its answer, as far as both are here; or what stands alone."""

    first: Line
    answer: Line | None = None


def exchanges(frames: Iterable[Frame]) -> list[Exchange]:
    """The newest first; an answer stands with its request, where that is among them."""
    found: dict[int, Exchange] = {}
    for frame in frames:
        asked = None if frame.matched is None else found.get(frame.matched)
        if asked is None:
            found[frame.number] = Exchange(_line(frame))
        else:
            asked.answer = _line(frame)
    return list(reversed(found.values()))


def _line(frame: Frame) -> Line:
    zone = auth.services().site.zone()
    return Line(
        number=frame.number,
        of=frame.matched,
        time=f"{language.current().time(frame.at, zone)}.{frame.at % 1000:03}",
        direction=frame.direction,
        icon="plug" if frame.kind == "ended" else "right" if frame.direction == "in" else "left",
        what=gettext(_WHAT.get((frame.kind, frame.direction), _WHAT["request", frame.direction])),
        uri=frame.uri,
        code="" if frame.code is None else str(frame.code),
        is_bad=frame.kind == "bad" or frame.code not in (None, 0, OK),
        size=format_size(frame.size) if frame.size else "",
        took=_took(frame),
        text=frame.text,
    )


def _took(frame: Frame) -> str:
    if frame.duration_ms is None:
        return ""
    if frame.duration_ms < 1000:
        return gettext("%(n)s ms") % {"n": f"{frame.duration_ms:g}"}
    return gettext("%(n)s s") % {"n": f"{frame.duration_ms / 1000:.1f}"}


class Shown(Struct, frozen=True):
    """What the page shows at first; a script goes on `after` that frame."""

    exchanges: list[Exchange]
    has_more: bool
    after: int


def _shown(frames: Sequence[Frame]) -> Shown:
    everything = exchanges(frames)
    most = _MOST if request.args.get("all") else _AT_FIRST
    return Shown(everything[:most], len(everything) > most, frames[-1].number if frames else 0)


def _after() -> int:
    text = request.args.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@blueprint.get("/<int:did>/trace")
async def show_trace(did: int) -> Response:
    await auth.require_role("admin")
    frames = auth.services().trace.frames(str(did))
    return await camera_page(
        "camera/trace.html",
        camera(did),
        tab="/trace",
        news=f"/cameras/{did}/trace/news",
        shown=_shown(frames),
    )


@blueprint.get("/<int:did>/trace/news")
async def news(did: int) -> Response:
    """What comes after a frame: at once where there is something, else as soon as it comes."""
    await auth.require_role("admin")
    frames = await auth.services().trace.wait(str(did), _after(), _WAIT_SECONDS)
    return await page("camera/_exchanges.html", exchanges=exchanges(frames))


@blueprint.get("/waiting/<path:sn>/trace")
async def show_waiting_trace(sn: str) -> Response:
    await auth.require_role("admin")
    hub = auth.services()
    enrolled = next((device for device in hub.devices.list() if device.sn == sn), None)
    if enrolled is not None:
        # It was accepted meanwhile, and its trace came along.
        return go(f"/cameras/{enrolled.did}/trace")
    frames = hub.trace.waiting_frames(sn)
    waiting = next((one for one in hub.enrolment.waiting() if one.sn == sn), None)
    return await page(
        "cameras/waiting_trace.html",
        area="cameras",
        sn=sn,
        reasons=waiting_reasons(waiting) if waiting else [],
        shown=_shown(frames),
    )


@blueprint.get("/waiting/<path:sn>/trace/news")
async def waiting_news(sn: str) -> Response:
    await auth.require_role("admin")
    frames = await auth.services().trace.wait_for_waiting(sn, _after(), _WAIT_SECONDS)
    return await page("camera/_exchanges.html", exchanges=exchanges(frames))
