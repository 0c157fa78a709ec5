"""A backup in place of the set-up: what there is to restore, and how far it is."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import (
    BackupFault,
    BadParameter,
    DamagedBackup,
    HubError,
    NeedsPassphrase,
    NotAllowed,
    NotAuthorised,
    TooLarge,
    TooManyRequests,
    WrongPassphrase,
)
from hub.services.upkeep.first_restore import FirstRestore, OfferedBackup
from web import auth, language
from web.forms.restore_form import restore_sent_file
from web.language import gettext, ngettext
from web.pages.faults import NO_FAULT, Fault
from web.pages.labels import reason_text, size_text
from web.pages.layout import make_url, page, redirect_to, wants_part
from web.pages.setup import used_page

blueprint = Blueprint("restore", __name__, url_prefix="/setup/<token>/restore")

#: Pages show what has become of a restore without scripts.
_REFRESH_SECONDS = 2
#: The hub is started again meanwhile.
_RESTART_SECONDS = 20


class BackupRow(Struct, frozen=True):
    """A backup on a disk of the hub's computer, as the page offers it."""

    path: str
    title: str
    about: str
    is_chosen: bool


@blueprint.get("", role=None)
async def restore(token: str) -> Response:
    hub = auth.services()
    restoring = hub.upkeep.first_restore
    if not hub.access.setup_links.is_valid(token):
        return await _gone()
    if restoring.restored is not None or restoring.progress is not None:
        return await _progress_page(restoring)
    fault = NO_FAULT if restoring.fault is None else _fault_of(restoring.fault, restoring.path)
    return await _choice_page(token, fault)


@blueprint.post("", role=None)
async def begin(token: str) -> Response:
    """Restore a backup that is on a disk of the hub's computer."""
    hub, form = auth.services(), await request.form
    if not hub.access.setup_links.is_valid(token):
        return await _gone()
    path, place = form.get("backup", ""), form.get("folder", "")
    try:
        if not path:
            raise BadParameter("a backup is expected", field="path")
        await hub.upkeep.first_restore.begin(path, form.get("passphrase", ""))
    except TooManyRequests:
        pass  # which the page shows
    except HubError as error:
        return await _choice_page(token, _fault_of(error, path or None), place)
    return redirect_to(make_url(_address(token), folder=place))


@blueprint.post("/file", role=None, check="file")
async def send(token: str) -> Response:
    """Restore a backup that a browser sends."""
    try:
        await restore_sent_file(token)
    except NotAllowed:
        raise
    except NotAuthorised:
        return await _gone()
    except TooManyRequests:
        pass  # which the page shows
    except HubError as error:
        return await _choice_page(token, _fault_of(error, None))
    return redirect_to(_address(token))


def _address(token: str) -> str:
    return f"/setup/{token}/restore"


async def _gone() -> Response:
    """Also what the page leads to by itself once the restored hub is there."""
    return await used_page() if auth.services().access.setup_links.is_needed() else redirect_to("/")


async def _choice_page(token: str, fault: Fault, place: str = "") -> Response:
    restoring = auth.services().upkeep.first_restore
    shown = {
        "address": _address(token),
        "fault": fault,
        "most": restoring.free_bytes(),
        "no_room": _no_room(),
    }
    if wants_part():
        return await page("account/_restore_file.html", status=fault.status, **shown)
    place = (place or request.args.get("folder", "")).strip()
    found = await restoring.look(place)
    chosen = restoring.path or (found.backups[0].path if found.backups else "")
    return await page(
        "account/restore.html",
        status=fault.status,
        setup_address=f"/setup/{token}",
        is_offered=await restoring.is_offered(),
        rows=[_row(one, one.path == chosen) for one in found.backups],
        forbidden=found.forbidden,
        place=place,
        **shown,
    )


async def _progress_page(restoring: FirstRestore) -> Response:
    done = restoring.restored
    progress = restoring.progress
    port = auth.services().config.web.port
    response = await page(
        "account/restoring.html",
        restored=done,
        records="" if done is None else _records(done.records),
        new_port=done.web_port if done is not None and done.web_port != port else None,
        done_bytes=0 if progress is None else progress.done_bytes,
        total_bytes=0 if progress is None else progress.total_bytes,
        sentence="" if progress is None else _sentence(progress.done_bytes, progress.total_bytes),
    )
    response.headers["Refresh"] = str(_REFRESH_SECONDS if done is None else _RESTART_SECONDS)
    return response


def _sentence(done: int, total: int) -> str:
    if not total:
        return gettext("The backup is being opened.")
    if done >= total:
        return gettext("All of it has been read. It is being verified.")
    return gettext("%(done)s of about %(total)s have been read.") % {
        "done": size_text(done),
        "total": size_text(total),
    }


def _row(one: OfferedBackup, is_chosen: bool) -> BackupRow:
    made = language.moment(int(one.made_at * 1000))
    if one.records is None:
        title = gettext("Encrypted backup, %(time)s") % {"time": made}
        return BackupRow(one.path, title, size_text(one.bytes), is_chosen)
    facts = [_records(one.records), size_text(one.bytes)]
    if not one.has_pictures:
        facts.append(gettext("without pictures"))
    return BackupRow(one.path, f"{one.site}, {made}", " · ".join(facts), is_chosen)


def _records(count: int) -> str:
    return ngettext("%(count)s record", "%(count)s records", count) % {"count": f"{count:,}"}


def _no_room() -> str:
    return gettext("There is not enough free space for it on the disk of the hub.")


def _fault_of(error: HubError, path: str | None) -> Fault:
    """What is wrong with a backup, at its field: the chosen one, or the file that was sent."""
    field = "file" if path is None else "path"
    if isinstance(error, NeedsPassphrase):
        text = gettext("This backup is encrypted. Enter its passphrase.")
        return Fault(f"{field}_passphrase", text)
    if isinstance(error, WrongPassphrase):
        text = gettext(
            "The passphrase does not fit this backup. Check upper and lower case. If it is right, "
            "the backup is damaged."
        )
        return Fault(f"{field}_passphrase", text)
    if isinstance(error, DamagedBackup):
        text = gettext(
            "This is not a backup of a hub, or it is damaged or incomplete. Copy it again from "
            "where it was made, or choose another one."
        )
        return Fault(field, text)
    if isinstance(error, TooLarge):
        return Fault(field, _no_room())
    if isinstance(error, BackupFault):
        text = gettext("Nothing was restored: %(reason)s") % {"reason": reason_text(error.said)}
        return Fault(field, text)
    if isinstance(error, BadParameter) and error.field in ("path", "file"):
        return Fault(error.field, gettext("Choose a backup."))
    return Fault(
        field, gettext("The file was not received completely. Choose it and send it again.")
    )
