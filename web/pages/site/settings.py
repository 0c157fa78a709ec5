"""The settings of `sitehub.toml`: their values, where these come from, and changing them."""

from __future__ import annotations

from itertools import groupby

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.config import Setting, Value, as_toml
from hub.errors import (
    BadParameter,
    CannotStoreNow,
    StartFault,
)
from hub.services.settings.settings import SettingState
from web import auth
from web.language import N_, gettext
from web.pages.faults import Fault, NotHere
from web.pages.layout import make_url, page, redirect_to
from web.pages.own_password import Form, asked
from web.pages.site.setting_forms import form_of

blueprint = Blueprint("site_settings", __name__, url_prefix="/site/settings")

SECTION_TITLES = {
    "site": N_("Site"),
    "web": N_("Dashboard, uploads and API"),
    "devices": N_("Connections of cameras"),
    "store": N_("Records and disk space"),
    "tls": N_("Certificate"),
    "people": N_("People"),
    "alarms": N_("Alarms"),
    "log": N_("Log"),
    "backup": N_("Backups"),
    "time": N_("Time"),
    "update": N_("Update"),
}

_SOURCES = {
    "default": N_("Default"),
    "file": N_("File"),
    "environment": N_("Environment"),
    "set": N_("Command line"),
}
_ON_PAGE = N_("Page")

#: Why a setting cannot be changed here.
_LOCKS = {
    "environment": N_(
        "It is set by the environment variable %(variable)s. Remove the variable, then restart "
        "the hub."
    ),
    "set": N_("It is set by --set %(name)s, with which the hub was started."),
    "file-only": N_(
        "A wrong value could prevent the hub from starting, or you from reaching this page. "
        "Change it in the file %(path)s, then restart the hub."
    ),
    "page": N_("Change it on the Overview page."),
}

#: Settings that delete records or backups when they become smaller, and one when it becomes larger.
_DELETES_BELOW = ("store.keep_days", "store.max_gb", "backup.max_gb")
_DELETES_ABOVE = "store.min_free_gb"


class SettingRow(Struct, frozen=True):
    """A setting as the page shows it. `waiting`: its value after a restart, or ""."""

    name: str
    meaning: str
    value: str
    source: str
    waiting: str
    is_default: bool
    lock: str
    url: str


class SiteSettingGroup(Struct, frozen=True):
    title: str
    rows: list[SettingRow]


@blueprint.get("", role="admin")
async def settings() -> Response:
    return await _settings_page()


async def _settings_page(fault: str = "") -> Response:
    hub = auth.services()
    states = hub.core.settings.states()
    groups = [
        SiteSettingGroup(_title(section), [_row(state) for state in found])
        for section, found in groupby(states, key=lambda state: state.setting.section)
    ]
    return await page(
        "site/settings.html",
        status=400 if fault else 200,
        groups=groups,
        path=hub.core.settings.path,
        waiting=[_row(state) for state in hub.core.settings.waiting()],
        fault=fault,
    )


def _title(section: str) -> str:
    return gettext(SECTION_TITLES[section]) if section in SECTION_TITLES else section


def _row(state: SettingState) -> SettingRow:
    setting, source = state.setting, gettext(_SOURCES[state.source])
    value: Value = state.value
    chosen = auth.services().core.site.chosen(setting.key) if setting.section == "site" else None
    if chosen is not None:
        value, source = chosen, gettext(_ON_PAGE)
    return SettingRow(
        name=setting.name,
        meaning=gettext(setting.meaning),
        value=_shown(value),
        source=source,
        waiting=_shown(state.next_value) if state.waits_for_restart else "",
        is_default=value == setting.default,
        lock=_lock(state),
        url=make_url("/site/settings/change", name=setting.name),
    )


def _shown(value: Value) -> str:
    """A value for people: as in the file, without the quotes of text."""
    if isinstance(value, str):
        return value
    return f"{value:.10g}" if isinstance(value, float) else as_toml(value)


def _lock(state: SettingState) -> str:
    """Why the setting cannot be changed on this page; empty if it can."""
    lock = "page" if state.setting.section == "site" else state.lock
    if not lock:
        return ""
    return gettext(_LOCKS[lock]) % {
        "variable": state.setting.variable,
        "name": state.setting.name,
        "path": auth.services().core.settings.path,
    }


@blueprint.post("/reload", role="admin")
async def reload() -> Response:
    """Read the file again."""
    try:
        changes = await auth.services().core.settings.reload(by=auth.actor())
    except StartFault as fault:
        return await _settings_page(fault.message)
    return redirect_to(f"/site/settings?done={'settings-read' if changes else 'settings-same'}")


@blueprint.get("/change", role="admin")
async def show_change() -> Response:
    return await _change_page(_state(request.args.get("name", "")))


def _state(name: str) -> SettingState:
    """The setting of this name. Raises NoSuchResource."""
    try:
        return auth.services().core.settings.state(name)
    except BadParameter as error:
        raise NotHere(gettext("There is no setting %(key)s.") % {"key": name}) from error


async def _change_page(
    state: SettingState,
    *,
    text: str | None = None,
    fault: str = "",
    field: str = "value",
    status: int = 200,
) -> Response:
    setting = state.setting
    special = form_of(setting.name)
    return await page(
        "site/setting.html",
        status=status,
        row=_row(state),
        setting=setting,
        title=gettext(special.title) if special.title else "",
        back=special.page,
        group=_title(setting.section),
        text=_shown(state.next_value) if text is None else text,
        default=_shown(setting.default),
        in_file="" if state.in_file is None else _shown(state.in_file),
        allowed=_allowed(setting),
        fault=fault,
        risk=gettext(special.risk) if special.risk else "",
        field=field,
    )


def _allowed(setting: Setting) -> str:
    """What the setting may be, as a sentence."""
    if setting.choices:
        return gettext("One of: %(values)s.") % {"values": ", ".join(setting.choices)}
    special = form_of(setting.name)
    if special.allowed:
        return gettext(special.allowed) % {"example": special.example}
    if setting.bounds is None:
        return gettext("Text.")
    least, most = (_shown(float(bound)) for bound in setting.bounds)
    if setting.is_whole:
        return gettext("A whole number from %(least)s to %(most)s.") % {
            "least": least,
            "most": most,
        }
    return gettext("A number from %(least)s to %(most)s.") % {"least": least, "most": most}


async def _show_again(fault: Fault) -> Response:
    form = await request.form
    return await _change_page(
        _state(form.get("name", "")),
        text=form.get("value", "").strip(),
        fault=fault.sentence,
        field=fault.field,
        status=fault.status,
    )


def _is_harmless(form: Form) -> bool:
    return not form_of(form.get("name", "")).risk


@blueprint.post("/change", role="admin", password=asked(_show_again, unless=_is_harmless))
async def change() -> Response:
    """Set one setting, or with `reset` remove it from the file."""
    form = await request.form
    state = _state(form.get("name", ""))
    setting, text = state.setting, form.get("value", "").strip()
    if fault := _lock(state):
        return await _change_page(state, fault=fault, status=400)
    new: Value | None = None
    if not form.get("reset"):
        try:
            new = setting.check(text, "on the page", from_text=True)
        except StartFault:
            fault = gettext("This value is not allowed. %(allowed)s") % {
                "allowed": _allowed(setting)
            }
            return await _change_page(state, text=text, fault=fault, status=400)
    after = setting.default if new is None else new
    if _deletes_records(state, after) and not form.get("confirmed"):
        return await page(
            "site/setting_confirm.html",
            row=_row(state),
            text=text,
            reset=form.get("reset", ""),
            after=_shown(after),
        )
    special = form_of(setting.name)
    if fault := await special.find_fault(after):
        return await _change_page(state, text=text, fault=fault, status=400)
    try:
        changes = await auth.services().core.settings.change({setting.name: new}, by=auth.actor())
    except (BadParameter, CannotStoreNow) as error:
        return await _change_page(state, text=text, fault=error.message, status=error.status)
    done = "setting-waits" if any(not one.applied for one in changes) else "setting-changed"
    await special.changed()
    return redirect_to(f"{special.page}?done={done}")


def _deletes_records(state: SettingState, after: Value) -> bool:
    """Whether the new value may make the hub delete records or backups that it keeps now."""
    name, before = state.setting.name, state.value
    if isinstance(before, str) or isinstance(after, str):
        return False
    if name in _DELETES_BELOW:
        # 0 is no limit for the size.
        return after > 0 and (before == 0 or after < before)
    return name == _DELETES_ABOVE and after > before
