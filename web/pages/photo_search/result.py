"""What a search by a photo has found so far, in words."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.services.commands.photo_search import CameraSearch, SearchHit, SearchResult
from hub.store.people.person_rows import PersonName
from web import auth, language
from web.language import gettext, ngettext
from web.pages.camera.layout import device_picture_url
from web.pages.device_errors import device_message
from web.pages.jobs.rows import ITEM_ICONS, ITEM_LOOKS, ITEM_STATES
from web.pages.people.photo_picker import PictureSource
from web.pages.shown.camera_names import camera_name
from web.pages.shown.known_people import RecognisedView, people_named, recognised_view

#: A result may have thousands of hits; only the best are shown.
MAX_SHOWN = 240


class HitCard(Struct, frozen=True, kw_only=True):
    """A hit. `add`: the form that adds this face to the register."""

    key: str
    score: str
    time: str
    camera: str
    camera_url: str
    picture: str
    add: str
    search: str
    person: RecognisedView


class AskedCamera(Struct, frozen=True, kw_only=True):
    """A camera that was asked, and what came of it. `look`, `icon`: see .sync-state."""

    did: str
    name: str
    look: str
    icon: str
    text: str
    reason: str


class FoundView(Struct, frozen=True, kw_only=True):
    """`silent`: how many cameras gave no result."""

    hits: list[HitCard]
    total: int
    cameras: list[AskedCamera]
    silent: int
    period: str
    threshold: int


async def search_result(found: SearchResult) -> FoundView:
    shown = found.hits[:MAX_SHOWN]
    people = await people_named(auth.services().people.register, (hit.person for hit in shown))
    moment, zone = language.current().moment, language.zone()
    subject = found.subject
    return FoundView(
        hits=[_card(hit, people) for hit in shown],
        total=sum(camera.total for camera in found.cameras),
        cameras=[_asked(camera) for camera in found.cameras],
        silent=sum(camera.state in ("failed", "interrupted") for camera in found.cameras),
        period=f"{moment(subject.since, zone)} – {moment(subject.until, zone)}",
        threshold=subject.threshold,
    )


def _card(hit: SearchHit, people: Mapping[str, PersonName]) -> HitCard:
    source = PictureSource(did=hit.did, path=hit.picture).query if hit.picture else ""
    return HitCard(
        key=f"{hit.did}-{hit.time}-{hit.score}-{hit.picture}",
        score="" if hit.score is None else gettext("%(n)s%% match") % {"n": hit.score},
        time=language.current().camera_time(hit.time),
        camera=camera_name(auth.services(), hit.did).name,
        camera_url=f"/cameras/{hit.did}",
        picture=device_picture_url(hit.did, hit.picture) if hit.picture else "",
        add=f"/people/add?{source}" if source else "",
        search=f"/search/photo?{source}" if source else "",
        person=recognised_view(hit.name, hit.person, hit.category, people),
    )


def _asked(camera: CameraSearch) -> AskedCamera:
    text = gettext(ITEM_STATES[camera.state])
    if camera.state == "done":
        text = ngettext("%(n)s match", "%(n)s matches", camera.total) % {"n": camera.total}
    return AskedCamera(
        did=camera.did,
        name=camera_name(auth.services(), camera.did).name,
        look=ITEM_LOOKS[camera.state],
        icon=ITEM_ICONS[camera.state],
        text=text,
        reason=_reason(camera),
    )


def _reason(camera: CameraSearch) -> str:
    """Why a camera gave no result."""
    if camera.state != "failed":
        return ""
    if camera.code is not None:
        return device_message(camera.code, camera.msg)
    return gettext("The camera could not be reached or did not respond.")
