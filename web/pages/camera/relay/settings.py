"""Set up the door or relay of a camera: where its own HTTP is, and how the hub logs in to it."""

from __future__ import annotations

from typing import cast

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.camera_functions.relays.relays import RelaySettings
from hub.services.camera_functions.relays.validation import (
    MAX_NAME_LENGTH,
    MAX_PASSWORD_LENGTH,
    MAX_SECONDS,
    MAX_USERNAME_LENGTH,
    MIN_PASSWORD_LENGTH,
)
from hub.services.devices.views import DeviceView
from hub.store.tables.device_relays import DeviceRelay, RelayKind
from web import auth
from web.language import N_, gettext
from web.pages.camera.layout import camera_page, get_camera
from web.pages.layout import redirect_to
from web.pages.shown.relays import KINDS

blueprint = Blueprint("camera_relay_settings", __name__, url_prefix="/cameras/<int:did>/relay")

_FIELDS = ("name", "kind", "seconds", "address", "port", "username")
#: What is wrong with a field, whatever it is; and where one field can be wrong in several ways.
_FAULTS = {
    "name": N_("Enter a name of at most %(name)s characters."),
    "kind": N_("There is no such choice."),
    "seconds": N_("Enter a time from 1 to %(seconds)s seconds."),
    "address": N_(
        "Enter an IP address of the site's network: the one that the camera is connected from, or "
        "a private one. It cannot be an address of the hub."
    ),
    "port": N_("Enter a port from 1 to 65535."),
    "username": N_(
        "Enter a user name of at most %(username)s letters, digits and the characters . _ - @."
    ),
    "password": N_("Enter a password of %(least)s to %(password)s characters."),
}
_PASSWORD_FAULTS = {
    "default": N_(
        "This is a default password, or one that is tried first. Set another one on the camera's "
        "own web page, then enter it here."
    ),
    "again": N_(
        "Enter the password again: it is not sent to another address, port or user name than it "
        "was entered for."
    ),
}
_BOUNDS = {
    "name": MAX_NAME_LENGTH,
    "seconds": MAX_SECONDS,
    "username": MAX_USERNAME_LENGTH,
    "least": MIN_PASSWORD_LENGTH,
    "password": MAX_PASSWORD_LENGTH,
}


@blueprint.get("/settings", role="admin")
async def show(did: int) -> Response:
    device = get_camera(did)
    relay = auth.services().cameras.relays.get(device.did)
    return await _settings_page(device, relay, _values(device, relay))


@blueprint.post("/settings", role="admin")
async def save(did: int) -> Response:
    """Save the settings. An empty password leaves the present one."""
    device, form = get_camera(did), await request.form
    values = {name: form.get(name, "").strip() for name in _FIELDS}
    values["tls"] = form.get("tls", "")
    try:
        settings = _settings(values, form.get("password", ""))
        await auth.services().cameras.relays.set(device.did, settings, by=auth.actor())
    except BadParameter as error:
        relay = auth.services().cameras.relays.get(device.did)
        return await _settings_page(device, relay, values, error)
    return redirect_to(f"/cameras/{did}/relay/settings?done=relay-saved")


@blueprint.post("/remove", role="admin")
async def remove(did: int) -> Response:
    """Remove the relay, with its password."""
    await auth.services().cameras.relays.remove(str(did), by=auth.actor())
    return redirect_to(f"/cameras/{did}/relay/settings?done=relay-removed")


def _settings(values: dict[str, str], password: str) -> RelaySettings:
    """Return the settings of a form. Raises BadParameter, which names the field."""
    if values["kind"] not in KINDS:
        raise BadParameter("a kind of the page is expected", field="kind")
    return RelaySettings(
        name=values["name"],
        kind=cast(RelayKind, values["kind"]),
        seconds=_number(values, "seconds"),
        address=values["address"],
        port=_number(values, "port"),
        tls=values["tls"] == "yes",
        username=values["username"],
        password=password,
    )


def _number(values: dict[str, str], name: str) -> int:
    text = values[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise BadParameter("a number is expected", field=name)
    return int(text)


def _values(device: DeviceView, relay: DeviceRelay | None) -> dict[str, str]:
    """Return the fields as they are; of a new relay, what is most likely right."""
    if relay is None:
        address = auth.services().cameras.relays.own_address(device.did)
        return {"kind": "door", "seconds": "5", "address": address, "port": "80"}
    values = {name: str(getattr(relay, name)) for name in _FIELDS}
    return {**values, "tls": "yes" if relay.tls else ""}


async def _settings_page(
    device: DeviceView,
    relay: DeviceRelay | None,
    values: dict[str, str],
    error: BadParameter | None = None,
) -> Response:
    return await camera_page(
        "camera/relay/settings.html",
        device,
        status=400 if error else 200,
        relay=relay,
        values=values,
        kinds=[(kind, gettext(text), values.get("kind") == kind) for kind, text in KINDS.items()],
        own_address=auth.services().cameras.relays.own_address(device.did),
        bounds=_BOUNDS,
        fault_field=error.field if error else "",
        fault=_describe(error) if error else "",
    )


def _describe(error: BadParameter) -> str:
    return gettext(_PASSWORD_FAULTS.get(error.fault) or _FAULTS[error.field]) % _BOUNDS
