"""Searching a camera's own captures by a photo (1.16). The photo is kept nowhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter, HubError
from hub.services.devices.views import DeviceView
from hub.wire.commands.dialect import PERSON_SEARCH
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.messages import Match, PersonSearch, SearchResult
from hub.wire.commands.params import check_fields
from web import auth
from web.forms.file_forms import read_file_form
from web.pages.camera.layout import camera
from web.pages.camera.photo_field import photo_fault, photo_field
from web.pages.camera.picture_urls import picture_url
from web.pages.camera.streamed_page import Parts, asking_page
from web.pages.camera.time_field import field_time, sent_time
from web.pages.labels import number_expected
from web.pages.language import gettext
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("camera_search", __name__, url_prefix="/cameras/<int:did>/search")

_THRESHOLD = field_specs(PersonSearch)["threshold"]
_USUAL_TIME = timedelta(days=1)
#: An answer may hold thousands: the best are what is looked for.
_MOST_SHOWN = 200


class Wanted(Struct, frozen=True):
    """What is looked for besides the photo, as the form has it."""

    threshold: str
    start: str
    end: str


class Shown(Struct, frozen=True):
    """A match in words."""

    score: str
    time: str
    picture: str


@blueprint.get("")
async def show_form(did: int) -> Response:
    await auth.require_role("guard")
    return await _page(camera(did), _usual())


@blueprint.post("")
async def search(did: int) -> Response:
    me = await auth.require_role("guard")
    device, hub, wanted = camera(did), auth.services(), _usual()
    try:
        form = await read_file_form(me, "photo")
        await auth.check_csrf(form.fields)
        wanted = _sent(form.fields)
        param = _param(wanted, await hub.photos.for_devices(form.file))
    except UPLOAD_ERRORS as error:
        return await _page(device, wanted, error=error)
    return await _page(device, wanted, param)


async def _page(
    device: DeviceView,
    wanted: Wanted,
    param: PersonSearch | None = None,
    *,
    error: HubError | None = None,
) -> Response:
    """The form, and with a `param` what the camera finds."""
    hub = auth.services()

    async def ask(parts: Parts) -> AsyncGenerator[str, None]:
        if param is not None:
            found = await hub.commands.person_search(device.did, param)
            yield await parts.show("camera/_matches.html", **_shown(found, device.did))

    return await asking_page(
        "camera/search.html",
        device,
        ask,
        tab="/search",
        status=error.status if error else 200,
        wanted=wanted,
        photo=photo_field(),
        threshold=_THRESHOLD,
        threshold_expected=number_expected(_THRESHOLD),
        zone_name=hub.site.zone_name(),
        seconds=PERSON_SEARCH.seconds,
        is_asked=param is not None,
        fault=_fault(error) if error else "",
    )


def _usual() -> Wanted:
    hub = auth.services()
    now = datetime.fromtimestamp(hub.now(), hub.site.zone())
    return Wanted(
        threshold=str(PERSON_SEARCH.example.threshold),
        start=field_time(now - _USUAL_TIME),
        end=field_time(now),
    )


def _sent(fields: Mapping[str, str]) -> Wanted:
    return Wanted(*(fields.get(name, "").strip() for name in ("threshold", "from", "until")))


def _param(wanted: Wanted, photo: str) -> PersonSearch:
    """Raises BadParameter that names the field."""
    given = {
        "photo": photo,
        "threshold": wanted.threshold,
        "start_time": sent_time(wanted.start),
        "end_time": sent_time(wanted.end),
    }
    return check_fields(PERSON_SEARCH, given)


def _fault(error: HubError) -> str:
    field = error.field.removeprefix("param.") if isinstance(error, BadParameter) else ""
    if field == "threshold":
        return gettext("Threshold: %(expected)s") % {"expected": number_expected(_THRESHOLD)}
    if field in ("start_time", "end_time"):
        return gettext("Enter two times, the earlier one first.")
    return photo_fault(error)


def _shown(found: SearchResult, did: str) -> dict[str, object]:
    """What the part of the page is given: the best first, of the equally good the latest."""
    matches = sorted(found.face_list, key=lambda one: (one.score or 0, one.time), reverse=True)
    return {
        "matches": [_match(one, did) for one in matches[:_MOST_SHOWN]],
        "total": max(found.total or 0, len(matches)),
        "unreadable": found.unreadable,
    }


def _match(one: Match, did: str) -> Shown:
    return Shown(
        score="" if one.score is None else gettext("%(n)s%% similar") % {"n": one.score},
        time=one.time,
        picture=picture_url(did, one.jpeg_url_face) if one.jpeg_url_face else "",
    )
