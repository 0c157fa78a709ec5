"""The list of pending devices: paged, and searched by text."""

from __future__ import annotations

from urllib.parse import parse_qsl

from msgspec import Struct
from quart import request

from hub.live.pending_devices import PendingDevice
from hub.live.refusal_reasons import RefusalCode
from web import auth, language
from web.language import ngettext
from web.pages.labels import clock_offset, waiting_reasons
from web.pages.layout import make_url

#: Hundreds may be pending, and each has a form of 3 KB.
ROWS_PER_PAGE = 10
#: Digits of a time in ms.
_MAX_TIME_DIGITS = 18
#: What an administrator changes before a camera without a signature can be approved (D12).
_SETTINGS: dict[RefusalCode, str] = {
    "unsigned-off": "devices.unsigned",
    "unsigned-network": "devices.unsigned_networks",
}


class PendingRow(Struct, frozen=True):
    waiting: PendingDevice
    reasons: list[str]
    #: The clock offset; empty if it is among the reasons.
    clock: str
    #: The values of a form that was refused, and the error; empty at first.
    fault: str = ""
    #: The field that is wrong, as far as it is known.
    field: str = ""
    code: str = ""
    name: str = ""
    key: str = ""
    did: str = ""
    replaces: str = ""
    #: Until when it is approved as soon as it connects (UNIX milliseconds); None if it is not.
    expected_until: int | None = None

    @property
    def setting(self) -> str:
        """The name of the setting that keeps it from being approved; "" if none does."""
        codes = (reason.code for reason in self.waiting.reasons)
        return next((_SETTINGS[code] for code in codes if code in _SETTINGS), "")


class PendingList(Struct, frozen=True):
    """One page of the list. `part` is its address; `next` is that of the next page.

    `back` is the page that it stands on. `is_first`: as the second step of the first run.
    """

    rows: list[PendingRow]
    total: int
    found: int
    find: str
    back: str
    part: str
    next: str
    has_site_key: bool
    #: The address of its page without a query, for the search form.
    page: str
    is_first: bool
    #: Cameras that could be replaced.
    has_cameras: bool
    #: That answers are delayed, once for all rows that are shown; "" if none is.
    lockout: str
    #: How many cameras are not shown because they are ignored.
    ignored: int


#: The pages that show the list. A form in it leads back to its page; the last is the second step of
#: the first run.
_PAGES = ("/cameras", "/cameras/connect", "/cameras/connect?first=1")


def read_back(back: str) -> str:
    """The page that a form came from, as the form says."""
    return back if back in _PAGES else _PAGES[0]


def page_url(back: str, **values: str) -> str:
    """The page of the list with these query parameters."""
    path, _, query = back.partition("?")
    return make_url(path, **dict(parse_qsl(query)), **values)


def make_pending_row(waiting: PendingDevice, **entered: str) -> PendingRow:
    clock = "" if waiting.time_reason else clock_offset(waiting.attempt.clock_offset)
    hub = auth.services()
    left = hub.cameras.enrolment.approval.expected.seconds_left(waiting.sn)
    until = int((hub.core.clock.likely_time() + left) * 1000) if left else None
    return PendingRow(waiting, waiting_reasons(waiting), clock, expected_until=until, **entered)


def pending_list(back: str, refused: PendingRow | None = None) -> PendingList:
    """The pending devices; a form that was refused keeps its values.

    Sorted by first attempt, latest first, so that further attempts do not move a form in use.
    """
    hub = auth.services()
    find, after = request.args.get("find", "").strip(), request.args.get("after", "")
    everything = sorted(hub.cameras.enrolment.waiting(), key=_sort_key)
    found = [one for one in everything if find.casefold() in _search_text(one)]
    remaining = [one for one in found if _sort_key(one) > _parse_position(after)]
    rows = [make_pending_row(one) for one in remaining[:ROWS_PER_PAGE]]
    if refused is not None:
        rows = _with_refused(rows, refused)
    return PendingList(
        rows=rows,
        total=len(everything),
        found=len(found),
        find=find,
        back=back,
        part=make_url("/cameras/waiting", back=back, find=find, after=after),
        next=_next_url(back, find, remaining),
        has_site_key=hub.cameras.devices.site_key() is not None,
        page=back.partition("?")[0],
        is_first=back.endswith("first=1"),
        has_cameras=hub.cameras.devices.overview.count > 0,
        lockout=_lockout([row.waiting for row in rows]),
        ignored=len(hub.cameras.enrolment.ignored.sns()),
    )


def _lockout(shown: list[PendingDevice]) -> str:
    """One sentence about all cameras whose answers are delayed."""
    ends = [one.slowed_until for one in shown if one.slowed_until is not None]
    if not ends:
        return ""
    text = ngettext(
        "%(n)s of these cameras keeps asking to connect, so answers to it are delayed until "
        "%(time)s. A correct security code is still accepted immediately.",
        "%(n)s of these cameras keep asking to connect, so answers to them are delayed, at the "
        "latest until %(time)s. A correct security code is still accepted immediately.",
        len(ends),
    )
    return text % {
        "n": len(ends),
        "time": language.current().time(max(ends), language.zone()),
    }


def _sort_key(waiting: PendingDevice) -> tuple[int, str]:
    return -waiting.first_seen, waiting.sn


def _parse_position(after: str) -> tuple[int, str]:
    first_seen, _, sn = after.partition("-")
    if not (first_seen.isascii() and first_seen.isdecimal()) or len(first_seen) > _MAX_TIME_DIGITS:
        return -(2**63), ""
    return -int(first_seen), sn


def _search_text(waiting: PendingDevice) -> str:
    attempt = waiting.attempt
    return f"{attempt.sn} {attempt.address} {attempt.ip}".casefold()


def _with_refused(rows: list[PendingRow], refused: PendingRow) -> list[PendingRow]:
    others = [refused if one.waiting.sn == refused.waiting.sn else one for one in rows]
    return others if refused in others else [refused, *rows]


def _next_url(back: str, find: str, remaining: list[PendingDevice]) -> str:
    if len(remaining) <= ROWS_PER_PAGE:
        return ""
    last = remaining[ROWS_PER_PAGE - 1]
    return page_url(back, find=find, after=f"{last.first_seen}-{last.sn}")
