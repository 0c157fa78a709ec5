"""What came since a user last looked at the live page, each with its link."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from hub.store.tables.alarms import AlarmFilter
from hub.store.tables.users import User
from web import auth, language
from web.pages.layout import make_url
from web.pages.shown.camera_names import CameraName, camera_name
from web.pages.times import short_moment, time_field

#: As many alarms are counted; of more it is said that there are more.
_MAX_ALARMS = 99


class OfflineCamera(Struct, frozen=True):
    camera: CameraName
    since: str


class SinceVisit(Struct, frozen=True):
    """`ended`: when the visit ended, in words. `more_alarms`: whether there are more than counted.

    `offline`: how many cameras have been since the visit; `longest`: the only one of them.
    """

    ended: str
    alarms: int
    more_alarms: bool
    open_alarms: int
    alarms_url: str
    offline: int
    longest: OfflineCamera | None
    records: int
    records_url: str


async def since_last_visit(me: User) -> SinceVisit | None:
    """None if nothing happened since, or if there was no visit before."""
    hub = auth.services()
    visit = hub.records.reviews.last_visit(me.name)
    if not visit.ended_at:
        return None
    matching = AlarmFilter(last_since=visit.ended_at)
    alarms = await hub.alarms.raised.listed(matching, limit=_MAX_ALARMS)
    offline = _offline_since(visit.ended_at)
    records = max(0, hub.records.log.last_seq - visit.seq)
    if not (alarms.items or offline or records):
        return None
    ended = datetime.fromtimestamp(visit.ended_at / 1000, language.zone())
    return SinceVisit(
        ended=short_moment(visit.ended_at),
        alarms=len(alarms.items),
        more_alarms=alarms.next is not None,
        open_alarms=sum(alarm.is_active for alarm in alarms.items),
        alarms_url=make_url("/alarms", when="visit"),
        offline=len(offline),
        longest=offline[0] if len(offline) == 1 else None,
        records=records,
        records_url=make_url("/search", since=time_field(ended.replace(microsecond=0))),
    )


def _offline_since(moment: int) -> list[OfflineCamera]:
    """The cameras that went offline after a moment, and still are."""
    hub = auth.services()
    found: list[OfflineCamera] = []
    for camera in hub.cameras.devices.overview.all():
        since = hub.cameras.availability.offline_since(camera.did)
        if since is not None and since >= moment:
            found.append(OfflineCamera(camera_name(hub, camera.did), short_moment(since)))
    return found
