"""The state of the site in a few tiles, each of which leads to the page behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from hub import __version__
from hub.services.disk_space import GB
from web import auth, language
from web.language import gettext, ngettext
from web.pages.labels import next_backup, reason_text, shown_value
from web.pages.shown.camera_rows import shown_state
from web.pages.site.problems import current_problems

#: Whether somebody has to look: "bad" soon, "warn" when there is time; "" says nothing about it.
TileState = Literal["good", "warn", "bad", ""]

_URGENCY: dict[TileState, int] = {"bad": 0, "warn": 1}
#: So many days before its end the certificate is shown as a warning: the hub renews its own in
#: time, one that was made elsewhere has to be asked for.
_OWN_DAYS, _OTHER_DAYS = 14, 30


class Tile(Struct, frozen=True):
    """One fact about the site: its name, what is, a detail, and whether that is good."""

    title: str
    value: str
    detail: str
    url: str
    icon: str
    state: TileState = ""


async def site_tiles() -> list[Tile]:
    """The tiles: what has to be looked at first, then in the order in which one asks."""
    tiles = [
        await _health(),
        _cameras(),
        _backup(),
        _disk(),
        _certificate(),
        _users(),
        _update(),
        *_settings(),
    ]
    return sorted(tiles, key=lambda tile: _URGENCY.get(tile.state, len(_URGENCY)))


async def _health() -> Tile:
    problems = await current_problems()
    value, detail, state = _cameras_or_well()
    if problems:
        count = len(problems)
        value = ngettext("%(n)s problem", "%(n)s problems", count) % {"n": count}
        detail, state = problems[0].text, "bad" if problems[0].is_serious else "warn"
    return Tile(
        title=gettext("Health"),
        value=value,
        detail=detail,
        url="/site#health",
        icon="pulse",
        state=state,
    )


def _cameras_or_well() -> tuple[str, str, TileState]:
    """What the health page shows first where the hub itself has no problem."""
    states = [shown_state(one) for one in auth.services().cameras.devices.list()]
    if count := states.count("refused"):
        text = ngettext("%(num)s camera is refused", "%(num)s cameras are refused", count)
    elif count := states.count("offline"):
        text = ngettext("%(num)s camera is offline", "%(num)s cameras are offline", count)
    else:
        return gettext("No problems"), "", "good"
    return text % {"num": count}, gettext("The hub itself is working."), "warn"


def _cameras() -> Tile:
    devices = [one for one in auth.services().cameras.devices.list() if one.enabled]
    online = sum(one.state == "online" for one in devices)
    return Tile(
        title=gettext("Cameras"),
        value=gettext("%(online)s of %(all)s online") % {"online": online, "all": len(devices)}
        if devices
        else gettext("None yet"),
        detail="" if devices else gettext("Next: connect your cameras."),
        url="/cameras" if devices else "/cameras/connect",
        icon="camera",
        state=_cameras_state(len(devices), online),
    )


def _cameras_state(count: int, online: int) -> TileState:
    if not count:
        return ""
    if any(reason.code == "cameras-offline" for reason in auth.services().upkeep.health.reasons()):
        return "bad"
    return "good" if online == count else "warn"


def _backup() -> Tile:
    hub = auth.services()
    last, overdue = hub.upkeep.backups.last_complete, hub.upkeep.backups.overdue_days()
    failure, problem = hub.upkeep.backups.last_failure, hub.upkeep.backups.folder_problem
    value = gettext("None yet")
    if last is not None:
        value = language.moment(int(last.made_at * 1000))
    detail = ""
    if problem:
        value = gettext("No backup can be made")
        detail = gettext("The folder cannot be used: %(reason)s") % {"reason": reason_text(problem)}
    elif failure is not None:
        detail = gettext("The last one failed: %(reason)s") % {
            "reason": shown_value(failure.reason)
        }
    elif last is None:
        detail = next_backup(hub)
    return Tile(
        title=gettext("Last valid backup"),
        value=value,
        detail=detail,
        url="/site/backups",
        icon="download",
        state="bad" if overdue is not None or failure or problem else "good" if last else "",
    )


def _disk() -> Tile:
    hub = auth.services()
    disk, days = hub.upkeep.figures.disk(), hub.upkeep.figures.days()
    value = gettext("unknown")
    if disk.free is not None:
        value = gettext("%(n)s GB free") % {"n": f"{disk.free / GB:.1f}"}
    is_low = disk.free is not None and disk.free < disk.needed
    waiting = len(hub.records.retention.waiting.waiting)
    if waiting:
        detail = ngettext(
            "%(n)s day is waiting for your decision.",
            "%(n)s days are waiting for your decision.",
            waiting,
        ) % {"n": waiting}
    else:
        detail = gettext("No records yet.")
        if days.count:
            detail = ngettext(
                "Records of %(n)s day are stored.", "Records of %(n)s days are stored.", days.count
            ) % {"n": days.count}
    return Tile(
        title=gettext("Storage"),
        value=value,
        detail=detail,
        url="/site#storage",
        icon="disk",
        state="warn" if is_low or waiting else "good",
    )


def _certificate() -> Tile:
    hub = auth.services()
    days = int((hub.upkeep.certificates.expires_at - hub.core.clock.likely_time()) // 86_400)
    is_own = hub.upkeep.certificates.kind == "site"
    soon = _OWN_DAYS if is_own else _OTHER_DAYS
    return Tile(
        title=gettext("Certificate"),
        value=gettext("expired")
        if days < 0
        else ngettext("%(n)s day left", "%(n)s days left", days) % {"n": days},
        detail=gettext("Issued by this hub") if is_own else "",
        url="/site#certificate",
        icon="shield",
        state="bad" if days < 0 else "warn" if days < soon else "good",
    )


def _users() -> Tile:
    hub = auth.services()
    users = hub.access.users.all()
    active = sum(bool(hub.access.sessions.of_user(user.name)) for user in users)
    return Tile(
        title=gettext("Users"),
        value=ngettext("%(n)s user", "%(n)s users", len(users)) % {"n": len(users)},
        detail=gettext("%(n)s signed in") % {"n": active},
        url="/site/users",
        icon="person",
    )


def _update() -> Tile:
    failure = auth.services().upkeep.updates.failure
    detail = ""
    if failure is not None:
        detail = gettext("The update to %(version)s was rolled back.") % {
            "version": failure.version
        }
    return Tile(
        title=gettext("Version"),
        value=__version__,
        detail=detail,
        url="/site#version",
        icon="up",
        state="warn" if failure else "",
    )


def _settings() -> Iterator[Tile]:
    """A tile only while something waits for a restart."""
    if waiting := auth.services().core.settings.waiting():
        yield Tile(
            title=gettext("Settings"),
            value=gettext("Restart needed"),
            detail=", ".join(state.setting.name for state in waiting[:3]),
            url="/site/settings",
            icon="restart",
            state="warn",
        )
