"""Image, video and audio of a camera: read from it where that is possible, and set (D12).

Setters take all fields at once. What nothing reads back is shown as the camera last accepted it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from msgspec import Struct
from msgspec.structs import asdict, replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter, DeviceNonsense, HubError, NoSuchPath
from hub.services.camera_functions.names import name_for_picture
from hub.services.camera_functions.readings import CameraReading
from hub.services.devices.views import DeviceView
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_answers import StreamsInfo
from hub.wire.commands.edition_3_commands import GET_STREAMS, SET_STREAMS
from hub.wire.commands.edition_3_params import Exposure, Stream, StreamsSet
from hub.wire.commands.params import check_fields
from web import auth
from web.language import N_, gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.device.forms import FORMS, OSD, STREAM, DeviceForm, PageName
from web.pages.camera.device.layout import get_capable
from web.pages.camera.device.views import reading_fault
from web.pages.camera.layout import camera_page
from web.pages.camera.settings.forms import (
    FieldGroup,
    SettingForm,
    field_groups,
    make_param,
    param_values,
    read_values,
    typical_values,
)
from web.pages.device_errors import describe_change_error, device_message
from web.pages.layout import make_url, redirect_to

blueprint = Blueprint(
    "camera_setting_pages",
    __name__,
    url_prefix="/cameras/<int:did>/device/<any(image, media):name>",
)

_STREAM_TITLES = (N_("Main stream"), N_("Sub stream"))


class FormView(Struct, frozen=True, kw_only=True):
    """A form as the page shows it; without groups if the camera has not said what it has.

    `read_at`, `taken_at`: when it was read, or accepted (UNIX milliseconds). `is_unknown`: the
    values are typical ones. `reading`: why the camera did not answer; `fault`: why a form was not
    applied. `hub_name`: the hub's name of the camera, if the picture shows another.
    """

    name: str
    title: str
    groups: list[FieldGroup]
    read_at: int | None = None
    taken_at: int | None = None
    is_unknown: bool = False
    reading: str = ""
    refused: str = ""
    fault: str = ""
    is_marked: bool = False
    hub_name: str = ""


class Rejected(Struct, frozen=True):
    """A form that was not applied: its name, its values and why."""

    name: str
    values: Mapping[str, str]
    error: HubError
    text: str = ""

    @property
    def fault(self) -> str:
        if self.text:
            return self.text
        if isinstance(self.error, BadParameter):
            return gettext("Nothing was sent: one value is not valid. It is marked below.")
        return describe_change_error(self.error)


@blueprint.get("", role="admin")
async def show(did: int, name: PageName) -> Response:
    return await _page(get_capable(did, name), name)


@blueprint.post("/<setting>", role="admin")
async def change(did: int, name: PageName, setting: str) -> Response:
    """Send a form to the camera, whole."""
    device, hub = get_capable(did, name), auth.services()
    one = _form_of(name, setting)
    sent = (await request.form).to_dict()
    values = read_values(one.form, sent)
    if "hub_name" in sent:
        values["channel_name"] = name_for_picture(device)
    if one.form.name.startswith(STREAM.name):
        values["streamid"] = one.form.name.rpartition("-")[2]
    try:
        param = make_param(one.form, values)
    except BadParameter as error:
        return await _page(device, name, Rejected(setting, values, error))
    if doubt := _doubt(device, one, param, sent):
        wrong = BadParameter("refused", field="param")
        return await _page(device, name, Rejected(setting, values, wrong, doubt))
    command = SET_STREAMS if isinstance(param, Stream) else one.form.command

    async def send() -> None:
        whole = await _with_others(device, param) if isinstance(param, Stream) else param
        await hub.cameras.commands.call(device.did, command, whole)

    failed = await perform_audited(device, f"device.set_{name}", send)
    if one.getter is not None:
        hub.cameras.readings.forget(device.did, one.getter)
    if failed is not None:
        return await _page(device, name, Rejected(setting, values, failed))
    return redirect_to(make_url(f"/cameras/{did}/device/{name}", done="device-set"))


def _form_of(name: PageName, setting: str) -> DeviceForm:
    for one in FORMS[name]:
        if one.form is STREAM:
            for number in range(len(_STREAM_TITLES)):
                if setting == f"{STREAM.name}-{number}":
                    return DeviceForm(_stream_form(number), one.getter)
        elif setting == one.form.name:
            return one
    raise NoSuchPath


def _stream_form(number: int) -> SettingForm:
    title = _STREAM_TITLES[min(number, len(_STREAM_TITLES) - 1)]
    return replace(STREAM, name=f"{STREAM.name}-{number}", title=title)


def _doubt(device: DeviceView, one: DeviceForm, param: Struct, sent: Mapping[str, str]) -> str:
    """Why a form of valid values is not sent; "" if it is."""
    if isinstance(param, Exposure) and param.exposure_max > param.exposure_min:
        return gettext("The slowest shutter must not be faster than the fastest one.")
    if one.getter is None and "confirmed" not in sent:
        known = auth.services().cameras.commands.kept_setting(device.did, one.form.command)
        if known is None or known.taken is None:
            return gettext("Confirm that these values replace those that the camera has now.")
    return ""


async def _with_others(device: DeviceView, changed: Stream) -> StreamsSet:
    """All streams with this one in its place. Raises an error of the device if it has others."""
    reading = await auth.services().cameras.readings.read(device.did, GET_STREAMS, anew=True)
    if reading.error is not None or reading.value is None:
        raise reading.error or DeviceNonsense("the device has no streams")
    streams = []
    for one in reading.value.streams:
        if one.streamid == changed.streamid:
            streams.append(changed)
            continue
        try:
            streams.append(check_fields(STREAM.command, asdict(one)))
        except BadParameter as error:
            raise DeviceNonsense(f"another stream cannot be sent back: {error.message}") from None
    return StreamsSet(streams=tuple(streams) or (changed,))


async def _page(device: DeviceView, name: PageName, rejected: Rejected | None = None) -> Response:
    readings: dict[str, CameraReading[Any]] = {}

    async def read(getter: Command[Any, Any]) -> None:
        readings[getter.name] = await auth.services().cameras.readings.read(device.did, getter)

    async with trio.open_nursery() as nursery:
        for one in FORMS[name]:
            if one.getter is not None:
                nursery.start_soon(read, one.getter)
    views: list[FormView] = []
    for one in FORMS[name]:
        if one.getter is None:
            views.append(_kept_view(device, one.form, rejected))
        elif one.form is STREAM:
            views += _stream_views(readings[one.getter.name], rejected)
        else:
            views.append(_read_view(device, one, readings[one.getter.name], rejected))
    return await camera_page(
        "camera/device/settings.html",
        device,
        status=rejected.error.status if rejected else 200,
        name=name,
        forms=views,
    )


def _read_view(
    device: DeviceView, one: DeviceForm, reading: CameraReading[Any], rejected: Rejected | None
) -> FormView:
    view = _view(one.form, None if reading.value is None else _values(reading.value), rejected)
    view = replace(view, read_at=reading.read_at, reading=reading_fault(reading.error))
    if one.form is not OSD or reading.value is None:
        return view
    hub_name, shown = name_for_picture(device), reading.value.channel_name
    return replace(view, hub_name="" if shown == hub_name else hub_name)


def _stream_views(reading: CameraReading[StreamsInfo], rejected: Rejected | None) -> list[FormView]:
    fault = reading_fault(reading.error)
    if reading.value is None:
        return [FormView(name="stream", title=gettext(STREAM.title), groups=[], reading=fault)]
    streams = [one for one in reading.value.streams if 0 <= one.streamid < len(_STREAM_TITLES)]
    views = [_view(_stream_form(one.streamid), _values(one), rejected) for one in streams]
    return [replace(view, read_at=reading.read_at, reading=fault) for view in views]


def _kept_view(device: DeviceView, form: SettingForm, rejected: Rejected | None) -> FormView:
    known = auth.services().cameras.commands.kept_setting(device.did, form.command)
    taken = known.taken if known else None
    view = _view(form, typical_values(form) if taken is None else param_values(taken), rejected)
    is_refused = known is not None and not known.is_taken
    return replace(
        view,
        is_unknown=taken is None,
        taken_at=known.taken_at if known else None,
        refused=device_message(known.code, known.msg) if known and is_refused else "",
    )


def _view(
    form: SettingForm, values: Mapping[str, str] | None, rejected: Rejected | None
) -> FormView:
    own = rejected if rejected and rejected.name == form.name else None
    error = own.error if own else None
    wrong = error if isinstance(error, BadParameter) and own and not own.text else None
    shown = own.values if own else values
    return FormView(
        name=form.name,
        title=gettext(form.title),
        groups=[] if shown is None else field_groups(form, shown, wrong),
        fault=own.fault if own else "",
        is_marked=wrong is not None,
    )


def _values(answer: Struct) -> dict[str, str]:
    """What the camera said, as form values; nothing for what it did not say."""
    return {
        name: value if isinstance(value, str) else str(int(value))
        for name, value in asdict(answer).items()
        if isinstance(value, str | int)
    }
