"""The recordings of a camera: a month as a calendar (1.7), a day as a list (1.8)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import DeviceRefused, NoSuchPath
from hub.services import Services
from hub.services.commands.recordings import MAX_RECORDING_BYTES, RecordingSubject
from hub.wire.commands.answers import RecordDays, Recording
from hub.wire.commands.capabilities import supposed_edition
from hub.wire.commands.dialect import RECORD_LIST
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import RecordByMonth
from hub.wire.commands.params import check_fields
from hub.wire.times import read_local_time
from web import auth, language
from web.language import N_, gettext
from web.pages.camera.layout import get_camera
from web.pages.camera.paged_list import each, read_position, stream_list
from web.pages.camera.recordings.calendar import make_month, month_text, months_around
from web.pages.camera.recordings.format_card import can_format
from web.pages.camera.recordings.play_sign import own_page, play_value
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.labels import duration
from web.pages.times import now_here, valid_day

blueprint = Blueprint("camera_recordings", __name__, url_prefix="/cameras/<int:did>/recordings")

#: Recordings per answer of the device.
_PAGE_SIZE = 72

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
#: What is listed before and after the time of a record.
_MINUTES_BEFORE, _MINUTES_AFTER = 60, 10
_YEARS = field_specs(RecordByMonth)["year"]
_MINUTES_A_DAY = 24 * 60
#: Why a recording was made: 1.35 of edition 3.
_KINDS = {"alarm": N_("Alarm"), "normal": N_("Continuous")}


class RecordingRow(Struct, frozen=True):
    """A recording as text. Invalid times in `start` and `end` are shown as the camera sent them.

    `at` and `length` are in minutes of the day, for the timeline; `at` is None if unknown. `kind`:
    why it was made, "" if the camera does not say so. `play`: what the play sign sends, "" if there
    is none. `holds`: the time that is looked for, if it is in this one.
    """

    start: str
    end: str
    length_text: str
    file: str
    path: str
    at: float | None
    length: float
    kind: str = ""
    is_alarm: bool = False
    play: str = ""
    holds: str = ""

    def covers(self, time: str) -> bool:
        """Whether some of this minute of the day was recorded."""
        minute = _minute_of(time)
        return self.at is not None and self.at < minute + 1 and self.at + self.length > minute


@blueprint.get("", role="viewer")
async def month(did: int) -> Response:
    device, hub, today = get_camera(did), auth.services(), now_here().date()
    year, number = _read_month(today)

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        answer = await _count_days(hub, device.did, year, number)
        yield await renderer.render(
            "camera/recordings/_month.html",
            did=device.did,
            month=make_month(year, number, answer.days if answer else (), today=today),
            is_counted=answer is not None,
            unreadable=answer.unreadable if answer else 0,
        )

    before, after = months_around(year, number)
    return await streamed_camera_page(
        "camera/recordings/month.html",
        device,
        ask,
        title=language.current().month(year, number),
        before=before if before >= month_text(_YEARS.least or 0, 1) else "",
        after=after if after <= month_text(today.year, today.month) else "",
        is_now=(year, number) == (today.year, today.month),
        can_format=auth.reaches(auth.user(), "admin") and can_format(device.did),
    )


@blueprint.get("/<day>", role="viewer")
async def day(did: int, day: str) -> Response:
    device, hub, today = get_camera(did), auth.services(), now_here().date()
    at, zone, position = _parse_day(day), language.zone(), read_position(request.args)
    around = _read_around()
    begin, end = _minutes_around(around) if around else ("00:00", "23:59")
    fields = {
        "start_time": f"{at} {begin}:00",
        "end_time": f"{at} {end}:59",
        "page_num": position.page,
        "page_size": _PAGE_SIZE,
    }
    param = check_fields(RECORD_LIST, fields)

    recordings = hub.cameras.recordings
    gives = recordings.gives_recordings(device.did)
    may_play = gives and auth.reaches(auth.user(), "guard")

    def make_row(recording: Recording) -> RecordingRow:
        row = _make_row(recording, at)
        row = replace(row, holds=around if around and row.covers(around) else "")
        if not (may_play and row.path):
            return row
        subject = RecordingSubject(device.did, row.path, str(at), row.start)
        return replace(row, play=play_value(subject))

    def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        return stream_list(
            renderer,
            lambda: hub.cameras.commands.recordings(device.did, param, left=position.left),
            each(make_row),
            "camera/recordings/_day.html",
            "camera/recordings/_day_end.html",
            query={"around": around} if around else {},
            is_first=position.page is None,
            around=around,
        )

    return await streamed_camera_page(
        "camera/recordings/day.html",
        device,
        ask,
        title=language.current().long_day(at),
        month=month_text(at.year, at.month),
        month_title=language.current().month(at.year, at.month),
        day=at,
        before=at - timedelta(days=1),
        after=at + timedelta(days=1) if at < today else "",
        zone_name=str(zone),
        most=f"{MAX_RECORDING_BYTES // 10**6} MB",
        gives=gives,
        own_page=own_page(device),
        may_play=may_play,
        around=around,
        is_first=position.page is None,
    )


async def _count_days(hub: Services, did: str, year: int, month: int) -> RecordDays | None:
    """Ask which days have recordings; None if the camera only lists those of one day (D12).

    Raises as a call of `Commands`.
    """
    try:
        return await hub.cameras.commands.recordings_by_month(did, year, month)
    except DeviceRefused as error:
        lists_days = supposed_edition(hub.cameras.capabilities.of(did)) == 3
        if error.device_code == NoSuchPath.code and lists_days:
            return None
        raise


def _read_month(today: date) -> tuple[int, int]:
    """The month in the address. An invalid one is the current month: a bookmark must not break."""
    found = _MONTH.fullmatch(request.args.get("month", ""))
    if found and (_YEARS.least or 0) <= int(found[1]) <= (_YEARS.most or 0):
        return int(found[1]), int(found[2])
    return today.year, today.month


def _read_around() -> str:
    """The time of the day to look around; "" for the whole day. An invalid one is ignored."""
    text = request.args.get("around", "")
    return text if _TIME.fullmatch(text) else ""


def _minutes_around(time: str) -> tuple[str, str]:
    """A part of the day that has the recording of this time, although it began earlier."""
    minute = _minute_of(time)
    begin = max(minute - _MINUTES_BEFORE, 0)
    end = min(minute + _MINUTES_AFTER, _MINUTES_A_DAY - 1)
    return f"{begin // 60:02}:{begin % 60:02}", f"{end // 60:02}:{end % 60:02}"


def _minute_of(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _parse_day(text: str) -> date:
    at = valid_day(text)
    if at is None or not (_YEARS.least or 0) < at.year <= (_YEARS.most or 0):
        raise NoSuchPath
    return at


def _make_row(recording: Recording, day: date) -> RecordingRow:
    # Local time without a zone: a change of the clocks must not repeat or skip hours.
    start, end = (
        read_local_time(recording.start_time, UTC),
        read_local_time(recording.end_time, UTC),
    )
    seconds = (end - start) / 1000 if start is not None and end is not None else 0
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    at = None if start is None else (start / 1000 - midnight) / 60
    # A recording that began the day before is drawn from midnight.
    first = 0.0 if at is None else max(at, 0.0)
    last = min((at or 0.0) + seconds / 60, _MINUTES_A_DAY)
    return RecordingRow(
        start=_without_date(recording.start_time, day),
        end=_without_date(recording.end_time, day),
        length_text=duration(seconds) if seconds > 0 else "",
        file=(recording.filename or "").rsplit("/", 1)[-1],
        path=recording.filename or "",
        at=first if at is not None and last > first else None,
        length=last - first,
        kind=gettext(_KINDS[recording.type]) if recording.type in _KINDS else "",
        is_alarm=recording.type == "alarm",
    )


def _without_date(text: str | None, day: date) -> str:
    """A time, without its date if that is the day shown."""
    return (text or "").strip().removeprefix(f"{day}").lstrip(" T") or "–"
