"""The page for connecting cameras: addresses, certificate, site key and pending devices."""

from __future__ import annotations

import io

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from web import auth
from web.forms.key_field import read_key
from web.language import N_, gettext
from web.pages.cameras.arrivals import accepted_note, find_arrivals
from web.pages.cameras.ignore import ignored_rows
from web.pages.cameras.pending_list import PendingRow, page_url, pending_list, read_back
from web.pages.faults import Fault, NotHere
from web.pages.labels import describe_field_error
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked

blueprint = Blueprint("connect", __name__, url_prefix="/cameras/connect")


class HubAddress(Struct, frozen=True):
    """One address to enter on a camera or to open in a browser."""

    id: str
    label: str
    url: str
    host: str
    port: int


_PORT_LABELS = {
    "devices": N_("Camera connection (WebSocket)"),
    "web": N_("Pictures and events (HTTP)"),
    "devices-plain": N_("Camera connection without TLS"),
    "web-plain": N_("Pictures and events without TLS"),
}


def _ports() -> list[tuple[str, str, int]]:
    """The ports that are open, as (id, scheme, port)."""
    config = auth.services().config
    devices, web = config.devices, config.web
    ports = [
        ("devices", "wss" if devices.tls else "ws", devices.port),
        ("web", "https" if web.tls else "http", web.port),
        ("devices-plain", "ws", devices.plain_ws_port),
        ("web-plain", "http", devices.plain_http_port),
    ]
    return [one for one in ports if one[2]]


def _addresses(host: str) -> list[HubAddress]:
    bracketed = f"[{host}]" if ":" in host else host
    return [
        HubAddress(id, gettext(_PORT_LABELS[id]), f"{scheme}://{bracketed}:{port}/", host, port)
        for id, scheme, port in _ports()
    ]


def _hosts() -> list[str]:
    """This computer's addresses; if none is known, the host name that the browser used."""
    return auth.services().core.site.addresses() or [
        request.host.rpartition(":")[0] or request.host
    ]


class OldSiteKey(Struct, frozen=True):
    """How many cameras still use the previous site key, and until when it is valid (ms)."""

    cameras: int
    until: int


def _old_site_key() -> OldSiteKey | None:
    ends = [
        device.previous_key_until
        for device in auth.services().cameras.devices.list()
        if device.previous_key_until is not None and not device.has_own_key
    ]
    return OldSiteKey(len(ends), max(ends)) if ends else None


class SiteKeyFault(Struct, frozen=True):
    """Why a site key was not set, as a sentence; `text`: the key as it was pasted."""

    sentence: str
    text: str = ""
    password_is_wrong: bool = False
    status: int = 400


async def connect_page(
    refused: PendingRow | None = None, key_fault: SiteKeyFault | None = None
) -> Response:
    hub = auth.services()
    hosts = _hosts()
    back = await _this_page()
    return await page(
        "cameras/connect.html",
        status=key_fault.status if key_fault else 400 if refused else 200,
        addresses=_addresses(hosts[0]),
        other_hosts=hosts[1:],
        fingerprint=hub.upkeep.certificates.fingerprint(),
        uses_tls=hub.config.devices.tls or hub.config.web.tls,
        has_site_key=hub.cameras.devices.site_key() is not None,
        key_fault=key_fault,
        old_site_key=_old_site_key(),
        back=back,
        pending=pending_list(back, refused),
        accepted=accepted_note(),
        arrivals=find_arrivals(),
        ignored=ignored_rows(),
        first=back.endswith("first=1"),
    )


async def _this_page() -> str:
    """The address of this page, which a form that was refused leads back to."""
    if request.method == "POST":
        return read_back((await request.form).get("back", "/cameras/connect"))
    return "/cameras/connect?first=1" if "first" in request.args else "/cameras/connect"


@blueprint.get("", role="admin")
async def connect() -> Response:
    return await connect_page()


@blueprint.get("/<id>.svg", role="admin")
async def code(id: str) -> Response:
    """The QR code of an address; `page` is the address of this page, to open it on a phone."""
    host = _hosts()[0]
    known = {address.id: address.url for address in _addresses(host)}
    if "web" in known:
        known["page"] = known["web"] + "cameras/connect"
    if id not in known:
        raise NotHere(gettext("There is no such address."))
    # Imported here: it takes 0.6 MB of memory, and only who connects cameras sees a QR code.
    import segno

    picture = io.BytesIO()
    segno.make(known[id], error="m").save(
        picture, kind="svg", scale=4, border=3, dark="#000", light="#fff", xmldecl=False
    )
    return Response(picture.getvalue(), content_type="image/svg+xml")


async def _show_again(fault: Fault) -> Response:
    key_fault = SiteKeyFault(fault.sentence, await read_key(), True, fault.status)
    return await connect_page(key_fault=key_fault)


@blueprint.post("/site-key", role="admin", password=asked(_show_again))
async def set_site_key() -> Response:
    """Set the site key, which decides who can sign as a camera, from a file or from text."""
    hub = auth.services()
    try:
        key = await read_key()
        await hub.cameras.devices.set_site_key(key)
        await hub.core.audit.add(auth.actor(), "site-key.set", "")
    except BadParameter as error:
        return await connect_page(key_fault=SiteKeyFault(describe_field_error(error)))
    return redirect_to(page_url(await _this_page(), done="site-key"))


async def _ask_to_remove_site_key() -> Response:
    devices = auth.services().cameras.devices.list()
    relying = sum(not device.has_own_key for device in devices)
    return await page("cameras/site_key_remove.html", relying=relying)


@blueprint.post("/site-key/remove", role="admin", confirm=_ask_to_remove_site_key)
async def remove_site_key() -> Response:
    hub = auth.services()
    await hub.cameras.devices.remove_site_key()
    await hub.core.audit.add(auth.actor(), "site-key.remove", "")
    return redirect_to("/cameras/connect?done=site-key-removed")
