"""Privacy masks: areas of the picture that a camera hides (1.48 and 1.49 of edition 3, D12).

The form has numbers for each area, in pixels of the main stream; masks.js draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, DeviceNonsense, HubError
from hub.services.devices.views import DeviceView
from hub.store.records.record_filter import RecordFilter
from hub.wire.commands.edition_3_answers import PrivacyInfo
from hub.wire.commands.edition_3_commands import GET_PRIVACY, SET_PRIVACY
from hub.wire.commands.edition_3_params import Area, PrivacySet
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.device.layout import get_capable
from web.pages.camera.device.views import reading_fault
from web.pages.camera.layout import camera_page
from web.pages.device_errors import describe_change_error
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_masks", __name__, url_prefix="/cameras/<int:did>/device/masks")

_SIDES = ("x", "y", "w", "h")
#: Areas that a camera is taken to allow if it does not say how many.
_USUAL_AREAS = 4
_MOST_AREAS = 32
_MOST_DIGITS = 5
#: Pictures that show what the camera sees, not a part of it; and how many records are looked at.
_SCENES = ("background", "full")
_LATEST = 20


class MaskRow(Struct, frozen=True):
    """The fields of one area, as texts; all of them "" for none. `is_wrong`: it cannot be sent."""

    number: int
    x: str = ""
    y: str = ""
    w: str = ""
    h: str = ""
    is_wrong: bool = False


class Frame(Struct, frozen=True):
    """What the camera says of its picture: its size in pixels, and how many areas it hides."""

    width: int
    height: int
    areas: int


@blueprint.get("", role="admin")
async def show(did: int) -> Response:
    return await _page(get_capable(did, "image"))


@blueprint.post("", role="admin")
async def change(did: int) -> Response:
    """Send all areas; those without numbers are left out."""
    device, hub = get_capable(did, "image"), auth.services()
    sent = (await request.form).to_dict()
    reading = await hub.cameras.readings.read(device.did, GET_PRIVACY)
    frame = _frame(reading.value)
    if frame is None:
        return await _page(device, error=reading.error or DeviceNonsense("no size is known"))
    rows = [_row(number, sent, frame) for number in range(frame.areas)]
    if any(row.is_wrong for row in rows):
        wrong = BadParameter("an area is not within the picture", field="param.region.rects")
        return await _page(device, rows, error=wrong, is_on="enable" in sent)
    areas = tuple(
        Area(**{side: int(getattr(row, side)) for side in _SIDES}) for row in rows if row.w
    )
    param = PrivacySet.of(areas, enable="enable" in sent)
    failed = await perform_audited(
        device,
        "device.set_masks",
        lambda: hub.cameras.commands.call(device.did, SET_PRIVACY, param),
    )
    hub.cameras.readings.forget(device.did, GET_PRIVACY)
    if failed is not None:
        return await _page(device, rows, error=failed, is_on="enable" in sent)
    return redirect_to(f"/cameras/{did}/device/masks?done=device-set")


async def _page(
    device: DeviceView,
    rows: Sequence[MaskRow] = (),
    *,
    error: HubError | None = None,
    is_on: bool | None = None,
) -> Response:
    reading = await auth.services().cameras.readings.read(device.did, GET_PRIVACY)
    frame = _frame(reading.value)
    fault = reading_fault(reading.error)
    if frame is None and not fault:
        fault = gettext("The camera does not report the size of its picture.")
    if reading.value is not None and is_on is None:
        is_on = reading.value.bEnable
    return await camera_page(
        "camera/device/masks.html",
        device,
        status=error.status if error else 200,
        one={"fault": fault, "read_at": reading.read_at},
        frame=frame,
        is_on=bool(is_on),
        rows=rows or (_rows_of(reading.value, frame) if reading.value and frame else ()),
        picture=await _scene(device.did),
        fault=_describe(error) if error and frame else "",
    )


def _frame(found: PrivacyInfo | None) -> Frame | None:
    if found is None or not found.maxW or not found.maxH:
        return None
    areas = max(found.maxRect or _USUAL_AREAS, len(found.rects))
    return Frame(found.maxW, found.maxH, min(areas, _MOST_AREAS))


def _rows_of(found: PrivacyInfo, frame: Frame) -> list[MaskRow]:
    areas = found.rects[: frame.areas]
    rows = [MaskRow(n, str(a.x), str(a.y), str(a.w), str(a.h)) for n, a in enumerate(areas)]
    return rows + [MaskRow(number) for number in range(len(rows), frame.areas)]


def _row(number: int, sent: Mapping[str, str], frame: Frame) -> MaskRow:
    x, y, w, h = (sent.get(f"{side}{number}", "").strip()[: _MOST_DIGITS + 1] for side in _SIDES)
    is_wrong = any((x, y, w, h)) and not _is_within((x, y, w, h), frame)
    return MaskRow(number, x, y, w, h, is_wrong)


def _is_within(texts: Sequence[str], frame: Frame) -> bool:
    """Whether these are the numbers of an area of the picture."""
    if not all(one.isascii() and one.isdigit() and len(one) <= _MOST_DIGITS for one in texts):
        return False
    x, y, w, h = map(int, texts)
    return w > 0 and h > 0 and x + w <= frame.width and y + h <= frame.height


async def _scene(did: str) -> str:
    """The path of the last picture that shows the whole scene; "" if there is none lately."""
    found = await auth.services().records.log.page(
        RecordFilter(did=did, has_pictures=True), newest_first=True, limit=_LATEST
    )
    paths = [
        image.path for record in found.items for image in record.images if image.name in _SCENES
    ]
    return paths[0] if paths else ""


def _describe(error: HubError) -> str:
    if isinstance(error, BadParameter):
        return gettext("Nothing was sent: the marked areas are not within the picture.")
    return describe_change_error(error)
