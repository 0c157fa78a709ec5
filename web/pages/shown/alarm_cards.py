"""An alarm as pages show it: as a card while it is new, as a row, and on its own page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import HubError, NoSuchResource
from hub.services import Services
from hub.store.alarms.alarm import SEVERITIES, Alarm, Severity
from hub.wire import code_tables
from hub.wire.uploads.records import HubDetail, Record
from web import language
from web.language import gettext
from web.pages.labels import hub_sentence
from web.pages.shown import alarm_labels as labels
from web.pages.shown.alarm_answers import answer_texts
from web.pages.shown.camera_names import CameraName, camera_name
from web.pages.shown.record_cards import CardPicture, PlateView, card_pictures, make_card
from web.pages.shown.relays import RelayLink, relay_link

#: Names of cameras in one line; the others are counted.
_MAX_NAMES = 3


class AlarmCard(Struct, frozen=True, kw_only=True):
    """`since`: when it became new. `cameras`: the one that saw it last first; `places`: the first
    ones, and `place` in one line. `comment`: what the register or the watch list says. `again`: who
    acknowledged it before it was new again, or "". `is_stored`: otherwise it has no page and cannot
    be acknowledged. `problem`: the code of a problem of the hub, or "". `picture`: of the last
    record. `relay`: of the camera that saw it last.
    """

    seq: int
    url: str
    last_url: str
    kind: str
    kind_text: str
    icon: str
    severity: Severity
    severity_text: str
    state: str
    state_text: str
    title: str
    plate: PlateView | None
    cameras: list[CameraName]
    places: list[CameraName]
    place: str
    comment: str
    again: str
    note: str
    count: int
    first_at: int
    last_at: int
    since: int
    is_escalated: bool
    is_over: bool
    is_stored: bool
    problem: str
    picture: CardPicture | None
    relay: RelayLink | None

    @property
    def rank(self) -> int:
        """0: the most severe."""
        return SEVERITIES.index(self.severity)

    @property
    def where(self) -> str:
        """Where it was seen last; "" if the title names the camera, or there is none."""
        return "" if self.kind == "offline" or not self.cameras else self.cameras[0].name


async def make_alarm_cards(
    hub: Services, alarms: Iterable[Alarm], known: Mapping[int, Record] | None = None
) -> list[AlarmCard]:
    """The cards of alarms with their pictures. `known`: records that were read already, by seq."""
    known = {} if known is None else known
    cards = []
    for alarm in alarms:
        record = known.get(alarm.last_seq) or await _record(hub, alarm.last_seq)
        card = make_alarm_card(hub, alarm, record)
        cards.append(replace(card, again=await _again(hub, alarm)))
    return cards


async def _again(hub: Services, alarm: Alarm) -> str:
    if alarm.state != "new":
        return ""
    return (await answer_texts(hub, [alarm])).get(alarm.seq, "")


async def _record(hub: Services, seq: int) -> Record | None:
    """The record of an alarm; None if it is gone, or not stored yet."""
    try:
        return await hub.records.log.get(seq)
    except NoSuchResource:
        return None


async def photo_url(hub: Services, alarm: Alarm) -> str:
    """The address of the register's photo of the person; "" without one."""
    if not alarm.detail.pid:
        return ""
    try:
        person = await hub.people.register.get(alarm.detail.pid)
    except HubError:
        return ""
    return f"/people/{person.pid}/photo?r={person.revision}" if person.has_photo else ""


def make_alarm_card(hub: Services, alarm: Alarm, record: Record | None = None) -> AlarmCard:
    cameras, url = _cameras(hub, alarm), f"/alarms/{alarm.seq}"
    places = _places(cameras, url)
    place = gettext(", ").join(one.name for one in places)
    pictures = [] if record is None else card_pictures(record)
    return AlarmCard(
        seq=alarm.seq,
        url=url,
        last_url=f"/records/{alarm.last_seq}",
        kind=alarm.kind,
        kind_text=kind_text(alarm),
        icon=labels.ICONS[alarm.kind],
        severity=alarm.severity,
        severity_text=gettext(labels.SEVERITIES[alarm.severity]),
        state=alarm.state,
        state_text=gettext(labels.STATES[alarm.state]),
        title=alarm_title(alarm, place),
        plate=_plate(alarm, record),
        cameras=cameras,
        places=places,
        place=place,
        comment=alarm.detail.entry_note,
        again="",
        note=alarm.note,
        count=alarm.count,
        first_at=alarm.first_at,
        last_at=alarm.last_at,
        since=alarm.new_since,
        is_escalated=alarm.state == "new" and alarm.escalated_at is not None,
        is_over=alarm.over_at is not None,
        is_stored=alarm.seq > 0,
        problem=alarm.subject if alarm.kind == "hub" else "",
        picture=pictures[0] if pictures else None,
        relay=relay_link(hub, alarm.dids[-1]) if alarm.dids else None,
    )


def kind_text(alarm: Alarm) -> str:
    if alarm.kind == "plate" and alarm.detail.list:
        return gettext("Watched plate, list “%(name)s”") % {"name": alarm.detail.list}
    if alarm.kind == "event" and alarm.names_blacklisted:
        return " · ".join(gettext(labels.KINDS[kind]) for kind in ("event", "blacklist"))
    return gettext(labels.KINDS[alarm.kind])


def alarm_title(alarm: Alarm, place: str) -> str:
    """What an alarm is about, in one line."""
    detail = alarm.detail
    match alarm.kind:
        case "blacklist":
            if detail.name:
                return detail.name
            return gettext("Person %(uuid)s") % {"uuid": detail.pid or detail.uuid}
        case "plate":
            return "" if detail.plate else gettext("Watched plate")
        case "event":
            return _event_title(alarm)
        case "offline" | "hub":
            noticed = HubDetail(detail.cause, detail.text, detail.args)
            return hub_sentence(noticed, place) or gettext(labels.KINDS[alarm.kind])
    raise AssertionError(alarm.kind)


def _event_title(alarm: Alarm) -> str:
    detail = alarm.detail
    if detail.type is None:
        return gettext("Event")
    event = code_tables.event_name(detail.type, language.current().code)
    return " · ".join(filter(None, (event, alarm.event_person)))


def _plate(alarm: Alarm, record: Record | None) -> PlateView | None:
    if alarm.kind != "plate" or not alarm.detail.plate:
        return None
    seen = None if record is None else make_card(record).plate
    return PlateView(alarm.detail.plate, seen.colour if seen else "plain")


def _places(cameras: list[CameraName], url: str) -> list[CameraName]:
    """The first of the cameras, and how many others there are, which the alarm's page names."""
    others = gettext("%(n)s more") % {"n": len(cameras) - _MAX_NAMES}
    rest = [CameraName(others, url)] if len(cameras) > _MAX_NAMES else []
    return cameras[:_MAX_NAMES] + rest


def _cameras(hub: Services, alarm: Alarm) -> list[CameraName]:
    """The cameras as they are called today, the latest first; of removed ones what is kept."""
    # The name that the alarm keeps is that of its first record: of several cameras it does not say
    # of which.
    kept = alarm.detail.device_name if len(alarm.dids) == 1 else ""
    removed = gettext("removed camera %(did)s")
    return [camera_name(hub, did, kept or removed % {"did": did}) for did in reversed(alarm.dids)]
