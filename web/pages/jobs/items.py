"""What a job was asked to do, and its steps, in words; by the kind of the job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.services.commands.many import DeviceOutcome, ManySubject
from hub.services.people.import_export.imports import RefusedRow
from hub.store.jobs.jobs import Job, JobItem, JobKind
from hub.store.tables.users import User
from web import auth
from web.language import gettext
from web.pages.camera.settings.face_and_recording import FACE, RECORDING
from web.pages.camera.settings.forms import describe_changes
from web.pages.device_errors import device_message
from web.pages.jobs.rows import ITEM_ICONS, ITEM_LOOKS, ITEM_STATES
from web.pages.people.import_texts import describe_refusal
from web.pages.shown.camera_names import camera_name

T = TypeVar("T")

#: A job that changes more settings names none of them.
_MAX_CHANGES_SHOWN = 5


class ItemText(Struct, frozen=True):
    """A step in words. `url`: the page of what it is about; `text`: what came of it."""

    title: str
    url: str = ""
    text: str = ""


class ItemRow(Struct, frozen=True, kw_only=True):
    position: int
    title: str
    url: str
    look: str
    icon: str
    state: str
    text: str


class JobLink(Struct, frozen=True):
    url: str
    text: str
    downloads: bool = False


class _OneDevice(Struct, frozen=True):
    """The subject of a comparison, and of a decision about one camera."""

    did: str


class _Compared(Struct, frozen=True):
    """The item of a comparison."""

    did: str
    total: int
    missing: int
    differing: int
    unknown: int
    is_whole: bool = True


def describe_subject(job: Job) -> str:
    """What the job was asked to do; "" if its title says it all."""
    if job.kind == "settings":
        return _describe_settings(_decode(job.subject, ManySubject))
    did = _decode(job.subject, _OneDevice)
    return camera_name(auth.services(), did.did).name if did else ""


def _describe_settings(subject: ManySubject | None) -> str:
    """Which settings change, and to what; only their title if all of them do."""
    form = next((form for form in (FACE, RECORDING) if subject and form.name == subject.name), None)
    if subject is None or form is None:
        return ""
    title, changes = gettext(form.title), describe_changes(form, subject.param)
    if len(changes) > _MAX_CHANGES_SHOWN:
        return title
    return gettext("%(title)s: %(items)s") % {"title": title, "items": " · ".join(changes)}


def job_links(job: Job, me: User) -> list[JobLink]:
    """Where its outcome is."""
    if job.kind == "import":
        links = [JobLink("/people", gettext("People"))]
        if job.failed and auth.reaches(me, "people"):
            refused = JobLink(f"/jobs/{job.id}/refused.csv", gettext("Refused rows"), True)
            links.append(refused)
        return links
    did = _decode(job.subject, _OneDevice)
    return [JobLink(f"/cameras/{did.did}/people", gettext("People on the camera"))] if did else []


def item_rows(job: Job, items: Sequence[JobItem]) -> list[ItemRow]:
    describe = _DESCRIBE.get(job.kind, _plain)
    rows = []
    for item in items:
        text = describe(item) or _plain(item)
        rows.append(
            ItemRow(
                position=item.position,
                title=text.title,
                url=text.url,
                look=ITEM_LOOKS[item.state],
                icon=ITEM_ICONS[item.state],
                state=gettext(ITEM_STATES[item.state]),
                text=text.text,
            )
        )
    return rows


def _decode(text: str, shape: type[T]) -> T | None:
    """The JSON of a job; None if it is damaged, or of an earlier version."""
    try:
        return decode_json(text, shape)
    except msgspec.MsgspecError:
        return None


def _plain(item: JobItem) -> ItemText:
    return ItemText(gettext("Step %(n)s") % {"n": item.position + 1})


def _device(item: JobItem) -> ItemText | None:
    """A camera, and what it answered."""
    outcome = _decode(item.detail, DeviceOutcome)
    if outcome is None:
        return None
    camera = camera_name(auth.services(), outcome.did)
    answer = _answer(item, outcome) if camera.url else gettext("The camera was removed.")
    return ItemText(camera.name, camera.url, answer)


def _answer(item: JobItem, outcome: DeviceOutcome) -> str:
    """What a camera answered, or why it did not; "" if all is well."""
    if outcome.is_unknown:
        return gettext("Its other settings are unknown. Send it all settings once.")
    if outcome.is_refused:
        return gettext("The camera is refused. Its page says why.")
    if isinstance(outcome.later_job, int):
        return gettext("A later job sends it together with its own changes.")
    if isinstance(outcome.code, int):
        return device_message(outcome.code, outcome.msg) if outcome.code else ""
    if item.state == "waiting":
        return gettext("It will get the settings once it can be reached.")
    if item.state == "failed":
        return gettext("The camera could not be reached or did not respond.")
    return ""


def _refused_row(item: JobItem) -> ItemText | None:
    """A line of an import that was refused, and why."""
    row = _decode(item.detail, RefusedRow)
    if row is None:
        return None
    return ItemText(gettext("Row %(n)s") % {"n": row.line}, "", describe_refusal(row.refusal))


def _compared(item: JobItem) -> ItemText | None:
    """What a comparison found; what differs is repaired by itself."""
    found = _decode(item.detail, _Compared)
    if found is None:
        return None
    pattern = (
        gettext(
            "%(total)s people on it: %(missing)s missing, %(differing)s different, %(unknown)s "
            "unknown."
        )
        if found.is_whole
        else gettext(
            "The list could not be read completely, so nobody counts as missing. %(total)s "
            "people in it: %(differing)s different, %(unknown)s unknown."
        )
    )
    text = pattern % {
        "total": found.total,
        "missing": found.missing,
        "differing": found.differing,
        "unknown": found.unknown,
    }
    name = camera_name(auth.services(), found.did).name
    return ItemText(name, f"/cameras/{found.did}/people", text)


_DESCRIBE: dict[JobKind, Callable[[JobItem], ItemText | None]] = {
    "settings": _device,
    "restart": _device,
    "osd-name": _device,
    "import": _refused_row,
    "compare": _compared,
}
