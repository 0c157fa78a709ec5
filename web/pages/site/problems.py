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
from hub.services.doctor.findings import Finding
from hub.services.doctor.texts import TEXTS
from hub.services.site.status.damaged_data import NAMES, DamagedData, DamagedEntry, DataKind
from hub.services.site.status.health import HealthReason
from web import auth
from web.pages import language
from web.pages.labels import health_advice, health_sentence, shown_value
from web.pages.language import N_, gettext


class Consequence(Struct, frozen=True):
    """What a kind of problem means for the site. `url`: where it is solved; `link`: its name."""

    meaning: str
    url: str = ""
    link: str = ""


_NO_WORK = N_("The hub cannot work at the moment, or only in part.")
_WRONG_TIMES = N_("Records get a wrong date, and old ones may be deleted too late.")
_NO_BACKUP = N_("If this computer or its disk breaks, everything since the last backup is lost.")
_TRUST = N_("Browsers show a warning, and cameras may refuse to connect.")
_LOST_PARTS = N_("Parts of some records cannot be shown.")
_MARKED = N_("What cannot be read is left out, and marked where it is shown.")

#: By the code of a problem of the hub, or of a finding, or by the name of a check; the most
#: serious first.
CONSEQUENCES: dict[str, Consequence] = {
    "cannot-store": Consequence(
        N_(
            "New records are not being stored. Cameras send them again later, but not indefinitely."
        ),
        "/site/retention",
        N_("Storage"),
    ),
    "database": Consequence(_NO_WORK),
    "key": Consequence(
        N_("Cameras and programs may be refused until this is fixed."),
        "/site/backups",
        N_("Backups"),
    ),
    "integrity": Consequence(
        N_("Records, cameras and users may be lost if nothing is done."),
        "/site/backups",
        N_("Backups"),
    ),
    "damaged": Consequence(
        N_("Records or pictures may be lost if nothing is done."),
        "/site/health#everything",
        N_("Check everything"),
    ),
    "ports": Consequence(N_("Cameras or browsers cannot reach the hub.")),
    "permissions": Consequence(N_("The hub cannot use its files, or others can read them.")),
    "clock-unset": Consequence(_WRONG_TIMES),
    "certificate-ended": Consequence(_TRUST, "/site/certificate", N_("Certificate")),
    "certificate-early": Consequence(_TRUST, "/site/certificate", N_("Certificate")),
    "starting": Consequence(_NO_WORK),
    "cameras-offline": Consequence(
        N_("The hub receives nothing from the cameras."),
        "/cameras",
        N_("Cameras"),
    ),
    "database-unread": Consequence(
        N_("Nothing can be backed up, and records may be lost if nothing is done."),
        "/site/backups",
        N_("Backups"),
    ),
    "restored-elsewhere": Consequence(
        N_("Cameras may still be connecting to the old address; then nothing is recorded."),
        "/site/backups",
        N_("Backups"),
    ),
    "codes-guessed": Consequence(
        N_("Someone is trying to impersonate one of your cameras."),
        "/site/audit",
        N_("Audit log"),
    ),
    "camera-suspect": Consequence(
        N_("Someone may be impersonating one of your cameras, or a camera has moved."),
        "/cameras",
        N_("Cameras"),
    ),
    "disk": Consequence(
        N_("Records may be kept for fewer days than you want, or come late."),
        "/site/retention",
        N_("Storage"),
    ),
    "disk-low": Consequence(
        N_(
            "Records may be kept for fewer days than you want. Once the disk is full, no new "
            "records can be kept."
        ),
        "/site/retention",
        N_("Storage"),
    ),
    "backups-unreadable": Consequence(_NO_BACKUP, "/site/backups", N_("Backups")),
    "backup-failed": Consequence(_NO_BACKUP, "/site/backups", N_("Backups")),
    "backup-missing": Consequence(_NO_BACKUP, "/site/backups", N_("Backups")),
    "backup-overdue": Consequence(_NO_BACKUP, "/site/backups", N_("Backups")),
    "backup-incomplete": Consequence(
        N_("Some pictures can no longer be read and are missing from new backups."),
        "/site/backups",
        N_("Backups"),
    ),
    "backups": Consequence(_NO_BACKUP, "/site/backups", N_("Backups")),
    "certificate": Consequence(_TRUST, "/site/certificate", N_("Certificate")),
    "clock": Consequence(_WRONG_TIMES, "/site/retention", N_("Storage")),
    "clock-off-long": Consequence(_WRONG_TIMES, "/site/retention", N_("Storage")),
    "clock-doubted": Consequence(_WRONG_TIMES, "/site/retention", N_("Storage")),
    "clock-contradicted": Consequence(_WRONG_TIMES, "/cameras", N_("Cameras")),
    "clock-went-back": Consequence(_WRONG_TIMES),
    "people-wait": Consequence(
        N_("Cameras may let in whose time is over, and not whose time has begun."),
        "/site/retention",
        N_("Storage"),
    ),
    "retention-waits": Consequence(
        N_("They stay and take up space until someone decides."),
        "/site/retention",
        N_("Decide"),
    ),
    "damaged-rows": Consequence(_MARKED),
    "changes-lost": Consequence(
        N_("What people changed then is as it was before, and nothing else says so."),
        "/site/audit",
        N_("Audit log"),
    ),
    "pictures-lost": Consequence(_LOST_PARTS),
    "records": Consequence(_LOST_PARTS),
    "pictures": Consequence(_LOST_PARTS),
    "entries": Consequence(_MARKED),
    "counts": Consequence(N_("Charts and reports may show wrong numbers.")),
    "service": Consequence(
        N_("The hub may not start by itself after a power cut or a restart of this computer.")
    ),
    "settings": Consequence(
        N_("Once stopped, the hub will not start again."), "/site/settings", N_("Settings")
    ),
    "evidence-waits": Consequence(
        N_("The records stay, but their day takes up disk space."),
        "/evidence",
        N_("Evidence"),
    ),
    "certificate-stays": Consequence(
        N_("Everything works until the certificate expires."),
        "/site/certificate",
        N_("Certificate"),
    ),
    "certificate-ends": Consequence(
        N_("After that day browsers show a warning, and cameras may refuse to connect."),
        "/site/certificate",
        N_("Certificate"),
    ),
    "firmware": Consequence(
        N_("Cameras cannot be updated with these files."), "/firmware", N_("Firmware")
    ),
    "update-undone": Consequence(
        N_("The site works as before, with the previous version."),
        "/site/update",
        N_("Update"),
    ),
    "erasure-refused": Consequence(
        N_("The other system keeps records and pictures of people who were erased here."),
        "/site/targets",
        N_("Forwarding"),
    ),
    "target-held": Consequence(
        N_("The other system gets no records. They are kept here and sent later."),
        "/site/targets",
        N_("Forwarding"),
    ),
    "target-waiting": Consequence(
        N_("The other system gets no records. They are kept here and sent later."),
        "/site/targets",
        N_("Forwarding"),
    ),
    "target-gap": Consequence(
        N_("The other system never gets these records, and was told so."),
        "/site/targets",
        N_("Forwarding"),
    ),
    "report-failed": Consequence(
        N_("The recipients do not get the reports. They are available on the Reports page."),
        "/site/reports",
        N_("Morning reports"),
    ),
    "set-aside": Consequence(N_("Some records or pictures are not shown.")),
    "sqlite": Consequence(_NO_WORK),
    "hub": Consequence(_NO_WORK),
}
_RANK = {name: place for place, name in enumerate(CONSEQUENCES)}
#: Tables whose rows have a page each: what one is called, and the start of its address.
_OWN_PAGES = {
    "record": (N_("Record %(name)s"), "/records/"),
    "device": (N_("Camera %(name)s"), "/cameras/"),
    "user": (N_("User %(name)s"), "/site/users/user?name="),
}
#: Checks whose findings name files, ports and programs, which are a detail to others.
_TECHNICAL = {
    *("hub", "settings", "ports", "permissions", "sqlite", "database", "key", "set-aside"),
    "integrity",
}
#: Problems of the hub that name files, likewise.
_WITH_DETAIL = {"damaged", "pictures-lost"}
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
    found.sort(key=lambda item: (not item[1].is_serious, _RANK.get(item[0], len(_RANK))))
    return [problem for _, problem in found]


def finding_sentence(text: str, finding: Finding) -> str:
    """A sentence of the doctor in the language of the request."""
    args = {name: shown_value(value) for name, value in finding.args.items()}
    return gettext(text) % args if text else ""


async def _reported() -> list[tuple[str, ShownProblem]]:
    return [
        (reason.code, await _reported_problem(reason))
        for reason in auth.services().health.reasons()
    ]


async def _reported_problem(reason: HealthReason) -> ShownProblem:
    about = CONSEQUENCES[reason.code]
    return ShownProblem(
        text=health_sentence(reason),
        meaning=gettext(about.meaning),
        advice=health_advice(reason),
        is_serious=reason.is_serious,
        url=f"/cameras/{reason.did}/unsigned" if reason.did else about.url,
        link=_link_text(reason, about),
        detail=reason.args["what"] if reason.code in _WITH_DETAIL else "",
        entries=tuple([entry for kind in reason.damaged for entry in await _entries(kind)]),
        code=reason.key,
    )


def _link_text(reason: HealthReason, about: Consequence) -> str:
    if reason.did:
        return gettext("Look at what differs")
    return gettext(about.link) if about.link else ""


def _found(findings: list[Finding]) -> Iterator[tuple[str, ShownProblem]]:
    """What the checks found, without what the health of the hub reports by the same code."""
    reported = {reason.code for reason in auth.services().health.reasons()}
    for finding in findings:
        if finding.state != "ok" and finding.code not in reported:
            name = finding.code if finding.code in CONSEQUENCES else finding.check
            about = CONSEQUENCES[name]
            found = finding_sentence(TEXTS[finding.code].found, finding)
            meaning = gettext(about.meaning)
            is_technical = name in _TECHNICAL
            yield (
                name,
                ShownProblem(
                    text=meaning if is_technical else found,
                    meaning="" if is_technical else meaning,
                    advice=finding_sentence(TEXTS[finding.code].advice, finding),
                    is_serious=finding.state == "failed",
                    url=about.url,
                    link=gettext(about.link) if about.link else "",
                    detail=found if is_technical else "",
                ),
            )


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
