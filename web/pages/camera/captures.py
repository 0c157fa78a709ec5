"""The captures stored on a camera: faces (1.10) and people (1.11), with their pictures."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.commands.newest_first import CapturePart, NewestFirst, OlderCaptures
from hub.services.commands.paging import DeviceList
from hub.store.people.person_rows import PersonName
from hub.wire import code_tables
from hub.wire.commands.answers import FaceCapture, PersonCapture
from hub.wire.commands.dialect import FACE_HISTORY, PERSON_HISTORY
from hub.wire.commands.param_structs import FaceHistory, PersonHistory
from hub.wire.commands.params import check_fields
from web import auth, language
from web.language import N_, gettext
from web.pages.camera.layout import camera_page, device_picture_url, get_camera
from web.pages.camera.paged_list import next_query, read_position, stream_list
from web.pages.camera.people.filters import (
    FILTERS,
    describe_filter_error,
    filter_fields,
    may_ask_by_numbers,
    read_filters,
)
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.shown.form_fields import parse_time_field
from web.pages.shown.known_people import make_recognised, recognised_people
from web.pages.shown.record_cards import KnownAs, ListBadge
from web.pages.times import now_here

blueprint = Blueprint("camera_captures", __name__, url_prefix="/cameras/<int:did>/captures")

CaptureKind = Literal["faces", "people"]

#: Of the seconds and rows in the address of a page.
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_PAGE = "camera/captures.html"


class CaptureFilterLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


class CapturePicture(Struct, frozen=True):
    url: str
    text: str


class CaptureCard(Struct, frozen=True):
    """A capture as text. `picture` is shown large; `pictures` has all of them."""

    title: str
    badge: ListBadge | None
    known_as: KnownAs | None
    time: str
    facts: str
    picture: CapturePicture | None
    pictures: tuple[CapturePicture, ...]


class CaptureQuery(Struct, frozen=True):
    """The search form: kind, period and filters."""

    kind: CaptureKind
    start: str
    end: str
    filters: Mapping[str, str]

    def pairs(self, **changed: str) -> dict[str, str]:
        """The query parameters of this search, with `changed` ones replaced."""
        pairs = {
            "kind": self.kind,
            "from": self.start,
            "until": self.end,
            **self.filters,
            **changed,
        }
        # 1.11 has no filters.
        unknown = FILTERS if pairs["kind"] == "people" else ()
        return {name: value for name, value in pairs.items() if name not in unknown}

    def query(self, **changed: str) -> str:
        return "?" + urlencode(self.pairs(**changed))


@blueprint.get("", role="guard")
async def captures(did: int) -> Response:
    device, hub = get_camera(did), auth.services()
    sees_numbers = may_ask_by_numbers(auth.user(), device)
    now = now_here()
    query = _read_query(request.args, now, sees_numbers=sees_numbers)
    position, is_faces = read_position(request.args), query.kind == "faces"
    older = _read_older(request.args)
    page: dict[str, Any] = {
        "kind": query.kind,
        "kinds": _kind_links(query),
        "ranges": _range_links(query, now),
        "start": query.start,
        "end": query.end,
        "filters": filter_fields(FaceHistory, query.filters, sees_numbers=sees_numbers)
        if is_faces
        else (),
        "is_filtered": bool(query.filters),
        "is_first": position.page is None and older is None,
        "first_url": query.query(),
    }
    try:
        param = _make_param(query, position.page)
    except BadParameter as error:
        return await camera_page(_PAGE, device, status=400, fault=_describe_error(error), **page)

    def pages(param: FaceHistory | PersonHistory) -> DeviceList[Any]:
        if isinstance(param, FaceHistory):
            return hub.cameras.commands.face_history(device.did, param, left=position.left)
        return hub.cameras.commands.person_history(device.did, param, left=position.left)

    def ask_span(start: datetime, end: datetime) -> DeviceList[Any]:
        span = replace(param, start_time=_wire_time(start), end_time=_wire_time(end))
        return pages(span)

    async def make_cards(
        rows: Sequence[FaceCapture | PersonCapture],
    ) -> Sequence[CaptureCard]:
        people = await recognised_people(hub.people.register, rows)
        return [_make_card(row, device.did, people) for row in rows]

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        start, end = _parse_time(param.start_time), _parse_time(param.end_time)
        # The clock of a camera may be ahead.
        latest = now.replace(tzinfo=None, microsecond=0) + timedelta(hours=1)
        newest = NewestFirst(ask_span, start, end, latest=latest)
        part = await (newest.first() if older is None else newest.older(older))
        yield await renderer.render("camera/_captures.html", rows=await make_cards(part.rows))
        yield await renderer.render(
            "camera/_captures_end.html",
            total=part.total,
            read=part.read,
            unreadable=part.unreadable,
            is_first=older is None,
            more=_next_query(part, query),
        )

    def ask_on(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        """The next pages of a camera that lists the newest first itself."""
        return stream_list(
            renderer,
            lambda: pages(param),
            make_cards,
            "camera/_captures.html",
            "camera/_captures_end.html",
            query=query.pairs(),
            is_first=False,
        )

    chosen = ask if position.page is None else ask_on
    return await streamed_camera_page(_PAGE, device, chosen, **page)


def _read_older(args: Mapping[str, str]) -> OlderCaptures | None:
    """Where the page begins, as `_next_query` wrote it; None at the newest captures."""
    numbers = [args.get(name, "") for name in ("seconds", "read", "total")]
    if not all(_NUMBER.fullmatch(text) for text in numbers[:2]):
        return None
    try:
        before = _parse_time(parse_time_field(args.get("before", "")))
    except ValueError:
        return None
    total = int(numbers[2]) if _NUMBER.fullmatch(numbers[2]) else None
    return OlderCaptures(before, int(numbers[0]), int(numbers[1]), total)


def _next_query(part: CapturePart[Any], query: CaptureQuery) -> str:
    """The query string of the next page; empty at the end of the list."""
    if part.page is not None and part.left is not None:
        return next_query(part.page, part.left, query.pairs())
    if part.older is None:
        return ""
    older = {
        "before": f"{part.older.before:%Y-%m-%dT%H:%M:%S}",
        "seconds": str(part.older.seconds),
        "read": str(part.older.read),
        "total": "" if part.older.total is None else str(part.older.total),
    }
    return "?" + urlencode({**query.pairs(), **older})


def _wire_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _parse_time(text: str) -> datetime:
    """A local time as 1.10 has it. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def _read_query(args: Mapping[str, str], now: datetime, *, sees_numbers: bool) -> CaptureQuery:
    kind: CaptureKind = "people" if args.get("kind") == "people" else "faces"
    return CaptureQuery(
        kind=kind,
        start=args.get("from", "").strip() or f"{now:%Y-%m-%d}T00:00:00",
        end=args.get("until", "").strip() or f"{now:%Y-%m-%d}T23:59:59",
        filters=read_filters(args, sees_numbers=sees_numbers) if kind == "faces" else {},
    )


def _make_param(query: CaptureQuery, page: int | None) -> FaceHistory | PersonHistory:
    """Check the query. Raises BadParameter that names the field."""
    given: dict[str, Any] = {
        "start_time": parse_time_field(query.start),
        "end_time": parse_time_field(query.end),
        "page_num": page,
        **query.filters,
    }
    if query.kind == "faces":
        return check_fields(FACE_HISTORY, given)
    return check_fields(PERSON_HISTORY, given)


def _describe_error(error: BadParameter) -> str:
    field = error.field.removeprefix("param.")
    if field in ("start_time", "end_time"):
        return gettext("Enter two times, the earlier one first.")
    return describe_filter_error(FaceHistory, field)


def _kind_links(query: CaptureQuery) -> list[CaptureFilterLink]:
    return [
        CaptureFilterLink(query.query(kind="faces"), gettext("Faces"), query.kind == "faces"),
        CaptureFilterLink(
            query.query(kind="people"), gettext("Pedestrians"), query.kind == "people"
        ),
    ]


def _range_links(query: CaptureQuery, now: datetime) -> list[CaptureFilterLink]:
    """Links to common periods; each ends at the end of its last day."""
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
        url = query.query(**{"from": start, "until": end})
        links.append(
            CaptureFilterLink(url, gettext(text), (query.start, query.end) == (start, end))
        )
    return links


def _make_card(
    capture: FaceCapture | PersonCapture, did: str, people: Mapping[str, PersonName]
) -> CaptureCard:
    person = make_recognised(capture, people)
    pictures = [
        CapturePicture(device_picture_url(did, path), gettext(text))
        for path, text in (
            (capture.jpeg_url_face, N_("Face")),
            (capture.jpeg_url_body, N_("Body")),
            (capture.jpeg_url_frame, N_("Scene")),
        )
        if path
    ]
    return CaptureCard(
        title=person.name or (gettext("Stranger") if isinstance(capture, FaceCapture) else ""),
        badge=person.badge,
        known_as=person.known_as,
        time=language.current().camera_time(capture.time),
        facts=" · ".join(_list_facts(capture)) if isinstance(capture, FaceCapture) else "",
        picture=pictures[0] if pictures else None,
        pictures=tuple(pictures),
    )


def _list_facts(capture: FaceCapture) -> list[str]:
    facts = []
    if capture.similarity:
        facts.append(gettext("%(n)s%% match") % {"n": capture.similarity})
    if capture.gender in (1, 2):
        facts.append(code_tables.gender_name(capture.gender, language.current().code))
    if capture.age is not None and capture.age > 0:
        facts.append(gettext("%(n)s years old") % {"n": capture.age})
    return facts
