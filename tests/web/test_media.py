from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from quart.testing import QuartClient

from hub.errors import DeviceLeft, DeviceSilent, HubError
from hub.services.commands.calls import DeviceAnswer
from hub.store.disk import read_at
from hub.store.media import pictures
from hub.store.tables.devices import NewDevice
from hub.wire.pictures import Picture
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, face, open_hub_services
from web.app import create_app

PATH = "/media/1/face.jpg"


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_faces("a", pictures=True)
        yield hub


@pytest.fixture
def client(hub: HubServices) -> QuartClient:
    return create_app(hub.services).test_client(use_cookies=False)


@pytest.fixture
async def key(hub: HubServices) -> dict[str, str]:
    return await hub.bearer(read_only=True)


async def test_a_picture_is_as_it_was_sent_and_may_be_cached_forever(
    client: QuartClient, key: dict[str, str]
) -> None:
    response = await client.get(PATH, headers=key)
    assert response.status_code == 200
    assert await response.get_data() == b"\xff\xd8\xffa"
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Length"] == "4"
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


LARGE = "large" * 60_000


async def test_a_large_picture_is_read_in_pieces_as_its_reader_reads(
    hub: HubServices, client: QuartClient, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = b"\xff\xd8\xff" + LARGE.encode()
    seq = await hub.add(face(LARGE, pictures=True))
    sizes: list[int] = []

    def read_counted(path: Path, offset: int, size: int) -> bytes:
        sizes.append(size)
        return read_at(path, offset, size)

    path = f"/media/{seq}/face.jpg"
    for method in (client.get, client.head):
        response = await method(path, headers=key)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")
    monkeypatch.setattr(pictures, "_VERIFY_BYTES", 100_000)
    monkeypatch.setattr(pictures, "read_at", read_counted)
    response = await client.get(path, headers=key)
    assert response.headers["Content-Length"] == str(len(whole))
    assert await response.get_data() == whole
    assert max(sizes) == 100_000
    assert sum(sizes) == 2 * len(whole)
    known = key | {"If-None-Match": response.headers["ETag"]}
    response = await client.get(path, headers=known)
    assert (response.status_code, await response.get_data()) == (304, b"")


async def test_a_large_picture_that_goes_while_it_is_read_ends_its_answer(
    hub: HubServices, client: QuartClient, key: dict[str, str]
) -> None:
    picture = await hub.services.records.log.open_picture(
        await hub.add(face(LARGE, pictures=True)), "face"
    )
    assert isinstance(picture, pictures.PictureInPieces)
    assert len(await picture.read(0)) == pictures.PIECE_BYTES
    for pack in (hub.services.core.data_dir / "media").glob("*.pack"):
        pack.unlink()
    assert await picture.read(pictures.PIECE_BYTES) == b""


@pytest.mark.expects_error("does not hold the pictures")
async def test_a_large_picture_that_is_damaged_is_missing(
    hub: HubServices, client: QuartClient, key: dict[str, str]
) -> None:
    seq = await hub.add(face(LARGE, pictures=True))
    (pack,) = (hub.services.core.data_dir / "media").glob("*.pack")
    data = pack.read_bytes()
    pack.write_bytes(data.replace(b"largelarge", b"largeLarge", 1))
    assert (await client.get(f"/media/{seq}/face.jpg", headers=key)).status_code == 404


async def test_a_cached_picture_is_not_sent_again(client: QuartClient, key: dict[str, str]) -> None:
    etag = (await client.get(PATH, headers=key)).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        response = await client.get(PATH, headers=key | {"If-None-Match": known})
        assert (response.status_code, await response.get_data()) == (304, b"")
        assert response.headers["ETag"] == etag
        assert "immutable" in response.headers["Cache-Control"]
    response = await client.get(PATH, headers=key | {"If-None-Match": '"another"'})
    assert response.status_code == 200


async def test_head_describes_a_picture_without_sending_it(
    client: QuartClient, key: dict[str, str]
) -> None:
    response = await client.head(PATH, headers=key)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/media/1/face.png", 404, 426),
        ("/media/1/body.jpg", 404, 426),
        ("/media/2/face.jpg", 404, 426),
        ("/media/x/face.jpg", 400, 420),
        ("/media/1/face.jpg/x", 404, 404),
        ("/media/1/face", 404, 404),
        ("/media/../hub.key", 400, 420),
        ("/media/1/..%2f..%2fhub.key", 404, 404),
    ],
)
async def test_a_missing_picture_is_404(
    client: QuartClient, key: dict[str, str], path: str, status: int, code: int
) -> None:
    response = await client.get(path, headers=key)
    assert (response.status_code, (await response.get_json())["code"]) == (status, code)


async def test_pictures_need_a_signed_in_user(hub: HubServices, client: QuartClient) -> None:
    assert (await client.get(PATH)).status_code == 401
    token = await hub.add_user("vic", "viewer")
    cookie = {"Cookie": f"__Host-sitehub_session={token}"}
    assert (await client.get(PATH, headers=cookie)).status_code == 200


async def test_a_browser_that_opens_a_missing_picture_gets_a_page(
    hub: HubServices, client: QuartClient
) -> None:
    cookie = {"Cookie": f"__Host-sitehub_session={await hub.add_user('vic', 'viewer')}"}
    opened = {"Accept": "text/html,image/avif,*/*;q=0.8"}
    response = await client.get("/media/2/face.jpg", headers=cookie | opened)
    assert response.status_code == 404
    assert "Page not found" in await response.get_data(as_text=True)
    response = await client.get("/media/2/face.jpg", headers=opened)
    assert response.headers["Location"] == "/sign-in?next=/media/2/face.jpg"
    shown = {"Accept": "image/avif,image/webp,*/*;q=0.8"}
    response = await client.get("/media/2/face.jpg", headers=cookie | shown)
    assert (await response.get_json())["code"] == 426


# Pictures on devices

ON_DEVICE = "/media/device/1?path=sdcard/1.jpg"
JPEG = b"\xff\xd8\xff on the device"


def content(data: bytes = JPEG) -> DeviceAnswer:
    return answer(0, "OK", {"base64": base64.b64encode(data).decode()})


@pytest.fixture
async def device(hub: HubServices) -> AskedLink:
    """An online device that has every picture."""
    await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="12345678", did="1"))
    link = AskedLink("1", lambda uri, param: content())
    hub.registry.attach(link)
    return link


async def test_a_picture_on_a_device_is_read_once_and_may_be_cached_for_an_hour(
    client: QuartClient, key: dict[str, str], device: AskedLink
) -> None:
    response = await client.get(ON_DEVICE, headers=key)
    assert (response.status_code, await response.get_data()) == (200, JPEG)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Cache-Control"] == "private, max-age=3600"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    known = {"If-None-Match": response.headers["ETag"]}
    response = await client.get(ON_DEVICE, headers=key | known)
    assert (response.status_code, await response.get_data()) == (304, b"")
    assert response.headers["Cache-Control"] == "private, max-age=3600"
    assert [asked.param for asked in device.asked] == [{"path": "sdcard/1.jpg"}]


@pytest.mark.parametrize(
    ("reply", "status", "code", "says"),
    [
        (answer(404), 404, 426, "does not have that picture"),
        (answer(500, "card error"), 502, 502, "500 card error"),
        (content(b"#!/bin/sh"), 502, 502, "JPEG"),
        (DeviceSilent(), 504, 504, "did not answer"),
        (DeviceLeft("the connection ended"), 409, 409, "ended"),
    ],
)
async def test_errors_of_a_device_that_does_not_send_a_picture(
    client: QuartClient,
    key: dict[str, str],
    device: AskedLink,
    reply: DeviceAnswer | HubError,
    status: int,
    code: int,
    says: str,
) -> None:
    device.reply = lambda uri, param: reply
    response = await client.get(ON_DEVICE, headers=key)
    body = await response.get_json()
    assert (response.status_code, body["code"]) == (status, code)
    assert says in body["msg"]
    assert "immutable" not in response.headers.get("Cache-Control", "")
    document = await (await client.get("/openapi.json", headers=key)).get_json()
    assert str(status) in document["paths"]["/media/device/{did}"]["get"]["responses"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/media/device/1", 400, 420),
        ("/media/device/1?path=", 400, 420),
        ("/media/device/1?path=x&size=1", 400, 420),
        (f"/media/device/1?path={'x' * 1025}", 400, 420),
        ("/media/device/2?path=x", 404, 426),
    ],
)
async def test_a_path_that_no_device_has_is_refused(
    client: QuartClient,
    key: dict[str, str],
    device: AskedLink,
    path: str,
    status: int,
    code: int,
) -> None:
    response = await client.get(path, headers=key)
    assert (response.status_code, (await response.get_json())["code"]) == (status, code)
    assert device.asked == []


async def test_a_picture_on_an_offline_device_is_refused_with_that_reason(
    hub: HubServices, client: QuartClient, key: dict[str, str], device: AskedLink
) -> None:
    hub.registry.detach(device)
    response = await client.get(ON_DEVICE, headers=key)
    assert (response.status_code, (await response.get_json())["msg"]) == (
        409,
        "the device is offline",
    )


async def test_a_visitor_who_is_not_signed_in_causes_no_command(
    client: QuartClient, device: AskedLink
) -> None:
    assert (await client.get(ON_DEVICE)).status_code == 401
    assert device.asked == []


async def test_a_thumbnail_is_cached_forever_and_needs_the_same_rights(
    hub: HubServices, client: QuartClient, key: dict[str, str]
) -> None:
    whole = Image.effect_noise((640, 640), 60).convert("RGB")
    out = io.BytesIO()
    whole.save(out, "JPEG")
    photo = Picture("face", "image/jpeg", out.getvalue())
    await hub.add(replace(face("b"), pictures=(photo,)))
    path = "/media/2/face.jpg?size=small"
    response = await client.get(path, headers=key)
    small = Image.open(io.BytesIO(await response.get_data(as_text=False)))
    assert small.size == (320, 320)
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "image/jpeg"
    again = await client.get(path, headers=key | {"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304
    assert (await client.get(path)).status_code == 401
    assert (await client.get("/media/9/face.jpg?size=small", headers=key)).status_code == 404
    assert (await client.get("/media/2/face.jpg?size=large", headers=key)).status_code == 400
