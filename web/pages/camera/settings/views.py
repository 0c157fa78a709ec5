"""A camera's settings: face recognition (1.5) and recording (1.6).

Settings cannot be read from a camera: the page shows the last ones that it accepted from this hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError
from hub.services.commands.known_settings import KnownSetting
from hub.services.devices.views import DeviceView
from hub.store.jobs.pending_settings import PendingSetting
from hub.wire.commands.capabilities import supposed_edition
from hub.wire.commands.settings import unsupported
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, get_camera
from web.pages.camera.settings.face_and_recording import FACE, RECORDING
from web.pages.camera.settings.forms import (
    FieldGroup,
    SettingForm,
    describe_changes,
    field_groups,
    make_changes,
    make_param,
    param_values,
    read_values,
    typical_values,
)
from web.pages.device_errors import describe_change_error, device_message
from web.pages.layout import make_url, redirect_to

blueprint = Blueprint("camera_settings", __name__, url_prefix="/cameras/<int:did>/settings")


class SettingFormView(Struct, frozen=True, kw_only=True):
    """One of the two forms, with the camera's last answer."""

    name: str
    title: str
    groups: list[FieldGroup]
    taken_at: int | None
    #: When and why the camera refused the form, if that was its last answer.
    refused_at: int | None
    refused: str
    fault: str
    #: Whether the error is marked beside a field.
    is_marked: bool


class WaitingSetting(Struct, frozen=True):
    """Settings that the camera gets when it can be reached, and the job that tells of them."""

    title: str
    url: str


class AppliedElsewhere(Struct, frozen=True):
    """How many settings were changed, and the form that gives them to other cameras."""

    count: int
    url: str


class RejectedForm(Struct, frozen=True):
    """A form that was not applied: its values and the error."""

    form: SettingForm
    values: Mapping[str, str]
    error: HubError

    @property
    def fault(self) -> str:
        if isinstance(self.error, BadParameter):
            return gettext("Nothing was sent: one value is not valid. It is marked below.")
        return describe_change_error(self.error)


@blueprint.get("", role="admin")
async def settings(did: int) -> Response:
    return await _settings_page(get_camera(did))


@blueprint.post("/face", role="admin")
async def set_face(did: int) -> Response:
    return await _apply(did, FACE)


@blueprint.post("/recording", role="admin")
async def set_recording(did: int) -> Response:
    return await _apply(did, RECORDING)


async def _apply(did: int, form: SettingForm) -> Response:
    device, hub = get_camera(did), auth.services()
    sent = (await request.form).to_dict()
    values, before = read_values(form, sent), _taken_values(device, form)
    try:
        param = make_param(form, values)
    except BadParameter as error:
        return await _settings_page(device, RejectedForm(form, values, error))
    if not before and "confirmed" not in sent:
        return await _ask_before_first(device, form, values)
    device_error = await perform_audited(
        device,
        f"device.set_{form.name}",
        lambda: hub.cameras.commands.call(device.did, form.command, param),
    )
    if device_error is not None:
        return await _settings_page(device, RejectedForm(form, values, device_error))
    changed = [name for name, value in values.items() if value not in ("", before.get(name))]
    url, names = f"/cameras/{did}/settings", ",".join(changed)
    return redirect_to(make_url(url, done=f"{form.name}-set", changed=names))


def _taken_values(device: DeviceView, form: SettingForm) -> dict[str, str]:
    """The values that the camera has accepted last; none if it never got any from this hub."""
    known = _known(device, form)
    return param_values(known.taken) if known and known.taken is not None else {}


def _known(device: DeviceView, form: SettingForm) -> KnownSetting[Any] | None:
    known = auth.services().cameras.commands.settings(device.did)
    return known.face if form is FACE else known.recording


async def _ask_before_first(
    device: DeviceView, form: SettingForm, values: Mapping[str, str]
) -> Response:
    """List what the first send replaces: what the camera has now is not known."""
    return await camera_page(
        "camera/settings_first.html",
        device,
        form=form.name,
        title=gettext(form.title),
        changes=describe_changes(form, make_changes(form, values)),
        values={name: value for name, value in values.items() if value},
    )


async def _settings_page(device: DeviceView, rejected: RejectedForm | None = None) -> Response:
    hub = auth.services()
    return await camera_page(
        "camera/settings.html",
        device,
        status=rejected.error.status if rejected else 200,
        given=_given_setting(device),
        waiting=[_waiting(setting) for setting in await hub.cameras.many.waiting(device.did)],
        forms=[
            _form_view(form, _known(device, form), rejected, _unsupported(device, form))
            for form in (FACE, RECORDING)
        ],
    )


def _given_setting(device: DeviceView) -> AppliedElsewhere | None:
    """What was just changed, as the address says, with the values that the camera accepted."""
    done = request.args.get("done")
    form = next((form for form in (FACE, RECORDING) if done == f"{form.name}-set"), None)
    if form is None:
        return None
    names = request.args.get("changed", "").split(",")
    taken = _taken_values(device, form)
    changed = {name: value for name, value in taken.items() if name in names and value}
    url = make_url(f"/cameras/many/{form.name}", **changed)
    return AppliedElsewhere(len(changed), url) if changed else None


def _waiting(setting: PendingSetting) -> WaitingSetting:
    title = next(form.title for form in (FACE, RECORDING) if form.name == setting.name)
    return WaitingSetting(gettext(title), f"/jobs/{setting.job}" if setting.job is not None else "")


def _unsupported(device: DeviceView, form: SettingForm) -> tuple[str, ...]:
    """What the camera cannot be told in its edition; nothing if that is not known (D12)."""
    known = auth.services().cameras.capabilities.of(device.did)
    learnt = known.face if form is FACE else known.recording
    if learnt is None and supposed_edition(known) == 3:
        learnt = 3
    return () if learnt is None else unsupported(form.command, learnt)


def _form_view(
    form: SettingForm,
    known: KnownSetting[Any] | None,
    rejected: RejectedForm | None,
    cannot: tuple[str, ...],
) -> SettingFormView:
    taken = known.taken if known else None
    values: Mapping[str, str] = typical_values(form) if taken is None else param_values(taken)
    own = rejected if rejected and rejected.form is form else None
    bad_field = own.error if own and isinstance(own.error, BadParameter) else None
    is_refused = known is not None and not known.is_taken
    return SettingFormView(
        name=form.name,
        title=gettext(form.title),
        groups=field_groups(form, own.values if own else values, bad_field, unsupported=cannot),
        taken_at=known.taken_at if known else None,
        refused_at=known.answered_at if known and is_refused else None,
        refused=device_message(known.code, known.msg) if known and is_refused else "",
        fault=own.fault if own else "",
        is_marked=bad_field is not None,
    )
