"""What a camera has captured itself: faces (1.10) and people (1.11), with their pictures."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.commands.paging import DeviceList
from hub.wire import code_tables
from hub.wire.commands.dialect import FACE_HISTORY, PERSON_HISTORY
from hub.wire.commands.messages import FaceCapture, FaceHistory, PersonCapture, PersonHistory
from hub.wire.commands.params import check_fields
from web import auth
from web.pages import language
from web.pages.camera.layout import camera, camera_page
from web.pages.camera.paged_list import listed, place_of
from web.pages.camera.people.filters import FILTERS, filter_fault, filters_sent, shown_filters
from web.pages.camera.picture_urls import picture_url
from web.pages.camera.streamed_page import Parts, asking_page
from web.pages.camera.time_field import sent_time
from web.pages.language import N_, gettext

blueprint = Blueprint("camera_captures", __name__, url_prefix="/cameras/<int:did>/captures")

Kind = Literal["faces", "people"]

_PAGE, _TAB = "camera/captures.html", "/captures"


class Link(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


class Picture(Struct, frozen=True):
    url: str
    text: str


class Shown(Struct, frozen=True):
    """A capture in words; `pictures` are the other ones, `picture` the one that is shown."""

    title: str
    time: str
    facts: str
    picture: Picture | None
    pictures: tuple[Picture, ...]


class Asked(Struct, frozen=True):
    """What is looked for, as the form has it."""

    kind: Kind
    start: str
    end: str
    filters: Mapping[str, str]

    def pairs(self, **changed: str) -> dict[str, str]:
        """What stands in the address for this, or for a part of it changed."""
        pairs = {
            "kind": self.kind,
            "from": self.start,
            "until": self.end,
            **self.filters,
            **changed,
        }
        # 1.11 knows no filters.
        unknown = FILTERS if pairs["kind"] == "people" else ()
        return {name: value for name, value in pairs.items() if name not in unknown}

    def query(self, **changed: str) -> str:
        return "?" + urlencode(self.pairs(**changed))


@blueprint.get("")
async def captures(did: int) -> Response:
    await auth.require_role("guard")
    device, hub = camera(did), auth.services()
    now = datetime.fromtimestamp(hub.now(), hub.site.zone())
    asked = _asked(request.args, now)
    place, is_faces = place_of(request.args), asked.kind == "faces"
    page: dict[str, Any] = {
        "kind": asked.kind,
        "kinds": _kinds(asked),
        "ranges": _ranges(asked, now),
        "start": asked.start,
        "end": asked.end,
        "filters": shown_filters(FaceHistory, asked.filters) if is_faces else (),
        "is_filtered": bool(asked.filters),
        "is_first": place.page is None,
        "first_url": asked.query(),
    }
    try:
        param = _param(asked, place.page)
    except BadParameter as error:
        return await camera_page(_PAGE, device, tab=_TAB, status=400, fault=_fault(error), **page)

    def pages() -> DeviceList[Any]:
        if isinstance(param, FaceHistory):
            return hub.commands.face_history(device.did, param, left=place.left)
        return hub.commands.person_history(device.did, param, left=place.left)

    def ask(parts: Parts) -> AsyncGenerator[str, None]:
        return listed(
            parts,
            pages,
            lambda row: _shown(row, device.did),
            "camera/_captures.html",
            "camera/_captures_end.html",
            query=asked.pairs(),
            is_first=place.page is None,
        )

    return await asking_page(_PAGE, device, ask, tab=_TAB, **page)


def _asked(args: Mapping[str, str], now: datetime) -> Asked:
    kind: Kind = "people" if args.get("kind") == "people" else "faces"
    return Asked(
        kind=kind,
        start=args.get("from", "").strip() or f"{now:%Y-%m-%d}T00:00:00",
        end=args.get("until", "").strip() or f"{now:%Y-%m-%d}T23:59:59",
        filters=filters_sent(args) if kind == "faces" else {},
    )


def _param(asked: Asked, page: int | None) -> FaceHistory | PersonHistory:
    """Raises BadParameter that names the field."""
    given: dict[str, Any] = {
        "start_time": sent_time(asked.start),
        "end_time": sent_time(asked.end),
        "page_num": page,
        **asked.filters,
    }
    if asked.kind == "faces":
        return check_fields(FACE_HISTORY, given)
    return check_fields(PERSON_HISTORY, given)


def _fault(error: BadParameter) -> str:
    field = error.field.removeprefix("param.")
    if field in ("start_time", "end_time"):
        return gettext("Enter two times, the earlier one first.")
    return filter_fault(FaceHistory, field)


def _kinds(asked: Asked) -> list[Link]:
    return [
        Link(asked.query(kind="faces"), gettext("Faces"), asked.kind == "faces"),
        Link(asked.query(kind="people"), gettext("Pedestrians"), asked.kind == "people"),
    ]


def _ranges(asked: Asked, now: datetime) -> list[Link]:
    """The times that one asks for most, up to the end of their last day."""
    days = (
        (0, 0, N_("Today")),
        (1, 1, N_("Yesterday")),
        (6, 0, N_("7 days")),
        (29, 0, N_("30 days")),
    )
    links = []
    for first, last, text in days:
        start = f"{now - timedelta(days=first):%Y-%m-%d}T00:00:00"
        end = f"{now - timedelta(days=last):%Y-%m-%d}T23:59:59"
        url = asked.query(**{"from": start, "until": end})
        links.append(Link(url, gettext(text), (asked.start, asked.end) == (start, end)))
    return links


def _shown(one: FaceCapture | PersonCapture, did: str) -> Shown:
    pictures = [
        Picture(picture_url(did, path), gettext(text))
        for path, text in (
            (one.jpeg_url_face, N_("Face")),
            (one.jpeg_url_body, N_("Body")),
            (one.jpeg_url_frame, N_("Scene")),
        )
        if path
    ]
    return Shown(
        title=(one.name or gettext("Stranger")) if isinstance(one, FaceCapture) else "",
        time=one.time,
        facts=" · ".join(_facts(one)) if isinstance(one, FaceCapture) else "",
        picture=pictures[0] if pictures else None,
        pictures=tuple(pictures),
    )


def _facts(one: FaceCapture) -> list[str]:
    facts = []
    if one.similarity:
        facts.append(gettext("%(n)s%% similar") % {"n": one.similarity})
    if one.gender in (1, 2):
        facts.append(code_tables.gender_name(one.gender, language.current().code))
    if one.age is not None and one.age > 0:
        facts.append(gettext("%(n)s years old") % {"n": one.age})
    return facts
