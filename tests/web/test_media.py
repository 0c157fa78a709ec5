from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart.testing import QuartClient

from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
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


async def test_a_picture_is_what_was_sent_and_may_be_kept_for_ever(
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


async def test_a_picture_that_the_reader_has_is_not_sent_again(
    client: QuartClient, key: dict[str, str]
) -> None:
    etag = (await client.get(PATH, headers=key)).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        response = await client.get(PATH, headers=key | {"If-None-Match": known})
        assert (response.status_code, await response.get_data()) == (304, b"")
        assert response.headers["ETag"] == etag
        assert "immutable" in response.headers["Cache-Control"]
    response = await client.get(PATH, headers=key | {"If-None-Match": '"another"'})
    assert response.status_code == 200


async def test_head_tells_of_a_picture_without_sending_it(
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
async def test_a_picture_that_is_not_there(
    client: QuartClient, key: dict[str, str], path: str, status: int, code: int
) -> None:
    response = await client.get(path, headers=key)
    assert (response.status_code, (await response.get_json())["code"]) == (status, code)


async def test_a_signed_in_user_sees_pictures_and_nobody_else(
    hub: HubServices, client: QuartClient
) -> None:
    assert (await client.get(PATH)).status_code == 401
    token = await hub.add_user("vic", "viewer")
    cookie = {"Cookie": f"__Host-sitehub_session={token}"}
    assert (await client.get(PATH, headers=cookie)).status_code == 200
