"""Turn a camera: hold a button, or make a step; see `places` for presets and patrols."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, TooManyRequests
from hub.services.camera_functions.pan_tilt import MAX_MOVE_SECONDS
from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.edition_3_answers import Patrol
from hub.wire.commands.edition_3_commands import GET_PATROLS, GET_PRESETS
from hub.wire.commands.edition_3_params import OfChannel, PatrolOf
from web import auth
from web.language import N_, gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import get_camera
from web.pages.camera.pan_tilt.places import MOST_SECONDS, act
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.device_errors import DEVICE_ERRORS, describe_change_error, describe_device_error
from web.pages.faults import NotHere
from web.pages.layout import redirect_to, wants_part

blueprint = Blueprint("camera_pan_tilt", __name__, url_prefix="/cameras/<int:did>/pan-tilt")

#: (tilt, pan) of each direction: positive is up and left.
_DIRECTIONS = {"up": (1, 0), "left": (0, 1), "right": (0, -1), "down": (-1, 0)}
#: Of at most 255.
_SPEEDS = {"slow": 60, "medium": 130, "fast": 255}
_SPEED_TEXTS = {"slow": N_("Slow"), "medium": N_("Medium"), "fast": N_("Fast")}
_DEFAULT_SPEED = "medium"
_PRESS = re.compile(r"[0-9a-z]{1,64}", re.ASCII)


@blueprint.get("", role="guard")
async def show(did: int) -> Response:
    return await _pan_tilt_page(_get_camera(did))


@blueprint.post("/move", role="guard")
async def move(did: int) -> Response:
    """Begin to move while a button is held, for a script; otherwise make a step, or stop."""
    me = auth.user()
    device, hub, form = _get_camera(did), auth.services(), await request.form
    direction, press = form.get("direction", ""), form.get("press", "")
    speed = form.get("speed", _DEFAULT_SPEED)
    if direction == "stop":
        return await _answer(device, lambda: hub.cameras.pan_tilt.stop(device.did), speed)
    if direction not in _DIRECTIONS or speed not in _SPEEDS:
        raise BadParameter("one of the buttons of the page", field="direction")
    if press and not _PRESS.fullmatch(press):
        raise BadParameter("at most 64 digits and small letters", field="press")
    tilt, pan = (part * _SPEEDS[speed] for part in _DIRECTIONS[direction])

    async def begin() -> None:
        if press:
            await hub.cameras.pan_tilt.move(device.did, press, tilt=tilt, pan=pan)
        else:
            await hub.cameras.pan_tilt.step(device.did, tilt=tilt, pan=pan)

    async def audited() -> None:
        if not hub.cameras.pan_tilt.is_first_of_many(device.did, me.name):
            await begin()
        elif error := await perform_audited(device, "device.move", begin):
            raise error

    return await _answer(device, audited, speed)


@blueprint.post("/release", role="guard")
async def release(did: int) -> Response:
    """End a press."""
    device, hub = _get_camera(did), auth.services()
    press = (await request.form).get("press", "")
    if not _PRESS.fullmatch(press):
        raise BadParameter("at most 64 digits and small letters", field="press")
    return await _answer(device, lambda: hub.cameras.pan_tilt.release(device.did, press))


@blueprint.post("/places", role="guard")
async def use_places(did: int) -> Response:
    """Go to a preset, start a patrol, and change them."""
    device = _get_camera(did)
    try:
        done = await act(device, auth.user(), await request.form)
    except BadParameter as bad:
        return await _pan_tilt_page(device, fault=_describe_field(bad), status=400)
    except (*DEVICE_ERRORS, TooManyRequests) as error:
        return await _pan_tilt_page(device, fault=_describe(error), status=error.status)
    return redirect_to(f"/cameras/{did}/pan-tilt?done={done}")


def _get_camera(did: int) -> DeviceView:
    """Return the camera. Raises NoSuchResource also if it cannot be turned."""
    device = get_camera(did)
    if not may_know(auth.services().cameras.capabilities.of(device.did), "ptz"):
        raise NotHere(gettext("This camera has no pan and tilt."))
    return device


async def _answer(
    device: DeviceView, ask: Callable[[], Awaitable[object]], speed: str = ""
) -> Response:
    """Do it; answer a script with a sentence, or nothing, and a browser with the page."""
    try:
        await ask()
    except (*DEVICE_ERRORS, TooManyRequests) as error:
        if wants_part():
            return Response(_describe(error), error.status, content_type="text/plain")
        return await _pan_tilt_page(device, fault=_describe(error), status=error.status)
    if wants_part():
        return Response(b"", 204)
    chosen = f"?speed={speed}" if speed in _SPEEDS else ""
    return redirect_to(f"/cameras/{device.did}/pan-tilt{chosen}")


def _describe(error: HubError) -> str:
    if isinstance(error, TooManyRequests):
        return gettext("Too many requests to the camera. Wait a few seconds.")
    return describe_change_error(error)


def _describe_field(error: BadParameter) -> str:
    field = error.field.removeprefix("param.")
    if field == "name":
        return gettext("Enter a name of at most 64 characters.")
    if field == "presetno":
        return gettext("Enter a number from 0 to 1023, or leave it blank.")
    if field == "staySeconds":
        most = {"most": MOST_SECONDS}
        return gettext("Enter a dwell time from 0 to %(most)s seconds.") % most
    return gettext("There is no such choice.")


async def _pan_tilt_page(device: DeviceView, *, fault: str = "", status: int = 200) -> Response:
    hub = auth.services()
    chosen = request.args.get("speed", "")

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        presets = await hub.cameras.commands.call(device.did, GET_PRESETS, OfChannel())
        patrols: Sequence[Patrol] = ()
        patrol_fault = ""
        try:
            found = await hub.cameras.commands.call(device.did, GET_PATROLS, PatrolOf(patrolid=0))
            patrols = found.patrolsList
        except DEVICE_ERRORS as error:
            patrol_fault = describe_device_error(error)
        yield await renderer.render(
            "camera/pan_tilt/_places.html",
            presets=sorted(presets.presets, key=lambda one: one.presetno),
            patrols=sorted(patrols, key=lambda one: one.patrolid),
            patrol_fault=patrol_fault,
            most_seconds=MOST_SECONDS,
        )

    return await streamed_camera_page(
        "camera/pan_tilt/page.html",
        device,
        ask,
        status=status,
        fault=fault,
        seconds=GET_PRESETS.seconds,
        most_milliseconds=round(MAX_MOVE_SECONDS * 1000),
        speeds=[
            (value, gettext(text), value == (chosen if chosen in _SPEEDS else _DEFAULT_SPEED))
            for value, text in _SPEED_TEXTS.items()
        ],
    )
