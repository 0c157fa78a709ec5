"""What is not well with the site, in the order in which a person should see to it.

Of each problem: what is so, what it means for the site, what to do, and the page where it is done.
What only a technician understands is a detail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

from msgspec import Struct

from hub.errors import HubError
from hub.services.doctor.findings import Finding, State
from hub.services.doctor.texts import sentences_of
from hub.services.problems import CHECKS, PROBLEMS, Level, Page
from hub.services.site.status.damaged_data import NAMES, DamagedData, DamagedEntry, DataKind
from hub.services.site.status.health import HealthReason
from web import auth
from web.pages import language
from web.pages.labels import health_advice, health_sentence, shown_value
from web.pages.language import N_, gettext

#: The most serious first. What a check found ranks as high as what the hub itself says so of.
_RANKS: tuple[Level | State, ...] = ("fault", "failed", "serious", "notice", "warning")
#: Tables whose rows have a page each: what one is called, and the start of its address.
_OWN_PAGES = {
    "record": (N_("Record %(name)s"), "/records/"),
    "device": (N_("Camera %(name)s"), "/cameras/"),
    "user": (N_("User %(name)s"), "/site/users/user?name="),
}
#: Where other damaged entries are looked at.
_PLACES: dict[DataKind, str] = {
    "evidence": "/evidence",
    "erasures": "/site/erasures",
    "alarms": "/alarms",
    "people": "/people",
    "jobs": "/jobs",
    "cameras": "/cameras",
    "firmware": "/firmware",
    "users": "/site/users",
    "api-keys": "/site/api-keys",
    "audit": "/site/audit",
    "settings": "/site",
}


class ShownEntry(Struct, frozen=True):
    """Something damaged, with its own page or that of its list."""

    name: str
    url: str


class ShownProblem(Struct, frozen=True):
    """Something that a person has to do something about. `is_serious`: at once.

    `detail`: for a technician. `code`: the key of a problem that the hub reports, to which banners
    link; "" for what checks find.
    """

    text: str
    meaning: str
    advice: str
    is_serious: bool
    url: str = ""
    link: str = ""
    detail: str = ""
    entries: tuple[ShownEntry, ...] = ()
    code: str = ""


async def current_problems() -> list[ShownProblem]:
    """What is not well, by the health of the hub and the checks; the most serious first."""
    checks = auth.services().health_checks
    full = checks.last_full
    findings = [*await checks.quick(), *(full.findings if full else ())]
    found = [*await _reported(), *_found(findings)]
    found.sort(key=lambda item: _RANKS.index(item[0]))
    return [problem for _, problem in found]


def finding_sentence(text: str, finding: Finding) -> str:
    """A sentence of the doctor in the language of the request."""
    args = {name: shown_value(value) for name, value in finding.args.items()}
    return gettext(text) % args if text else ""


async def _reported() -> list[tuple[Level | State, ShownProblem]]:
    return [
        (reason.problem.level, await _reported_problem(reason))
        for reason in auth.services().health.reasons()
    ]


async def _reported_problem(reason: HealthReason) -> ShownProblem:
    problem = reason.problem
    url, link = _shown_page(problem.page)
    return ShownProblem(
        text=health_sentence(reason),
        meaning=gettext(problem.meaning),
        advice=health_advice(reason),
        is_serious=reason.is_serious,
        url=f"/cameras/{reason.did}/unsigned" if reason.did else url,
        link=gettext("Look at what differs") if reason.did else link,
        detail=reason.args.get(problem.detail, ""),
        entries=tuple([entry for kind in reason.damaged for entry in await _entries(kind)]),
        code=reason.key,
    )


def _found(findings: list[Finding]) -> Iterator[tuple[Level | State, ShownProblem]]:
    """What the checks found, without what the health of the hub reports by the same code."""
    reported = {reason.code for reason in auth.services().health.reasons()}
    for finding in findings:
        if finding.state != "ok" and finding.code not in reported:
            check = CHECKS[finding.check]
            about = PROBLEMS.get(finding.code, check)
            sentences = sentences_of(finding.code)
            found, meaning = finding_sentence(sentences.found, finding), gettext(about.meaning)
            url, link = _shown_page(about.page)
            yield (
                finding.state,
                ShownProblem(
                    text=meaning if check.is_technical else found,
                    meaning="" if check.is_technical else meaning,
                    advice=finding_sentence(sentences.advice, finding),
                    is_serious=finding.state == "failed",
                    url=url,
                    link=link,
                    detail=found if check.is_technical else "",
                ),
            )


def _shown_page(page: Page | None) -> tuple[str, str]:
    return ("", "") if page is None else (page.url, gettext(page.name))


async def _entries(kind: DamagedData) -> list[ShownEntry]:
    """The pages on which what is damaged can be seen."""
    own = [await _own_page(one) for one in kind.entries if one.table in _OWN_PAGES]
    if not own and kind.kind in _PLACES:
        return [ShownEntry(gettext(NAMES[kind.kind]), _PLACES[kind.kind])]
    return own


async def _own_page(entry: DamagedEntry) -> ShownEntry:
    text, path = _OWN_PAGES[entry.table]
    name = await _record_name(entry.key) if entry.table == "record" else _device_name(entry)
    return ShownEntry(name or gettext(text) % {"name": entry.key}, f"{path}{quote(entry.key)}")


def _device_name(entry: DamagedEntry) -> str:
    """The name of a camera, or ""."""
    devices = auth.services().devices.list() if entry.table == "device" else ()
    return next((one.name or one.sn for one in devices if one.did == entry.key), "")


async def _record_name(seq: str) -> str:
    """Camera and time of a record, or "" if they cannot be read."""
    with suppress(HubError):
        record = await auth.services().records.get(int(seq))
        camera = "" if record is None else record.device_name or record.sn
        if record is not None and camera and record.occurred_at:
            time = language.current().moment(record.occurred_at, auth.services().site.zone())
            return gettext("Record of %(camera)s, %(time)s") % {"camera": camera, "time": time}
    return ""
