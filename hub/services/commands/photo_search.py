"""One photo, searched on many cameras at once (1.16), as a job that is found again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import pybase64
import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, DeviceRefused, HubError, NoSuchResource
from hub.services.audit import Actor
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.services.jobs.jobs import JobProgress, Jobs, decoded
from hub.services.photos.person_photos import PersonPhotos
from hub.store.jobs.jobs import MAX_ITEMS, ItemState, Job
from hub.wire.commands.answers import Match
from hub.wire.commands.dialect import PERSON_SEARCH
from hub.wire.commands.param_structs import PersonSearch
from hub.wire.commands.params import check_fields
from hub.wire.times import read_local_time

if TYPE_CHECKING:
    from hub.services.core import Core

#: Cameras that are asked at the same time: each frame has the photo.
_AT_ONCE = 32
#: Hits that are kept, of one camera and of all together.
_MAX_HITS_OF_CAMERA = 200
_MAX_HITS = 6_400
_MIN_HITS_OF_CAMERA = 10


class SearchSubject(Struct, frozen=True):
    """What was searched. Times are UNIX milliseconds."""

    threshold: int
    since: int
    until: int


class SearchHit(Struct, frozen=True, omit_defaults=True):
    """A capture that resembles the photo. `time`: as the camera tells it, in the site's zone; `at`:
    that in UNIX milliseconds, None if it cannot be read.

    `picture`: a path on the camera, "" if it gave none. `name`, `person`, `category`: whom the
    camera takes the person for, as far as it says so; `person` is a `uuid` or `pid`.
    """

    did: str
    time: str
    score: int | None = None
    picture: str = ""
    name: str = ""
    person: str = ""
    category: int | None = None
    at: int | None = None


class CameraSearch(Struct, frozen=True, omit_defaults=True):
    """How the search went on one camera: the item of the job.

    `total`: how many hits it has, of which the best are in `hits`. `code`, `msg`: what it answered
    in place of a result; no code if it did not answer.
    """

    did: str
    state: ItemState = "waiting"
    hits: tuple[SearchHit, ...] = ()
    total: int = 0
    code: int | None = None
    msg: str = ""


class SearchResult(Struct, frozen=True):
    """What a search has found so far: the hits of all cameras, the best first."""

    job: Job
    subject: SearchSubject
    hits: tuple[SearchHit, ...]
    cameras: tuple[CameraSearch, ...]


class PhotoSearches:
    """Searches cameras by a photo."""

    def __init__(
        self, core: Core, devices: Devices, commands: Commands, photos: PersonPhotos, jobs: Jobs
    ) -> None:
        self._devices = devices
        self._commands = commands
        self._photos = photos
        self._jobs = jobs
        self._site = core.site
        self._audit = core.audit

    async def start(
        self,
        photo: bytes,
        subject: SearchSubject,
        by: Actor,
        dids: Sequence[str] | None = None,
    ) -> Job:
        """Search these cameras, by default all that are enabled.

        `photo`: any usual picture; it is kept with the job. Raises BadPhoto, BadParameter,
        NoSuchResource for an unknown did, TooManyRequests.
        """
        if dids is None:
            dids = [device.did for device in self._devices.list() if device.enabled]
        wanted = list(dict.fromkeys(dids))
        for did in wanted:
            self._devices.device(did)
        if not wanted:
            raise BadParameter("there is no camera to search", field="dids")
        jpeg = await self._photos.for_search(photo)
        param = self._param(jpeg, subject)
        most = max(_MIN_HITS_OF_CAMERA, min(_MAX_HITS_OF_CAMERA, _MAX_HITS // len(wanted)))

        async def work(progress: JobProgress) -> None:
            limit = trio.CapacityLimiter(_AT_ONCE)
            async with trio.open_nursery() as nursery:
                for position, did in enumerate(wanted):
                    nursery.start_soon(self._ask, progress, position, did, param, most, limit)

        job = await self._jobs.start(
            "search",
            subject,
            by,
            work,
            items=[CameraSearch(did) for did in wanted],
            attachment=jpeg,
        )
        await self._audit.add(by, "person.search", f"job {job.id}")
        return job

    async def result(self, job_id: int) -> SearchResult:
        """Return what a search has found so far. Raises NoSuchResource."""
        job = await self._search(job_id)
        items = await self._jobs.items(job_id, limit=MAX_ITEMS)
        found = ((decoded(item.detail, CameraSearch), item.state) for item in items)
        cameras = tuple(replace(one, state=state) for one, state in found if one is not None)
        hits = (hit for camera in cameras for hit in camera.hits)
        return SearchResult(
            job,
            decoded(job.subject, SearchSubject) or SearchSubject(0, 0, 0),
            tuple(sorted(hits, key=_by_score, reverse=True)),
            tuple(replace(camera, hits=()) for camera in cameras),
        )

    async def photo(self, job_id: int) -> bytes:
        """Return the photo of a search, as a JPEG. Raises NoSuchResource."""
        await self._search(job_id)
        jpeg = await self._jobs.attachment(job_id, bytes)
        if jpeg is None:
            raise NoSuchResource("the photo of this search is gone")
        return jpeg

    async def _search(self, job_id: int) -> Job:
        job = await self._jobs.get(job_id)
        if job.kind != "search":
            raise NoSuchResource(f"there is no search {job_id}")
        return job

    async def _ask(
        self,
        progress: JobProgress,
        position: int,
        did: str,
        param: PersonSearch,
        most: int,
        limit: trio.CapacityLimiter,
    ) -> None:
        async with limit:
            await progress.note(position, "running")
            try:
                found = await self._commands.person_search(did, param)
            except DeviceRefused as error:
                answer = CameraSearch(did, code=error.device_code, msg=error.device_msg)
                await progress.note(position, "failed", answer)
            except HubError as error:
                await progress.note(position, "failed", CameraSearch(did, msg=error.message))
            else:
                zone = self._site.zone()
                hits = sorted((_hit(did, one, zone) for one in found.face_list), key=_by_score)
                best = tuple(reversed(hits[-most:]))
                total = max(found.total or 0, len(hits))
                await progress.note(position, "done", CameraSearch(did, hits=best, total=total))
            await progress.save()

    def _param(self, jpeg: bytes, subject: SearchSubject) -> PersonSearch:
        """Raises BadParameter that names the field."""
        return check_fields(
            PERSON_SEARCH,
            {
                "photo": pybase64.b64encode(jpeg).decode(),
                "threshold": subject.threshold,
                "start_time": self._local(subject.since, "since"),
                "end_time": self._local(subject.until, "until"),
            },
        )

    def _local(self, ms: int, name: str) -> str:
        try:
            moment = datetime.fromtimestamp(ms / 1000, self._site.zone())
        except (OverflowError, ValueError, OSError):
            raise BadParameter("a time that cameras can have is expected", field=name) from None
        return moment.isoformat(" ", "seconds")[:19]


def _hit(did: str, match: Match, zone: tzinfo) -> SearchHit:
    return SearchHit(
        did,
        match.time,
        match.score,
        match.jpeg_url_face or "",
        match.name or "",
        match.person,
        match.category,
        read_local_time(match.time, zone),
    )


def _by_score(hit: SearchHit) -> tuple[int, str]:
    return hit.score or 0, hit.time
