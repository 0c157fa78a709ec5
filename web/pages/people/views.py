"""The people of the site: the list, one person, and their photo."""

from __future__ import annotations

import re
from contextlib import suppress

from quart import Blueprint, Response, request

from hub.errors import BadParameter, NoSuchPath, TooManyRequests
from hub.services.people.masking import has_numbers, masked
from hub.store.people.person_rows import Person
from hub.store.records.record_filter import RecordFilter
from hub.wire.commands.param_structs import MAX_PID
from hub.wire.uploads.records import Record
from web import auth
from web.pages.actors import actor_text
from web.pages.layout import page, redirect_to, wants_part
from web.pages.people.camera_bars import camera_bars
from web.pages.people.cameras_of_person import cameras_of_person, undecided_cameras
from web.pages.people.people_list import category_options, group_options, people_list, read_query
from web.pages.people.rows import person_facts, photo_url, validity_text, where_text
from web.pages.shown.known_people import make_cards
from web.pages.shown.links import of_person
from web.pages.shown.record_cards import list_badge

blueprint = Blueprint("people", __name__, url_prefix="/people")

_PID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
#: Of a person's last sightings.
_MAX_SIGHTINGS = 12


def check_pid(pid: str) -> str:
    """Return the pid. Raises NoSuchPath if it is none."""
    if not _PID.fullmatch(pid) or int(pid) > MAX_PID:
        raise NoSuchPath
    return pid


@blueprint.get("", role="register")
async def people() -> Response:
    return await list_page()


async def list_page(fault: str = "") -> Response:
    """The page of the list that the address asks for."""
    hub, query = auth.services(), read_query(request.args)
    sees_numbers = auth.reaches(auth.user(), "people")
    return await page(
        "people/people.html",
        status=400 if fault else 200,
        fault=fault,
        people=await people_list(query, sees_numbers=sees_numbers),
        query=query,
        categories=category_options(),
        groups=group_options(),
        has_people=query.is_filtered or await hub.people.register.count() > 0,
        has_cameras=hub.cameras.devices.overview.count > 0,
        undecided=undecided_cameras(),
    )


@blueprint.get("/table", role="register")
async def table() -> Response:
    sees_numbers = auth.reaches(auth.user(), "people")
    found = await people_list(read_query(request.args), sees_numbers=sees_numbers)
    return await page("people/_people.html", people=found)


@blueprint.get("/<pid>", role="register")
async def person(pid: str) -> Response:
    hub = auth.services()
    found = await hub.people.register.get(check_pid(pid))
    # Numbers are shown in full to who keeps the register and asks for it, which is logged.
    is_full = request.args.get("numbers") == "full" and auth.reaches(auth.user(), "people")
    if is_full:
        await hub.people.register.note_numbers_shown([found], auth.actor())
    sees_records = auth.reaches(auth.user(), "viewer")
    groups = {group.id: group for group in hub.people.groups.list()}
    return await page(
        "people/person.html",
        person=found,
        photo=photo_url(found),
        badge=list_badge(found.category),
        where=where_text(found, groups),
        validity=validity_text(found),
        facts=person_facts(found if is_full else masked(found)),
        has_hidden=not is_full and has_numbers(found),
        changed_by=actor_text(found.changed_by),
        cameras=await cameras_of_person(found.pid),
        search_url=of_person(found.pid),
        sightings=await make_cards(await _sightings(found)) if sees_records else [],
        sighting_count=await _count_sightings(found) if sees_records else None,
    )


@blueprint.get("/cameras", role="register")
async def all_cameras() -> Response:
    """How far each camera is; as a part of a page, its rows alone."""
    template = "people/_all_cameras.html" if wants_part() else "people/all_cameras.html"
    return await page(template, rows=await camera_bars())


@blueprint.get("/undecided", role="register")
async def undecided() -> Response:
    return await page("people/_undecided.html", undecided=undecided_cameras())


@blueprint.get("/<pid>/cameras", role="register")
async def cameras(pid: str) -> Response:
    """The part of a person's page that follows the sync."""
    found = await auth.services().people.register.get(check_pid(pid))
    return await page(
        "people/_cameras.html", cameras=await cameras_of_person(found.pid), person=found
    )


@blueprint.post("/<pid>/retry", role="register")
async def retry(pid: str) -> Response:
    """Have all cameras try this person again."""
    await auth.services().people.sync.retry(None, check_pid(pid), by=auth.actor())
    return redirect_to(f"/people/{pid}?done=people-retried")


@blueprint.get("/<pid>/photo", role="register")
async def photo(pid: str) -> Response:
    """The photo as cameras are given it. Its address names the revision, so it may be kept."""
    data = await auth.services().people.register.photo(check_pid(pid))
    response = Response(data, content_type="image/jpeg")
    age = "max-age=31536000, immutable" if request.args.get("r") else "no-cache"
    response.headers["Cache-Control"] = f"private, {age}"
    return response


async def _sightings(found: Person) -> tuple[Record, ...]:
    """The last records that name the person."""
    log = auth.services().records.log
    newest = await log.page(RecordFilter(uuid=found.pid), newest_first=True, limit=_MAX_SIGHTINGS)
    return newest.items


async def _count_sightings(found: Person) -> int | None:
    """How many records up to now name the person; None if that cannot be counted now."""
    with suppress(BadParameter, TooManyRequests):
        counted = await auth.services().records.histograms.histogram(RecordFilter(uuid=found.pid))
        return sum(counted.counts) if counted.is_exact else None
    return None
