"""Search a camera's captures by photo (1.16), or ask it whom a photo shows (D12).

The photo is not stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from datetime import timedelta

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter, CannotStoreNow, HubError, TooManyRequests
from hub.services.camera_functions.who_is import FoundPerson, who_is
from hub.services.devices.views import DeviceView
from hub.services.people.register import PeopleRegister
from hub.store.people.person_rows import PersonName
from hub.wire.commands.answers import Match, SearchResult
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.dialect import PERSON_SEARCH
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import PersonSearch
from hub.wire.commands.params import check_fields
from web import auth, language
from web.forms.file_forms import read_file_form
from web.language import gettext
from web.pages.camera.layout import device_picture_url, get_camera
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.labels import number_expected
from web.pages.shown.form_fields import (
    describe_photo_error,
    parse_time_field,
    photo_field,
)
from web.pages.shown.known_people import (
    RecognisedView,
    make_recognised,
    people_named,
    recognised_people,
    recognised_view,
)
from web.pages.times import now_here, time_field
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("camera_search", __name__, url_prefix="/cameras/<int:did>/search")

_THRESHOLD = field_specs(PersonSearch)["threshold"]
_DEFAULT_PERIOD = timedelta(days=1)
#: An answer may have thousands of matches; only the best are shown.
_MAX_SHOWN = 200


class PhotoSearchForm(Struct, frozen=True):
    """The fields of the search form apart from the photo."""

    threshold: str
    start: str
    end: str


class MatchCard(Struct, frozen=True):
    """A match as text."""

    score: str
    time: str
    picture: str
    person: RecognisedView


@blueprint.get("", role="guard")
async def show_form(did: int) -> Response:
    return await _search_page(get_camera(did), _default_form())


@blueprint.post("", role="guard", check="file")
async def search(did: int) -> Response:
    device, hub, sent = get_camera(did), auth.services(), _default_form()
    try:
        form = await read_file_form("photo")
        sent = _read_form(form.fields)
        photo = await hub.cameras.photos.for_devices(form.file)
        if form.fields.get("who") and _may_ask_who(device):
            return await _search_page(device, sent, who=photo)
        param = _make_param(sent, photo)
    except UPLOAD_ERRORS as error:
        return await _search_page(device, sent, error=error)
    return await _search_page(device, sent, param)


async def _search_page(
    device: DeviceView,
    sent: PhotoSearchForm,
    param: PersonSearch | None = None,
    *,
    who: str = "",
    error: HubError | None = None,
) -> Response:
    """Render the form and what the camera answers.

    `param`: find captures; `who`: a photo of which to ask whom it shows.
    """
    hub = auth.services()

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        if param is not None:
            found = await hub.cameras.commands.person_search(device.did, param)
            people = await recognised_people(hub.people.register, found.face_list)
            values = _list_matches(found, device.did, people)
            yield await renderer.render("camera/_matches.html", **values)
        if who:
            person = await who_is(hub.cameras.commands, device.did, who)
            yield await renderer.render(
                "camera/_who.html", **await _make_who(hub.people.register, device.did, person)
            )

    return await streamed_camera_page(
        "camera/search.html",
        device,
        ask,
        status=error.status if error else 200,
        sent=sent,
        photo=photo_field(),
        threshold=_THRESHOLD,
        threshold_expected=number_expected(_THRESHOLD),
        zone_name=hub.core.site.zone_name(),
        seconds=PERSON_SEARCH.seconds,
        is_asked=param is not None or bool(who),
        may_ask_who=_may_ask_who(device),
        fault=_describe_error(error) if error else "",
    )


def _may_ask_who(device: DeviceView) -> bool:
    return may_know(auth.services().cameras.capabilities.of(device.did), "people")


async def _make_who(
    register: PeopleRegister, did: str, found: FoundPerson | None
) -> dict[str, object]:
    """Values for the template; no `who` if the camera knows nobody like that."""
    if found is None:
        return {"who": None}
    pid = found.person.pid if found.person else ""
    category = found.person.category if found.person else None
    people: Mapping[str, PersonName] = {}
    with suppress(CannotStoreNow, TooManyRequests):
        people = await people_named(register, [pid])
    return {
        "who": recognised_view(found.name, pid, category, people),
        "picture": device_picture_url(did, found.picture) if found.picture else "",
        "url": f"/cameras/{did}/people/{pid}" if pid.isdigit() else "",
    }


def _default_form() -> PhotoSearchForm:
    now = now_here()
    return PhotoSearchForm(
        threshold=str(PERSON_SEARCH.example.threshold),
        start=time_field(now - _DEFAULT_PERIOD),
        end=time_field(now),
    )


def _read_form(fields: Mapping[str, str]) -> PhotoSearchForm:
    return PhotoSearchForm(
        *(fields.get(name, "").strip() for name in ("threshold", "from", "until"))
    )


def _make_param(sent: PhotoSearchForm, photo: str) -> PersonSearch:
    """Check the form. Raises BadParameter that names the field."""
    given = {
        "photo": photo,
        "threshold": sent.threshold,
        "start_time": parse_time_field(sent.start),
        "end_time": parse_time_field(sent.end),
    }
    return check_fields(PERSON_SEARCH, given)


def _describe_error(error: HubError) -> str:
    field = error.field.removeprefix("param.") if isinstance(error, BadParameter) else ""
    if field == "threshold":
        return gettext("Threshold: %(expected)s") % {"expected": number_expected(_THRESHOLD)}
    if field in ("start_time", "end_time"):
        return gettext("Enter two times, the earlier one first.")
    return describe_photo_error(error)


def _list_matches(
    found: SearchResult, did: str, people: Mapping[str, PersonName]
) -> dict[str, object]:
    """Values for the template: best matches first, then latest first."""
    matches = sorted(
        found.face_list, key=lambda match: (match.score or 0, match.time), reverse=True
    )
    return {
        "matches": [_make_card(match, did, people) for match in matches[:_MAX_SHOWN]],
        "total": max(found.total or 0, len(matches)),
        "unreadable": found.unreadable,
    }


def _make_card(match: Match, did: str, people: Mapping[str, PersonName]) -> MatchCard:
    return MatchCard(
        score="" if match.score is None else gettext("%(n)s%% match") % {"n": match.score},
        time=language.current().camera_time(match.time),
        picture=device_picture_url(did, match.jpeg_url_face) if match.jpeg_url_face else "",
        person=make_recognised(match, people),
    )
