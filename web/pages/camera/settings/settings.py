"""What an administrator sets on a camera: face recognition (1.5) and recording (1.6).

A camera cannot be asked for its settings: shown is what it took last from this hub.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError
from hub.services.commands.known_settings import KnownSetting
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.camera.audited_action import have_done
from web.pages.camera.layout import camera, camera_page
from web.pages.camera.settings.forms import (
    FACE,
    RECORDING,
    SettingForm,
    ShownGroup,
    param_of,
    shown_groups,
    suggested_values,
    values_of,
    values_sent,
)
from web.pages.device_errors import change_trouble, refusal
from web.pages.language import gettext
from web.pages.layout import go

blueprint = Blueprint("camera_settings", __name__, url_prefix="/cameras/<int:did>/settings")


class Shown(Struct, frozen=True, kw_only=True):
    """One of the two forms, with what the camera said of it last."""

    name: str
    title: str
    groups: list[ShownGroup]
    taken_at: int | None
    #: Its last answer, where it did not take them.
    refused_at: int | None
    refused: str
    fault: str
    #: The fault is of a field, which is marked.
    is_marked: bool


class Sent(Struct, frozen=True):
    """A form that came back: its values, and why they were not taken."""

    form: SettingForm
    values: Mapping[str, str]
    error: HubError

    @property
    def fault(self) -> str:
        if isinstance(self.error, BadParameter):
            return gettext("Nothing was sent: one value is not valid. It is marked below.")
        return change_trouble(self.error)


@blueprint.get("")
async def settings(did: int) -> Response:
    await auth.require_role("admin")
    return await _page(camera(did))


@blueprint.post("/face")
async def set_face(did: int) -> Response:
    return await _set(did, FACE)


@blueprint.post("/recording")
async def set_recording(did: int) -> Response:
    return await _set(did, RECORDING)


async def _set(did: int, form: SettingForm) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    device, hub = camera(did), auth.services()
    values = values_sent(form, (await request.form).to_dict())
    try:
        param = param_of(form, values)
    except BadParameter as error:
        return await _page(device, Sent(form, values, error))
    trouble = await have_done(
        device,
        me,
        f"device.set_{form.name}",
        lambda: hub.commands.call(device.did, form.command, param),
    )
    if trouble is not None:
        return await _page(device, Sent(form, values, trouble))
    return go(f"/cameras/{did}/settings?done={form.name}-set")


async def _page(device: DeviceView, sent: Sent | None = None) -> Response:
    known = auth.services().commands.settings(device.did)
    return await camera_page(
        "camera/settings.html",
        device,
        tab="/settings",
        status=sent.error.status if sent else 200,
        forms=[
            _shown(FACE, known.face, sent),
            _shown(RECORDING, known.recording, sent),
        ],
    )


def _shown(form: SettingForm, known: KnownSetting[Struct] | None, sent: Sent | None) -> Shown:
    taken = known.taken if known else None
    values: Mapping[str, str] = suggested_values(form) if taken is None else values_of(taken)
    mine = sent if sent and sent.form is form else None
    wrong = mine.error if mine and isinstance(mine.error, BadParameter) else None
    is_refused = known is not None and not known.is_taken
    return Shown(
        name=form.name,
        title=gettext(form.title),
        groups=shown_groups(form, mine.values if mine else values, wrong),
        taken_at=known.taken_at if known else None,
        refused_at=known.answered_at if known and is_refused else None,
        refused=refusal(known.code, known.msg) if known and is_refused else "",
        fault=mine.fault if mine else "",
        is_marked=wrong is not None,
    )
