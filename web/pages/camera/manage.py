"""Manage one camera: name, identity, keys, clock check, enabling and removing."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from msgspec import UNSET
from quart import Blueprint, Response, request

from hub.errors import BadParameter, WrongSignature
from hub.services.devices.views import DeviceView
from hub.store.tables.devices import DeviceChange
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions
from web import auth
from web.forms.key_field import read_key
from web.language import gettext
from web.pages.camera.capabilities import capability_facts
from web.pages.camera.layout import camera_page, get_camera
from web.pages.labels import describe_field_error, init_outcome, waiting_reasons
from web.pages.layout import redirect_to

#: Releases of firmware that are offered on the page.
_MAX_RELEASES = 3

blueprint = Blueprint("camera_manage", __name__, url_prefix="/cameras/<int:did>")


@blueprint.get("/manage", role="admin")
async def manage(did: int) -> Response:
    return await manage_page(get_camera(did))


async def manage_page(
    device: DeviceView,
    *,
    fault: str = "",
    about: str = "",
    values: dict[str, str] | None = None,
    status: int = 400,
) -> Response:
    """`about` names the form that `fault` belongs to: "identity", "name" or "unsigned"."""
    return await camera_page(
        "camera/manage.html",
        device,
        status=status if fault else 200,
        has_site_key=auth.services().cameras.devices.site_key() is not None,
        init_outcome=init_outcome(device.init_outcome),
        releases=_other_releases(device),
        capabilities=capability_facts(device.did),
        clock_skew=auth.services().config.devices.clock_skew,
        fault=fault,
        about=about,
        values=values or {},
    )


def _other_releases(device: DeviceView) -> list[Release]:
    """The newest releases that the camera does not report."""
    reported = Versions.of(device)
    return [
        release
        for release in auth.services().firmware.releases.all()
        if not (any(release.reports.given()) and reported.matches(release.reports))
    ][:_MAX_RELEASES]


async def _change(did: int, change: DeviceChange, action: str, about: str, done: str) -> Response:
    """Change a camera, note it in the audit log, and show the page again."""
    hub = auth.services()
    try:
        await hub.cameras.devices.change(str(did), change)
        await hub.core.audit.add(auth.actor(), action, str(did))
    except (BadParameter, WrongSignature) as error:
        values = cast("dict[str, str]", (await request.form).to_dict())
        values["key"] = await read_key()
        fault = (
            _describe_mismatch(values)
            if isinstance(error, WrongSignature)
            else describe_field_error(error)
        )
        return await manage_page(get_camera(did), fault=fault, about=about, values=values)
    return redirect_to(f"/cameras/{did}/manage?done={done}")


def _describe_mismatch(values: dict[str, str]) -> str:
    """Why the pending device with the new serial number cannot replace this camera."""
    sn = values.get("sn", "").strip()
    waiting = auth.services().cameras.enrolment.last_attempt(sn)
    reasons = waiting_reasons(waiting) if waiting else []
    return gettext("Nothing was changed. %(reason)s") % {"reason": " ".join(reasons)}


@blueprint.post("/name", role="admin")
async def rename(did: int) -> Response:
    form = await request.form
    change = DeviceChange(name=form.get("name", "").strip())
    return await _change(did, change, "device.rename", "name", "changed")


@blueprint.post("/identity", role="admin")
async def change_identity(did: int) -> Response:
    """Change serial number, code and key. An empty code or key is left unchanged."""
    form = await request.form
    code, key = form.get("code", "").strip(), await read_key()
    device = get_camera(did)
    sn = form.get("sn", "").strip()
    change = DeviceChange(
        sn=sn if sn != device.sn else UNSET,
        code=code or UNSET,
        key=None if form.get("use_site_key") else key or UNSET,
    )
    if change.sn is UNSET:
        return await _change(did, change, "device.identity", "identity", "changed")
    done = f"replaced&replaced={quote(device.sn)}"
    return await _change(did, change, "device.identity", "identity", done)


@blueprint.post("/earlier-key", role="admin")
async def drop_earlier_key(did: int) -> Response:
    """Revoke the previous key at once."""
    change = DeviceChange(previous_key=None)
    return await _change(did, change, "device.drop-earlier-key", "key", "earlier-key-dropped")


@blueprint.post("/init", role="admin")
async def send_parameters(did: int) -> Response:
    """Send the initial parameters again; the next page shows the outcome."""
    hub = auth.services()
    delivery = await hub.cameras.enrolment.provisioning.send_again(str(did))
    await hub.core.audit.add(auth.actor(), "device.init", str(did))
    return redirect_to(f"/cameras/{did}/manage?done=init-{delivery.outcome}")


@blueprint.post("/clock", role="admin")
async def trust_clock(did: int) -> Response:
    form = await request.form
    change = DeviceChange(clock_trusted=form.get("trusted") == "yes")
    return await _change(did, change, "device.clock", "clock", "changed")


@blueprint.post("/enable", role="admin")
async def enable(did: int) -> Response:
    return await _change(did, DeviceChange(enabled=True), "device.enable", "", "enabled")


@blueprint.post("/disable", role="admin")
async def disable(did: int) -> Response:
    return await _change(did, DeviceChange(enabled=False), "device.disable", "", "disabled")
