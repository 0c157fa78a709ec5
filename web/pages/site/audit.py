"""The audit log for administrators: who changed what, when, and from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import NoSuchResource
from hub.store.tables.audit import AuditEntry
from web import auth, language
from web.language import N_, gettext, ngettext
from web.pages.actors import actor_text
from web.pages.labels import ROLES
from web.pages.layout import make_url, page, saved_file
from web.pages.reports.labels import PERIODS, REPORTS
from web.pages.site.audit_export import export_csv
from web.pages.site.audit_filter import GROUPS, read_form
from web.pages.times import now_here

blueprint = Blueprint("audit", __name__)

_PAGE_ENTRIES = 100
#: The largest integer of SQLite.
_MAX_ID = 2**63 - 1

#: The actions by their codes in the audit log. On the page the target follows.
ACTIONS = {
    "device.add": N_("Added the camera"),
    "device.accept": N_("Accepted the camera"),
    "device.expect": N_("Approved, before it connects, the camera"),
    "device.ignore": N_("Ignored the connection attempts of"),
    "device.show-attempts": N_("Stopped ignoring the connection attempts of"),
    "device.change": N_("Changed the camera"),
    "device.rename": N_("Renamed the camera"),
    "device.identity": N_("Changed the identity of the camera"),
    "device.drop-earlier-key": N_("Revoked the old key of the camera"),
    "device.init": N_("Sent the initial parameters to the camera"),
    "device.take-over": N_("Accepted the changed address and MAC address of the camera"),
    "device.dismiss": N_("Dismissed the notice about the camera"),
    "device.give-address": N_("Sent a secret address to the camera"),
    "device.withdraw-address": N_("Withdrew the secret address of the camera"),
    "device.capability": N_("Changed the functions set for the camera"),
    "device.clock": N_("Changed the clock check of the camera"),
    "device.enable": N_("Enabled the camera"),
    "device.disable": N_("Disabled the camera"),
    "device.remove": N_("Removed the camera"),
    "device.guessed": N_("Tried security codes for the camera"),
    "device.command": N_("Sent a command to the camera"),
    "device.set_face": N_("Changed the settings for faces and people on the camera"),
    "device.set_recording": N_("Changed the recording settings on the camera"),
    "device.set_light": N_("Changed the light of the camera"),
    "device.relay_on": N_("Switched on the relay of the camera"),
    "device.relay_off": N_("Switched off the relay of the camera"),
    "device.relay_failed": N_("Failed to switch the relay of the camera"),
    "device.relay_set": N_("Set up the relay of the camera"),
    "device.relay_remove": N_("Removed the relay of the camera"),
    "device.move": N_("Moved the camera"),
    "device.preset_go": N_("Moved the camera to a preset"),
    "device.preset_set": N_("Saved a preset on the camera"),
    "device.preset_delete": N_("Deleted a preset from the camera"),
    "device.patrol_start": N_("Started a patrol of the camera"),
    "device.patrol_stop": N_("Stopped the patrol of the camera"),
    "device.patrol_change": N_("Changed the patrols of the camera"),
    "device.set_image": N_("Changed the image settings on the camera"),
    "device.set_address": N_("Changed the IP address of the camera"),
    "device.format_card": N_("Formatted the card of the camera"),
    "device.set_masks": N_("Changed the privacy masks of the camera"),
    "device.set_media": N_("Changed the video and audio settings on the camera"),
    "device.reboot": N_("Restarted the camera"),
    "device.person_add": N_("Added a person to the camera"),
    "device.person_delete": N_("Deleted a person from the camera"),
    "device.person_clear": N_("Deleted all people from the camera"),
    "device.person_numbers": N_("Viewed full personal numbers of a person on the camera"),
    "person.record_numbers": N_("Viewed full personal numbers in the record"),
    "site-key.set": N_("Set the site key"),
    "site-key.remove": N_("Removed the site key"),
    "site.change": N_("Changed name, time zone or language of the site"),
    "certificate.upload": N_("Installed the certificate"),
    "certificate.remove": N_("Deleted the certificate"),
    "settings.change": N_("Changed the setting"),
    "pictures.accept-lost": N_("Acknowledged lost pictures of"),
    "retention.accept-lost": N_("Acknowledged lost changes since"),
    "backup.run": N_("Started a backup"),
    "backup.file": N_("Wrote a backup to the file"),
    "backup.download": N_("Downloaded a backup"),
    "backup.acknowledge": N_("Confirmed the addresses after a restore"),
    "setup.link": N_("Created a setup link"),
    "user.sign_in": N_("Signed in"),
    "user.confirm_failed": N_("Entered a wrong password while signed in as"),
    "user.sign_out_everywhere": N_("Ended all sessions of the user"),
    "user.add": N_("Added the user"),
    "user.role": N_("Changed the role of the user"),
    "user.enable": N_("Enabled the user"),
    "user.disable": N_("Disabled the user"),
    "user.link": N_("Created a setup link for the user"),
    "user.link-withdraw": N_("Revoked the setup link for the user"),
    "screen.link": N_("Created a link for the wall screen"),
    "screen.start": N_("Started the wall screen"),
    "screen.end": N_("Signed the wall screen out"),
    "user.password": N_("Changed the password of the user"),
    "user.factor_on": N_("Turned on the second factor of the user"),
    "user.factor_off": N_("Removed the second factor of the user"),
    "user.factor_failed": N_("Entered a wrong code of the second factor"),
    "user.factor_recovery": N_("Used a recovery code; number left:"),
    "user.remove": N_("Removed the user"),
    "audit.export": N_("Exported the audit log"),
    "apikey.add": N_("Added the API key"),
    "apikey.remove": N_("Removed the API key"),
    "clock.confirm": N_("Confirmed the clock of the hub"),
    "retention.confirm": N_("Let the records of these days be deleted"),
    "alarm.acknowledge": N_("Acknowledged the alarm"),
    "alarm.close": N_("Closed the alarm"),
    "search.save": N_("Saved the search"),
    "search.rename": N_("Renamed the saved search"),
    "search.remove": N_("Deleted the saved search"),
    "record.export": N_("Exported records"),
    "alarm.export": N_("Exported the alarms"),
    "alarm.rules": N_("Changed the alarm rules; number of rules now:"),
    "plates.add": N_("Added the plate list"),
    "plates.change": N_("Changed the plate list"),
    "plates.remove": N_("Removed the plate list"),
    "report.export": N_("Exported the report"),
    "report.delivery": N_("Changed the morning reports:"),
    "report.sent": N_("Sent the reports of the day before:"),
    "report.gates": N_("Chose the entrances and exits of reports"),
    "report.schedules": N_("Changed the schedules of attendance; number now:"),
    "target.add": N_("Added the target"),
    "target.set": N_("Changed the target"),
    "target.remove": N_("Removed the target"),
    "target.secret": N_("Changed the secret of the target"),
    "target.test": N_("Tested the target"),
    "target.restored-everything": N_("After the restore, everything again for the target"),
    "target.restored-new": N_("After the restore, only what is new for the target"),
    "target.retry": N_("Retried the target"),
    "target.confirm": N_("Confirmed the gaps of the target"),
    "hold.add": N_("Kept records as evidence"),
    "hold.extend": N_("Added records to the evidence"),
    "hold.change": N_("Changed the reason or end date of the evidence"),
    "hold.release": N_("Released the evidence"),
    "hold.export": N_("Exported the evidence"),
    "erasure.begin": N_("Erased the records of a person"),
    "person.add": N_("Added the person"),
    "person.change": N_("Changed the person"),
    "person.put": N_("Added or changed the person"),
    "person.remove": N_("Removed the person"),
    "person.numbers": N_("Viewed full personal numbers of"),
    "person.import": N_("Imported people:"),
    "person.export": N_("Exported the people of the register:"),
    "device.read-recording": N_("Fetched a recording from the camera"),
    "person.search": N_("Searched cameras by a photo:"),
    "job.cancel": N_("Cancelled the job"),
    "person.retry": N_("Retried people that cameras refused:"),
    "person.take-over": N_("Added the unknown people from the camera to the register"),
    "person.remove-unknown": N_("Removed the unknown people from the camera"),
    "person.sync": N_("Changed how the people on the camera are managed:"),
    "group.add": N_("Added the group of cameras"),
    "group.change": N_("Changed the group of cameras"),
    "group.remove": N_("Removed the group of cameras"),
    "firmware.file-add": N_("Uploaded the firmware file"),
    "firmware.file-remove": N_("Removed the firmware file"),
    "firmware.add": N_("Added the release"),
    "firmware.remove": N_("Removed the release"),
    "campaign.start": N_("Started the campaign"),
    "campaign.pause": N_("Paused the campaign"),
    "campaign.resume": N_("Resumed the campaign"),
    "campaign.stop": N_("Stopped the campaign"),
    "update.install": N_("Installed the update to version"),
    "update.back": N_("Rolled back to version"),
    "update.done": N_("The hub was updated to version"),
    "update.undone": N_("The hub rolled back the update to version"),
}

_OF_ONE_PERSON = ("person.add", "person.change", "person.put", "person.numbers")
#: What is exported, by the code of its form.
_FORMS = {
    "csv": N_("CSV for spreadsheets"),
    "print": N_("Printable page"),
    "xlsx": "Excel",
    "zip": N_("ZIP with pictures"),
}


class AuditTarget(Struct, frozen=True):
    """The target of an action: its name, its page, and further details."""

    name: str = ""
    url: str = ""
    detail: str = ""


class AuditRow(Struct, frozen=True):
    """An entry as the page shows it."""

    time: str
    who: str
    address: str
    action: str
    target: AuditTarget


@blueprint.get("/site/audit", role="admin")
async def audit() -> Response:
    before = request.args.get("before", type=int)
    before = None if before is None else max(0, min(before, _MAX_ID))
    form = read_form()
    found = await auth.services().core.audit.newest(
        before=before, limit=_PAGE_ENTRIES + 1, matching=form.matching
    )
    entries = found[:_PAGE_ENTRIES]
    has_more = len(found) > len(entries)
    return await page(
        "site/audit.html",
        rows=[_row(entry) for entry in entries],
        is_first=before is None,
        older=make_url("/site/audit", before=str(entries[-1].id), **form.values)
        if has_more
        else "",
        newest=make_url("/site/audit", **form.values),
        export=make_url("/site/audit/export", **form.values),
        form=form,
        groups=[(code, gettext(text)) for code, text in GROUPS.items()],
    )


@blueprint.get("/site/audit/export", role="admin")
async def export() -> Response:
    """All entries that the filter finds, as CSV."""
    hub, shown = auth.services(), language.current()

    def describe(action: str) -> str:
        return shown.gettext(ACTIONS[action]) if action in ACTIONS else action

    form = read_form()
    await hub.core.audit.require(auth.actor(), "audit.export", "")
    name = f"audit-{now_here().date()}.csv"
    return saved_file(name, export_csv(hub.core.audit, form.matching, describe))


def _row(entry: AuditEntry) -> AuditRow:
    action = ACTIONS.get(entry.action)
    return AuditRow(
        time=language.moment(entry.at),
        who=actor_text(entry.who),
        address=entry.address,
        action=gettext(action) if action else entry.action,
        target=_target(entry),
    )


def _target(entry: AuditEntry) -> AuditTarget:
    kind = entry.action.partition(".")[0]
    return _TARGETS.get(kind, _plain)(entry)


def _plain(entry: AuditEntry) -> AuditTarget:
    return AuditTarget(entry.target)


def _camera(entry: AuditEntry) -> AuditTarget:
    """The target of a device action: a did, and for some actions details."""
    did, _, detail = entry.target.partition(" ")
    try:
        camera = auth.services().cameras.devices.get(did)
    except NoSuchResource:
        return AuditTarget(did, detail=detail)
    return AuditTarget(camera.name or camera.sn, f"/cameras/{did}", detail)


def _person(entry: AuditEntry) -> AuditTarget:
    """A person by number; of what is done to a camera's people, the camera."""
    if entry.action in ("person.take-over", "person.remove-unknown", "person.sync"):
        return _camera(entry)
    if entry.action == "person.record_numbers":
        return AuditTarget(entry.target, f"/records/{entry.target}")
    is_one = entry.action in _OF_ONE_PERSON and entry.target.isdecimal()
    return AuditTarget(entry.target, f"/people/{entry.target}" if is_one else "")


def _group(entry: AuditEntry) -> AuditTarget:
    """A group of cameras by its name; a removed one by its number."""
    groups = {str(group.id): group.name for group in auth.services().people.groups.list()}
    return AuditTarget(groups.get(entry.target, entry.target))


def _setting(entry: AuditEntry) -> AuditTarget:
    """The target of a change of settings: "NAME: OLD -> NEW"."""
    name, _, values = entry.target.partition(": ")
    return AuditTarget(name, detail=values.replace(" -> ", " → "))


def _user(entry: AuditEntry) -> AuditTarget:
    """The target of a user action: a name, and for some actions the new role."""
    if entry.action == "user.sign_in":  # The target is the actor.
        return AuditTarget()
    if entry.action in ("user.add", "user.role", "user.link"):
        name, _, role = entry.target.rpartition(" ")
        return AuditTarget(name, detail=gettext(ROLES[role]) if role in ROLES else role)
    return AuditTarget(entry.target)


def _release(entry: AuditEntry) -> AuditTarget:
    """The target of a firmware action: the number of a release, or the SHA-256 of a file."""
    if entry.action not in ("firmware.add", "firmware.remove"):
        return AuditTarget(entry.target[:12])
    try:
        release = auth.services().firmware.releases.get(int(entry.target))
    except (NoSuchResource, ValueError):
        return AuditTarget(entry.target)
    return AuditTarget(release.ver_name, f"/cameras/firmware/releases/{release.id}")


def _campaign(entry: AuditEntry) -> AuditTarget:
    """The number of a campaign. Old campaigns are forgotten, and have no page then."""
    campaigns = auth.services().firmware.campaigns.outlines()
    is_known = any(str(one.id) == entry.target for one in campaigns)
    url = f"/cameras/firmware/campaigns/{entry.target}" if is_known else ""
    return AuditTarget(entry.target, url)


def _hold(entry: AuditEntry) -> AuditTarget:
    """A hold, and for most actions the number of its records."""
    return _numbered(entry, "/search/kept/")


def _alarm(entry: AuditEntry) -> AuditTarget:
    """An alarm by its number; for rules how many there are."""
    is_one = entry.action != "alarm.rules" and entry.target.isdecimal()
    return AuditTarget(entry.target, f"/alarms/{entry.target}" if is_one else "")


def _plate_list(entry: AuditEntry) -> AuditTarget:
    """A plate list: its number, and its name at that time."""
    id, _, name = entry.target.partition(" ")
    is_there = any(str(one.id) == id for one in auth.services().alarms.plate_lists.list())
    return AuditTarget(name or id, f"/alarms/plates/{id}" if is_there else "")


def _erasure(entry: AuditEntry) -> AuditTarget:
    """An erasure, and the number of its records."""
    return _numbered(entry, "/site/erasures/")


def _api_key(entry: AuditEntry) -> AuditTarget:
    """A key that was added by its name; a removed one by its appid."""
    appid, _, name = entry.target.partition(" ")
    return AuditTarget(name or appid, detail=appid if name else "")


def _export(entry: AuditEntry) -> AuditTarget:
    """An export of records: its form, and what was searched for."""
    form, _, asked = entry.target.partition(" ")
    return AuditTarget(_word(_FORMS, form), detail=asked)


def _report(entry: AuditEntry) -> AuditTarget:
    """Of an exported report "KIND PERIOD DAY FORM"; of entrances and exits, their groups."""
    if entry.action == "report.gates":
        return AuditTarget(_gates(entry.target))
    if entry.action != "report.export" or entry.target.count(" ") != 3:
        return AuditTarget(entry.target)
    kind, period, day, form = entry.target.split(" ")
    date = language.current().camera_day(day)
    detail = " · ".join((_word(PERIODS, period), date, _word(_FORMS, form)))
    return AuditTarget(_word(REPORTS, kind), detail=detail)


def _gates(target: str) -> str:
    """The groups at the entrances and at the exits, each as IDs with commas, by their names."""
    names = {str(group.id): group.name for group in auth.services().people.groups.list()}
    sides = ([names.get(id, id) for id in side.split(",")] for side in target.split(" "))
    return " → ".join(", ".join(side) for side in sides)


def _word(words: Mapping[str, str], code: str) -> str:
    return gettext(words[code]) if code in words else code


def _numbered(entry: AuditEntry, url: str) -> AuditTarget:
    id, _, count = entry.target.partition(" ")
    if not (id.isdecimal() and (count.isdecimal() or not count)):
        return AuditTarget(entry.target)
    n = int(count or 0)
    detail = ngettext("%(n)s record", "%(n)s records", n) % {"n": n} if count else ""
    return AuditTarget(id, f"{url}{id}", detail)


_TARGETS: dict[str, Callable[[AuditEntry], AuditTarget]] = {
    "apikey": _api_key,
    "device": _camera,
    "record": _export,
    "report": _report,
    "person": _person,
    "group": _group,
    "settings": _setting,
    "user": _user,
    "alarm": _alarm,
    "plates": _plate_list,
    "hold": _hold,
    "erasure": _erasure,
    "firmware": _release,
    "campaign": _campaign,
}
