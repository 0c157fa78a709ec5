"""Ask a camera whom a photo shows (D12), on the page of its people. The photo is not stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress

from quart import Blueprint, Response

from hub.errors import CannotStoreNow, HubError, NoSuchPath, TooManyRequests
from hub.services.camera_functions.who_is import FoundPerson, who_is
from hub.services.devices.views import DeviceView
from hub.services.people.register import PeopleRegister
from hub.store.people.person_rows import PersonName
from web import auth
from web.forms.file_forms import read_file_form
from web.pages.camera.layout import device_picture_url, get_camera
from web.pages.camera.people.views import PAGE, list_values, may_ask_who
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.shown.form_fields import describe_photo_error
from web.pages.shown.known_people import people_named, recognised_view
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("camera_who", __name__, url_prefix="/cameras/<int:did>/people/who")


@blueprint.post("", role="guard", check="file")
async def who(did: int) -> Response:
    device, hub = get_camera(did), auth.services()
    try:
        photo = await hub.cameras.photos.for_devices((await read_file_form("photo")).file)
    except UPLOAD_ERRORS as error:
        return await _who_page(device, error=error)
    if not may_ask_who(device):
        raise NoSuchPath
    return await _who_page(device, photo)


async def _who_page(
    device: DeviceView, photo: str = "", *, error: HubError | None = None
) -> Response:
    """The page of people, with whom the camera takes the photo for in place of them."""
    hub = auth.services()

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        if photo:
            person = await who_is(hub.cameras.commands, device.did, photo)
            values = await _make_who(hub.people.register, device.did, person)
            yield await renderer.render("camera/_who.html", **values)

    return await streamed_camera_page(
        PAGE,
        device,
        ask,
        status=error.status if error else 200,
        is_who=True,
        who_fault=describe_photo_error(error) if error else "",
        **list_values(device),
    )


async def _make_who(
    register: PeopleRegister, did: str, found: FoundPerson | None
) -> dict[str, object]:
    """Values for the template; no `who` if the camera knows nobody like that."""
    if found is None:
        return {"who": None}
    pid = found.person.pid if found.person else ""
    category = found.person.category if found.person else None
    people: Mapping[str, PersonName] = {}
    with suppress(CannotStoreNow, TooManyRequests):
        people = await people_named(register, [pid])
    return {
        "who": recognised_view(found.name, pid, category, people),
        "picture": device_picture_url(did, found.picture) if found.picture else "",
        "url": f"/cameras/{did}/people/{pid}" if pid.isdigit() else "",
    }
