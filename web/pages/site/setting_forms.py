"""What the form of a setting has besides what the forms of all settings have."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from msgspec import Struct

from hub.config import Value
from hub.errors import BackupFault
from hub.net.networks import Networks
from web import auth
from web.language import N_, gettext
from web.pages.shown.folder_faults import folder_fault

_EXAMPLE_FOLDER = r"D:\sitehub-backups" if os.name == "nt" else "/mnt/second-disk/sitehub-backups"
_PROTECTS_CAMERAS = N_(
    "This setting protects camera connections. A weaker value makes it easier for others to read "
    "them or to impersonate a camera."
)

_NETWORKS_ALLOWED = N_("Addresses and networks, separated by commas, for example %(example)s.")


async def _no_fault(value: Value) -> str:
    return ""


async def _do_nothing() -> None:
    pass


class SiteSettingForm(Struct, frozen=True):
    """Texts are English, "" if there is none; `%(example)s` in `allowed` is the example.

    `title`: what the setting is called where people come to it from `page`. `risk`: what to know
    before it is changed, which needs the administrator's own password: a session that was stolen
    must not be enough. `find_fault`: why a value cannot be used, translated, or "". `changed` is
    called after a change.
    """

    title: str = ""
    page: str = "/site/settings"
    allowed: str = ""
    example: str = ""
    risk: str = ""
    find_fault: Callable[[Value], Awaitable[str]] = _no_fault
    changed: Callable[[], Awaitable[None]] = _do_nothing


async def _folder_fault(folder: Value) -> str:
    """Why no backups can be made in a folder; "" if they can."""
    try:
        await auth.services().upkeep.backups.try_folder(str(folder))
    except BackupFault as error:
        return folder_fault(str(folder), error)
    return ""


async def _look_at_folder() -> None:
    await auth.services().upkeep.backups.look()


async def _networks_fault(networks: Value) -> str:
    """That a part is no address and no network; "" if each is one."""
    try:
        Networks(str(networks))
    except ValueError:
        return gettext("One of the entries is neither an address nor a network.")
    return ""


_PLAIN = SiteSettingForm()
_FORMS = {
    "backup.folder": SiteSettingForm(
        title=N_("Backup folder"),
        page="/site/backups",
        allowed=N_(
            "A folder on a second disk or a network share, for example %(example)s. It is "
            "created if its parent folder exists."
        ),
        example=_EXAMPLE_FOLDER,
        risk=N_(
            "Backups contain all secrets of the site. Anyone who can read the new folder can use "
            "them."
        ),
        find_fault=_folder_fault,
        changed=_look_at_folder,
    ),
    "web.second_factor": SiteSettingForm(
        risk=N_("Without it, anyone who knows an administrator's password can change this hub.")
    ),
    "devices.legacy_ciphers": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.clock_skew": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.http_auth": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.plain_body_md5": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.any_origin": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.unsigned": SiteSettingForm(risk=_PROTECTS_CAMERAS),
    "devices.unsigned_networks": SiteSettingForm(
        allowed=_NETWORKS_ALLOWED,
        example="192.168.20.0/24",
        risk=_PROTECTS_CAMERAS,
        find_fault=_networks_fault,
    ),
}


def form_of(name: str) -> SiteSettingForm:
    """Return what the form of this setting has besides."""
    return _FORMS.get(name, _PLAIN)
