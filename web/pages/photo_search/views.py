"""Search all cameras, or some, by a photo (1.16): the form, and a result with an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, NoSuchResource, TooManyRequests
from hub.services.commands.photo_search import SearchSubject
from hub.services.photos.photos import BadPhoto
from hub.store.jobs.jobs import Job
from hub.store.people.groups import CameraGroup
from hub.wire.commands.dialect import PERSON_SEARCH
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import PersonSearch
from web import auth
from web.forms.file_forms import read_file_form
from web.language import N_, gettext
from web.pages.choices import Choice
from web.pages.device_errors import DEVICE_ERRORS, describe_device_error
from web.pages.jobs.rows import JobRow, job_row
from web.pages.jobs.views import may_cancel
from web.pages.labels import number_expected
from web.pages.layout import page, redirect_to
from web.pages.people.photo_picker import (
    PictureSource,
    chosen_photo,
    photo_picker,
    read_source,
)
from web.pages.photo_search.result import search_result
from web.pages.shown.form_fields import describe_photo_error
from web.pages.times import now_here, read_time_ms, time_field
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("photo_search", __name__, url_prefix="/search/photo")

_THRESHOLD = field_specs(PersonSearch)["threshold"]
_DEFAULT_PERIOD = timedelta(days=1)
#: The buttons that search at once: text and length. "This month" begins with the first of it.
_PERIODS = {
    "day": (N_("Last 24 hours"), timedelta(days=1)),
    "week": (N_("Last 7 days"), timedelta(days=7)),
    "month": (N_("This month"), timedelta(days=31)),
}
_RECENT = 10
_ERRORS = (*UPLOAD_ERRORS, *DEVICE_ERRORS, NoSuchResource, TooManyRequests)


class PhotoSearchQuery(Struct, frozen=True):
    """What was entered. No camera and no group: all cameras."""

    threshold: str
    start: str
    end: str
    dids: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@blueprint.get("", role="guard")
async def show_form() -> Response:
    return await _form_page(_default_form(request.args.get("did", "")), read_source(request.args))


@blueprint.post("", role="guard", check="file")
async def start() -> Response:
    form, source = _default_form(), PictureSource()
    try:
        sent = await read_file_form("photo")
        form, source = _read_form(sent.fields), read_source(sent.fields)
        subject = _subject(form)
        photo = await chosen_photo(sent.file, source)
        search = auth.services().people.photo_searches
        job = await search.start(photo, subject, auth.actor(), _chosen_cameras(form))
    except _ERRORS as error:
        return await _form_page(form, source, error)
    return redirect_to(f"/search/photo/{job.id}")


@blueprint.get("/<int:id>", role="guard")
async def result(id: int) -> Response:
    return await page("photo_search/result.html", **await _result(id))


@blueprint.get("/<int:id>/state", role="guard")
async def state(id: int) -> Response:
    """The part of the result that grows while cameras answer."""
    return await page("photo_search/_result.html", **await _result(id))


@blueprint.get("/<int:id>/photo", role="guard")
async def photo(id: int) -> Response:
    data = await auth.services().people.photo_searches.photo(id)
    response = Response(data, content_type="image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


async def _result(id: int) -> dict[str, Any]:
    found = await auth.services().people.photo_searches.result(id)
    return {
        "job": job_row(found.job),
        "found": await search_result(found),
        "may_cancel": may_cancel(found.job, auth.user()),
    }


def _default_form(did: str = "") -> PhotoSearchQuery:
    """Of the last day. `did`: the only camera to ask; "": all."""
    now = now_here()
    # Whole minutes: what is entered needs no seconds then.
    end = (now + timedelta(minutes=1)).replace(second=0)
    return PhotoSearchQuery(
        threshold=str(PERSON_SEARCH.example.threshold),
        start=time_field(end - _DEFAULT_PERIOD),
        end=time_field(end),
        dids=(did,) if did else (),
    )


def _read_form(fields: Mapping[str, str]) -> PhotoSearchQuery:
    threshold, start, end = (fields.get(name, "").strip() for name in ("threshold", "from", "to"))
    if (quick := fields.get("period")) in _PERIODS:
        start, end = _quick_period(quick)
    if fields.get("where") != "some":
        return PhotoSearchQuery(threshold, start, end)
    dids = (name.removeprefix("did-") for name in fields if name.startswith("did-"))
    groups = (name.removeprefix("group-") for name in fields if name.startswith("group-"))
    return PhotoSearchQuery(threshold, start, end, tuple(dids), tuple(groups) or ("",))


def _quick_period(name: str) -> tuple[str, str]:
    """A period up to now that has a button of its own, as the fields of a form have it."""
    now = now_here()
    begin = now - _PERIODS[name][1]
    if name == "month":
        begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return time_field(begin), time_field(now)


def _subject(form: PhotoSearchQuery) -> SearchSubject:
    """What to search. Raises BadParameter that names the field."""
    since, until = read_time_ms(form.start, "from"), read_time_ms(form.end, "to")
    if since is None or until is None or since > until:
        raise BadParameter("two times are expected, the earlier one first", field="from")
    text, least, most = form.threshold, _THRESHOLD.least or 0, _THRESHOLD.most or 0
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and least <= int(text) <= most):
        raise BadParameter("a percentage is expected", field="threshold")
    return SearchSubject(int(text), since, until)


def _chosen_cameras(form: PhotoSearchQuery) -> Sequence[str] | None:
    """The cameras to ask; None for all. Raises BadParameter if none of some are chosen."""
    if not form.dids and not form.groups:
        return None
    chosen = [one for one in _groups() if str(one.id) in form.groups]
    dids = dict.fromkeys((*form.dids, *(did for one in chosen for did in one.dids)))
    if not dids:
        raise BadParameter("at least one camera is expected", field="dids")
    return list(dids)


def _groups() -> tuple[CameraGroup, ...]:
    return auth.services().people.groups.list()


async def _form_page(
    form: PhotoSearchQuery, source: PictureSource, error: HubError | None = None
) -> Response:
    hub = auth.services()
    devices = sorted(hub.cameras.devices.list(), key=lambda one: (one.name or one.sn).casefold())
    return await page(
        "photo_search/search.html",
        status=error.status if error else 200,
        form=form,
        is_some=bool(form.dids or form.groups),
        photo=await photo_picker(source),
        cameras=[Choice(f"did-{d.did}", d.name or d.sn, d.did in form.dids) for d in devices],
        groups=[Choice(f"group-{g.id}", g.name, str(g.id) in form.groups) for g in _groups()],
        periods=[Choice(name, gettext(text), False) for name, (text, _) in _PERIODS.items()],
        threshold=_THRESHOLD,
        threshold_expected=number_expected(_THRESHOLD),
        zone_name=hub.core.site.zone_name(),
        recent=await _recent(),
        fault=_describe(error) if error else "",
        is_sent=error is not None,
    )


async def _recent() -> list[JobRow]:
    """The last searches, whose results can still be opened."""
    found: Sequence[Job] = await auth.services().jobs.list("search", limit=_RECENT)
    return [job_row(job) for job in found]


def _describe(error: HubError) -> str:
    match error:
        case BadPhoto():
            return describe_photo_error(error)
        case BadParameter(field="threshold"):
            return gettext("Threshold: %(expected)s") % {"expected": number_expected(_THRESHOLD)}
        case BadParameter(field="dids"):
            return gettext("Choose at least one camera.")
        case BadParameter() if error.field in ("from", "to", "start_time", "end_time"):
            return gettext("Enter two times, the earlier one first.")
        case TooManyRequests():
            return gettext("Too many jobs of this kind are running. Wait until one has finished.")
        case NoSuchResource():
            return gettext("The picture no longer exists. Choose a photo.")
    if isinstance(error, DEVICE_ERRORS):
        return describe_device_error(error)
    return describe_photo_error(error)
