"""What a camera can do, what that was learnt from, and what an administrator sets instead (D12)."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.services.devices.capabilities import CapabilityView
from web import auth
from web.language import N_, gettext
from web.pages.camera.layout import get_camera
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_capabilities", __name__, url_prefix="/cameras/<int:did>/capabilities")

_PARTS = {
    "connect": N_("How it connects"),
    "face": N_("Settings for faces and people"),
    "recording": N_("Recording settings"),
    "uploads": N_("What it uploads"),
    "people_update": N_("Changing a person on the camera"),
    "firmware_steps": N_("Firmware updates"),
    "recording_list": N_("Listing its recordings"),
    "recording_files": N_("Sending recordings to the hub"),
    "group:information": N_("Reports about itself"),
    "group:people": N_("Clearing all people and searching by photo"),
    "group:media": N_("Video and audio settings"),
    "group:image": N_("Image settings"),
    "group:network": N_("Network settings"),
    "group:ptz": N_("Pan and tilt"),
    "group:storage": N_("Formatting the card"),
}
_EDITIONS = {"1": N_("as of 2024"), "2": N_("as of 2025"), "3": N_("as of 2026")}
_YES_OR_NO = {"yes": N_("Yes"), "no": N_("No")}
_VALUES = {
    "connect": {
        "did": N_("signed, with its device ID"),
        "signed": N_("signed"),
        "unsigned": N_("without a signature"),
    },
    "face": _EDITIONS,
    "recording": _EDITIONS,
    "uploads": _EDITIONS,
    "firmware_steps": {"1": N_("checks for them itself"), "2": N_("waits for a notice")},
}
_SOURCES = {
    "connect": N_("from its connection request"),
    "get_info": N_("from its report about itself"),
    "upload": N_("from what it uploads"),
    "answer": N_("from its response to a setting"),
}


class CapabilityFact(Struct, frozen=True):
    """One part: its name, what is known of it, and the choices of a form; ("", text): none set."""

    part: str
    name: str
    learnt: str
    source: str
    firmware: str
    learnt_at: int | None
    override: str
    override_text: str
    choices: list[tuple[str, str]]


@blueprint.post("", role="admin")
async def change(did: int) -> Response:
    """Set one part, or let what was learnt count again."""
    form = await request.form
    device, hub = get_camera(did), auth.services()
    part, value = form.get("capability", ""), form.get("value", "")
    await hub.cameras.capabilities.override(device.did, part, value or None)
    await hub.core.audit.add(
        auth.actor(), "device.capability", f"{device.did} {part}={value or '-'}"
    )
    return redirect_to(f"/cameras/{did}/manage?done=changed#capabilities")


def capability_facts(did: str) -> list[CapabilityFact]:
    return [_row(one) for one in auth.services().cameras.capabilities.views(did)]


def _row(one: CapabilityView) -> CapabilityFact:
    texts = _VALUES.get(one.part, _YES_OR_NO)
    choices = [(value, gettext(texts[value])) for value in one.choices]
    return CapabilityFact(
        part=one.part,
        name=gettext(_PARTS[one.part]),
        learnt=gettext(texts[one.learnt]) if one.learnt else "",
        source=gettext(_SOURCES[one.source]) if one.source else "",
        firmware=one.firmware,
        learnt_at=one.learnt_at,
        override=one.override or "",
        override_text=gettext(texts[one.override]) if one.override else "",
        choices=[] if one.is_fixed else [("", gettext("as detected")), *choices],
    )
