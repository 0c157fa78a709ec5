"""When a camera was offline: in a sentence on its overview, and as a list."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.services.devices.availability import FAILURES, KEEP_DAYS
from hub.store.tables.outages import Outage
from web import auth, language
from web.language import N_, gettext, ngettext
from web.pages.camera.layout import get_camera
from web.pages.labels import duration
from web.pages.layout import page

blueprint = Blueprint("camera_outages", __name__, url_prefix="/cameras/<int:did>/outages")

CAUSES = {
    "lost": N_("No connection"),
    "refused": N_("Tried to connect and was refused"),
    "disabled": N_("Disabled"),
    "new": N_("Never connected before"),
}

_DAY_MS = 86_400_000
_SUMMARY_DAYS = 7
_ROWS_PER_PAGE = 50
_MAX_ID = 2**63 - 1


class OutageRow(Struct, frozen=True):
    """An outage as text. `note`: that the hub was off for a part of it."""

    begin: str
    end: str
    length: str
    cause: str
    note: str
    is_failure: bool


class OutageSummary(Struct, frozen=True):
    text: str
    is_bad: bool


def percent_text(percent: float | None) -> str:
    """Availability in percent, rounded down so that 100 % means never offline."""
    if percent is None:
        return "–"
    shown = int(percent * 100) / 100
    return gettext("%(n)s%%") % {"n": f"{shown:.2f}".rstrip("0").rstrip(".")}


class OutageList(Struct, frozen=True):
    """Outages, newest first. `availability`: days, percent and the length of all outages."""

    rows: list[OutageRow]
    availability: list[tuple[int, str, str]]
    newest: str
    older: str


async def list_outages(did: str) -> OutageList:
    """The outages that the address asks for."""
    now = int(auth.services().core.clock.shown_time() * 1000)
    before = request.args.get("before", type=int)
    before = None if before is None else max(0, min(before, _MAX_ID))
    history = await auth.services().cameras.availability.history(
        did,
        since=now - KEEP_DAYS * _DAY_MS,
        until=now,
        before=before,
        newest_first=True,
        limit=_ROWS_PER_PAGE,
    )
    here, found = f"/cameras/{did}", history.page
    return OutageList(
        rows=[_row(*one, now) for one in zip(found.items, history.hub_off, strict=True)],
        availability=[await _availability(did, days, now) for days in (7, 30)],
        newest="" if before is None else f"{here}#outages",
        older="" if found.next is None else f"{here}?before={found.next}#outages",
    )


@blueprint.get("/summary", role="viewer")
async def summary(did: int) -> Response:
    """The part of the overview that says how often the camera was offline lately."""
    device = get_camera(did)
    return await page(
        "camera/_outages.html", device=device, outages=await summarise_outages(device.did)
    )


async def summarise_outages(did: str) -> OutageSummary:
    """Say in a sentence how often the camera was offline in the last days, and when last."""
    now = int(auth.services().core.clock.shown_time() * 1000)
    history = await auth.services().cameras.availability.history(
        did,
        since=now - _SUMMARY_DAYS * _DAY_MS,
        until=now,
        newest_first=True,
        limit=_ROWS_PER_PAGE,
    )
    last = next((one for one in history.page.items if one.cause in FAILURES), None)
    device = auth.services().cameras.devices.get(did)
    if last is None and device.last_seen is None and device.state != "online":
        return OutageSummary(gettext("Has not connected yet"), False)
    if last is None:
        return OutageSummary(gettext("Never offline in the last %(n)s days") % {"n": 7}, False)
    count = history.availability.outages
    text = ngettext(
        "Offline %(n)s time in the last %(days)s days, %(last)s",
        "Offline %(n)s times in the last %(days)s days, last %(last)s",
        count,
    )
    return OutageSummary(text % {"n": count, "days": _SUMMARY_DAYS, "last": _span(last)}, True)


async def _availability(did: str, days: int, now: int) -> tuple[int, str, str]:
    """Return days, percent and the length of all outages."""
    history = await auth.services().cameras.availability.history(
        did, since=now - days * _DAY_MS, until=now, limit=1
    )
    found = history.availability
    return days, percent_text(found.percent), duration(found.out / 1000)


def _row(outage: Outage, hub_off: int, now: int) -> OutageRow:
    lang, zone = language.current(), language.zone()
    end = outage.ended_at
    length = max(0, (now if end is None else end) - outage.began_at)
    note = ""
    if hub_off >= 1000 and outage.cause in FAILURES:
        note = gettext("The hub was off for %(length)s of it.") % {
            "length": duration(hub_off / 1000)
        }
    return OutageRow(
        begin=lang.moment(outage.began_at, zone),
        end=gettext("still lasts") if end is None else lang.moment(end, zone),
        length=duration(length / 1000) or duration(1),
        cause=gettext(CAUSES[outage.cause]),
        note=note,
        is_failure=outage.cause in FAILURES,
    )


def _span(outage: Outage) -> str:
    """Begin, end and length of an outage, as short as they can be without a doubt."""
    lang, zone = language.current(), language.zone()
    begin = f"{lang.day(outage.began_at, zone)} {lang.time(outage.began_at, zone)[:5]}"
    if outage.ended_at is None:
        return gettext("since %(time)s") % {"time": begin}
    end = lang.time(outage.ended_at, zone)[:5]
    if _day(outage.began_at) != _day(outage.ended_at):
        end = f"{lang.day(outage.ended_at, zone)} {end}"
    length = duration((outage.ended_at - outage.began_at) / 1000)
    text = gettext("%(begin)s–%(end)s (%(length)s)")
    return text % {"begin": begin, "end": end, "length": length}


def _day(ms: int) -> object:
    return datetime.fromtimestamp(ms / 1000, language.zone()).date()
