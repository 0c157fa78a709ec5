"""Point your cameras here: the addresses to type, the certificate, the site key, who knocks."""

from __future__ import annotations

import io

import segno
from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, NoSuchResource
from hub.services.shielding import shielded
from web import auth
from web.pages.cameras.waiting import WaitingRow, accepted_note, knocks
from web.pages.labels import device_fault, done_sentence
from web.pages.language import N_, gettext
from web.pages.layout import go, page

blueprint = Blueprint("connect", __name__, url_prefix="/cameras/connect")


class Address(Struct, frozen=True):
    """One thing to type into a camera, or to open."""

    id: str
    label: str
    url: str
    host: str
    port: int


_LABELS = {
    "devices": N_("Device connection (WebSocket)"),
    "web": N_("Pictures and events (HTTP)"),
    "devices-plain": N_("Device connection without TLS"),
    "web-plain": N_("Pictures and events without TLS"),
}


def _ports() -> list[tuple[str, str, int]]:
    """What listens, as (id, scheme, port): ours, and the plain ones where they are on."""
    config = auth.services().config
    devices, web = config.devices, config.web
    ports = [
        ("devices", "wss" if devices.tls else "ws", devices.port),
        ("web", "https" if web.tls else "http", web.port),
        ("devices-plain", "ws", devices.plain_ws_port),
        ("web-plain", "http", devices.plain_http_port),
    ]
    return [one for one in ports if one[2]]


def _addresses(host: str) -> list[Address]:
    bracketed = f"[{host}]" if ":" in host else host
    return [
        Address(id, gettext(_LABELS[id]), f"{scheme}://{bracketed}:{port}/", host, port)
        for id, scheme, port in _ports()
    ]


def _hosts() -> list[str]:
    """This host's addresses, or where it has none the name that the browser used."""
    return auth.services().site.addresses() or [request.host.rpartition(":")[0] or request.host]


class EarlierKey(Struct, frozen=True):
    """An earlier site key is still signed with: by so many cameras, and good until then (ms)."""

    cameras: int
    until: int


def _earlier_key() -> EarlierKey | None:
    ends = [
        device.previous_key_until
        for device in auth.services().devices.list()
        if device.previous_key_until is not None and not device.has_own_key
    ]
    return EarlierKey(len(ends), max(ends)) if ends else None


async def connect_page(refused: WaitingRow | None = None, key_fault: str = "") -> Response:
    hub = auth.services()
    hosts = _hosts()
    return await page(
        "cameras/connect.html",
        area="cameras",
        status=400 if refused or key_fault else 200,
        addresses=_addresses(hosts[0]),
        other_hosts=hosts[1:],
        fingerprint=hub.certificates.fingerprint(),
        uses_tls=hub.config.devices.tls or hub.config.web.tls,
        has_site_key=hub.devices.site_key() is not None,
        key_fault=key_fault,
        earlier_key=_earlier_key(),
        knocks=knocks("/cameras/connect", refused),
        accepted=accepted_note(),
        first=bool(request.args.get("first")),
        known=len(hub.devices.list()),
        done=done_sentence(request.args.get("done")),
    )


@blueprint.get("")
async def connect() -> Response:
    await auth.require_role("admin")
    return await connect_page()


@blueprint.get("/<id>.svg")
async def code(id: str) -> Response:
    """An address as a QR code; `page` is this page itself, for the phone on the ladder."""
    await auth.require_role("admin")
    host = _hosts()[0]
    known = {address.id: address.url for address in _addresses(host)}
    if "web" in known:
        known["page"] = known["web"] + "cameras/connect"
    if id not in known:
        raise NoSuchResource(f"there is no address {id!r}")
    picture = io.BytesIO()
    segno.make(known[id], error="m").save(
        picture, kind="svg", scale=4, border=3, dark="#000", light="#fff", xmldecl=False
    )
    return Response(picture.getvalue(), content_type="image/svg+xml")


@blueprint.post("/site-key")
async def set_site_key() -> Response:
    """From a file or as text."""
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub = auth.services()
    try:
        key = await _sent_key()
        with shielded():
            await hub.devices.set_site_key(key)
            await hub.audit.add(auth.actor(me), "site-key.set", "")
    except BadParameter as error:
        return await connect_page(key_fault=device_fault(error))
    return go("/cameras/connect?done=site-key")


@blueprint.get("/site-key/remove")
async def ask_to_remove_site_key() -> Response:
    await auth.require_role("admin")
    devices = auth.services().devices.list()
    relying = sum(not device.has_own_key for device in devices)
    return await page("cameras/site_key_remove.html", area="cameras", relying=relying)


@blueprint.post("/site-key/remove")
async def remove_site_key() -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub = auth.services()
    with shielded():
        await hub.devices.remove_site_key()
        await hub.audit.add(auth.actor(me), "site-key.remove", "")
    return go("/cameras/connect?done=site-key-removed")


async def _sent_key() -> str:
    file = (await request.files).get("file")
    if file is not None and file.filename:
        return str(file.read(), "utf-8", "replace")
    return str((await request.form).get("key", "")).strip()
