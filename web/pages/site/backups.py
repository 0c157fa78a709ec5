"""Backups: when the last complete one was made, one at once, one to download, how to restore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

from msgspec import Struct
from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from hub.errors import BackupFault, TooManyRequests
from hub.services import Services
from hub.services.audit import Actor
from hub.services.backups.views import BackupFailure, KnownBackup
from hub.services.problems import PROBLEMS
from web import auth, language
from web.language import gettext, ngettext
from web.pages.faults import NO_FAULT, Fault
from web.pages.labels import (
    duration,
    folder_sentence,
    next_backup,
    reason_text,
    shown_value,
    size_text,
)
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked

blueprint = Blueprint("backups", __name__, url_prefix="/site/backups")

_DAY_SECONDS = 86_400
_INCOMPLETE = PROBLEMS["backup-incomplete"]


class BackupRow(Struct, frozen=True):
    """A backup as the list shows it."""

    name: str
    made: str
    size: str
    records: int
    has_pictures: bool
    has_damage: bool
    problem: str
    missing: str


class BackupsView(Struct, frozen=True):
    """What changes on the page. `tone`: good, warning or bad. Texts are "" if there is nothing.

    `unusable`: why no backup can be made in the folder.
    """

    tone: str
    unusable: str
    sentence: str
    when: str
    running: str
    failure: str
    advice: str
    incomplete: str
    replace_disk: str
    rows: list[BackupRow]
    total: str


class RestoredView(Struct, frozen=True):
    """The addresses of a hub that was restored on another computer."""

    before: str
    now: str


@blueprint.get("", role="admin")
async def backups() -> Response:
    return await _backups_page()


async def _backups_page(fault: Fault = NO_FAULT) -> Response:
    hub = auth.services()
    restored = hub.upkeep.backups.restored_from()
    return await page(
        "site/backups.html",
        status=fault.status,
        view=_view(hub),
        fault=fault.sentence,
        field=fault.field,
        folder=str(hub.upkeep.backups.folder),
        example=_example(hub),
        is_on_same_disk=hub.upkeep.backups.is_on_same_disk
        and not hub.upkeep.backups.folder_problem,
        hour=f"{hub.upkeep.backups.hour:02}:00",
        has_pictures=hub.upkeep.backups.has_pictures,
        restored=None
        if restored is None
        else RestoredView(", ".join(restored.addresses), ", ".join(restored.addresses_now)),
    )


@blueprint.get("/now", role="admin")
async def now() -> Response:
    """The part that changes."""
    return await page("site/_backups.html", view=_view(auth.services()))


@blueprint.get("/command", role="admin")
async def command() -> Response:
    """The command that restores the last complete backup, which changes with it."""
    return await page("site/_restore_command.html", example=_example(auth.services()))


def _example(hub: Services) -> str:
    newest = hub.upkeep.backups.last_complete
    return str(hub.upkeep.backups.folder / (newest.name if newest else "sitehub-….tar"))


@blueprint.post("/run", role="admin")
async def run() -> Response:
    # The page says that one is in progress, and says no longer so when it has ended.
    with suppress(TooManyRequests):
        await auth.services().upkeep.backups.run_now(auth.actor())
    return redirect_to("/site/backups")


@blueprint.post("/acknowledge", role="admin")
async def acknowledge() -> Response:
    await auth.services().upkeep.backups.acknowledge_restore(auth.actor())
    return redirect_to("/site/backups?done=changed")


@blueprint.post("/download", role="admin", password=asked(_backups_page))
async def download() -> Response:
    """Permit a download, which the browser then fetches: it takes longer than a form may."""
    form = await request.form
    hub, by = auth.services(), auth.actor()
    passphrase = form.get("passphrase", "")
    if passphrase != form.get("repeated", ""):
        return await _backups_page(Fault("repeated", gettext("The passphrases do not match.")))
    try:
        token = await hub.upkeep.backups.permit_file(
            by, pictures=form.get("pictures") == "yes", passphrase=passphrase or None
        )
    except BackupFault:
        text = gettext("Use a passphrase of at least 8 characters.")
        return await _backups_page(Fault("passphrase", text))
    except TooManyRequests:
        text = gettext("A backup is in progress. Try again later.")
        return await _backups_page(Fault("", text, 429))
    return redirect_to(f"/site/backups/file?token={token}")


@blueprint.get("/file", role="admin")
async def file() -> Response:
    by, token = auth.actor(), request.args.get("token", "")
    hub = auth.services()
    hub.upkeep.backups.check_permit(by, token)
    if request.method == "HEAD":
        return Response(b"", content_type="application/octet-stream")
    body = _FileBody(hub, by, token)
    response = Response(body, content_type="application/octet-stream")
    name = (
        f"sitehub-{datetime.fromtimestamp(hub.core.clock.likely_time(), UTC):%Y%m%d-%H%M%S}.backup"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


class _FileBody(ResponseBody):
    """The bytes of a backup, made while they are sent."""

    def __init__(self, hub: Services, by: Actor, token: str) -> None:
        self._backups = hub.upkeep.backups
        self._by = by
        self._token = token

    async def __aenter__(self) -> _FileBody:
        return self

    async def __aexit__(self, *failure: object) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with self._backups.open_file(self._by, self._token) as data:
            async for part in data:
                yield part


def _view(hub: Services) -> BackupsView:
    backups, newest = hub.upkeep.backups, hub.upkeep.backups.last_complete
    problem, failure = backups.folder_problem, backups.last_failure
    if problem and failure is not None and not failure.is_of_database:
        failure = None  # for the same reason
    return BackupsView(
        tone=_tone(hub),
        unusable=folder_sentence(str(backups.folder), problem) if problem else "",
        sentence=_sentence(hub, newest),
        when=_first(hub) if newest is None else _age(backups.now() - newest.made_at),
        running=_running(hub),
        failure=""
        if failure is None
        else gettext("The backup of %(time)s failed: %(reason)s")
        % {"time": _moment(hub, failure.at), "reason": shown_value(failure.reason)},
        advice=_advice(failure),
        incomplete=_incomplete(hub),
        replace_disk=gettext(_INCOMPLETE.advice),
        rows=[_row(hub, one) for one in backups.list()],
        total=size_text(backups.folder_bytes),
    )


def _advice(failure: BackupFailure | None) -> str:
    if failure is None:
        return ""
    code = "database-unread" if failure.is_of_database else "backup-failed"
    return gettext(PROBLEMS[code].advice)


def _incomplete(hub: Services) -> str:
    made = hub.upkeep.backups.last_incomplete
    if made is None:
        return ""
    return gettext("The backup of %(time)s is incomplete. %(missing)s") % {
        "time": _moment(hub, made.made_at),
        "missing": _missing(made),
    }


def _missing(one: KnownBackup) -> str:
    return gettext(
        "%(bytes)s bytes of pictures from %(days)s could not be read; they belong to %(records)s "
        "records."
    ) % {
        "bytes": one.unread_bytes,
        "days": one.unread_days,
        "records": one.unread_records,
    }


def _tone(hub: Services) -> str:
    backups = hub.upkeep.backups
    is_bad = backups.folder_problem or backups.last_failure or backups.last_incomplete
    if is_bad or backups.overdue_days() is not None:
        return "bad"
    newest = hub.upkeep.backups.last_complete
    is_fresh = newest is not None and hub.upkeep.backups.now() - newest.made_at < 1.5 * _DAY_SECONDS
    return "good" if is_fresh else "warning"


def _sentence(hub: Services, newest: KnownBackup | None) -> str:
    if newest is None:
        return gettext("There is no valid backup yet.")
    return gettext("The last valid backup was made on %(time)s.") % {
        "time": _moment(hub, newest.made_at)
    }


def _first(hub: Services) -> str:
    backups = hub.upkeep.backups
    is_told = backups.folder_problem or backups.last_failure or backups.running
    return "" if is_told else next_backup(hub)


def _age(seconds: float) -> str:
    if seconds < 0:
        return ""
    if seconds < 60:
        return gettext("just now")
    if seconds < 2 * _DAY_SECONDS:
        return gettext("%(length)s ago") % {"length": duration(seconds // 60 * 60)}
    days = int(seconds // _DAY_SECONDS)
    return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": days}


def _running(hub: Services) -> str:
    progress = hub.upkeep.backups.running
    if progress is None:
        return ""
    if progress.is_stalled:
        return gettext("A backup is in progress, but its disk has not responded for minutes.")
    if not progress.done_bytes:
        return gettext("The backup has started. You can leave this page.")
    done = size_text(progress.done_bytes)
    if not progress.total_bytes:
        return gettext("A backup is in progress: %(done)s read.") % {"done": done}
    return gettext("A backup is in progress: %(done)s of about %(total)s.") % {
        "done": done,
        "total": size_text(max(progress.total_bytes, progress.done_bytes)),
    }


def _row(hub: Services, one: KnownBackup) -> BackupRow:
    return BackupRow(
        name=one.name,
        made=_moment(hub, one.made_at),
        size=size_text(one.bytes),
        records=one.records,
        has_pictures=one.has_pictures,
        has_damage=one.has_damage,
        problem=reason_text(one.problem),
        missing=_missing(one) if one.unread else "",
    )


def _moment(hub: Services, seconds: float) -> str:
    return language.moment(int(seconds * 1000))
