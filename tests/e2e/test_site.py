"""From a camera's connection to an integrator's API, against a real process."""

from __future__ import annotations

import json
import random
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hub.store.sqlite.migrate import bring_up_to_date, migrations
from tests.e2e.camera import (
    EVENT_PATH,
    Camera,
    Capture,
    encode_request,
    request,
    try_connect,
    upload,
)
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

RECORDS = "/api/hub/v1/records"


@pytest.fixture
def did(hub: HubProcess, camera: Camera) -> str:
    return camera.enrol(hub, "--name", "Gate")


def test_the_certificate_is_signed_by_the_hubs_own_ca(hub: HubProcess) -> None:
    assert httpx.get(f"{hub.url}/healthz", verify=hub.trust()).json() == {"status": "ok"}
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{hub.url}/healthz")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(hub: HubProcess) -> None:
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError, match=r"(?i)version"):
        httpx.get(f"{hub.url}/healthz", verify=old)


def test_plain_http_on_a_tls_port_is_redirected(hub: HubProcess) -> None:
    answer = httpx.get(f"http://127.0.0.1:{hub.web_port}/live?a=b")
    assert answer.is_redirect
    assert answer.headers["Location"] == f"{hub.url}/live?a=b"


async def test_a_connect_signed_by_openssl_is_accepted(
    hub: HubProcess, camera: Camera, did: str
) -> None:
    async with camera.connect(hub.device_url, hub.trust(), did) as (socket, token):
        assert 0 < len(token) <= 32
        beat = encode_request("/heartbeat", {"did": did, "sn": camera.sn, "ip": "127.0.0.1"}, token)
        assert (await request(socket, beat))["code"] == 200
        renewal = encode_request("/token/update", {"did": did, "sn": camera.sn}, token)
        answer = await request(socket, renewal)
        assert answer["code"] == 200
        assert answer["result"]["token"] != token
        [device] = [d for d in json.loads(hub.cli("device", "list", "--json")) if d["did"] == did]
        assert device["state"] == "online"


async def test_a_wrong_signature_is_answered_423_and_an_unknown_camera_421(
    hub: HubProcess, camera: Camera, did: str
) -> None:
    wrong_code = Camera(camera.sn, "00000000", camera.private_key, camera.public_key)
    stranger = Camera("Y3CSTRANGER0000", camera.code, camera.private_key, camera.public_key)
    assert await try_connect(hub.device_url, hub.trust(), wrong_code.connect_frame(did)) == 423
    assert await try_connect(hub.device_url, hub.trust(), stranger.connect_frame()) == 421


async def test_a_capture_is_stored_served_and_streamed(
    hub: HubProcess, camera: Camera, did: str
) -> None:
    capture = Capture.random(random.Random(1), 15_000, 30_000, 120_000)
    headers = hub.add_api_key()
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client(headers=headers) as client,
    ):
        with (
            hub.sync_client(headers=headers) as reader,
            reader.stream("GET", "/api/hub/v1/stream") as stream,
        ):
            assert await upload(client, token, capture.body()) == 200
            record = await trio.to_thread.run_sync(first_record, stream, did)
        assert record["kind"] == "face"
        assert record["uuid"] == capture.uuid
        assert record["device_name"] == "Gate"
        for name, picture in capture.pictures.items():
            answer = await client.get(record["images"][name])
            assert answer.content == picture
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert "immutable" in answer.headers["Cache-Control"]
        page = (await client.get(RECORDS, params={"did": did})).json()
        assert page == {"items": [record], "next": None, "log": page["log"]}


async def test_an_upload_that_is_repeated_is_one_record(
    hub: HubProcess, camera: Camera, did: str
) -> None:
    body = Capture.random(random.Random(2), 100, 100, 100).body()
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client(headers=hub.add_api_key()) as client,
    ):
        for _ in range(3):
            assert await upload(client, token, body) == 200
        assert len((await client.get(RECORDS, params={"did": did})).json()["items"]) == 1


async def test_bad_bodies_are_refused_and_do_not_affect_other_uploads(
    hub: HubProcess, camera: Camera, did: str
) -> None:
    bad = (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"did": "", "time": NaN}',
        b'{"did": "", "time": 1e400}',
        b"[" * 100_000,
        b'{"did": "", "time": 1, "data": {"face_data": "bm8gcGljdHVyZQ=="}}',
    )
    event = {"did": "", "type": 99, "time": int(time.time() * 1000), "data": {}}
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client(headers=hub.add_api_key()) as client,
    ):
        for body in bad:
            assert await upload(client, token, body) == 420, body[:50]
        assert await upload(client, token, json.dumps(event).encode(), EVENT_PATH) == 424
        assert await upload(client, "nonsense", b"{}") == 401
        assert (await client.get(RECORDS, params={"did": did})).json()["items"] == []
        good = {**event, "type": 1}
        assert await upload(client, token, json.dumps(good).encode(), EVENT_PATH) == 200
    assert hub.is_healthy()


async def test_a_websocket_upgrade_on_the_web_port_followed_by_garbage_is_harmless(
    hub: HubProcess,
) -> None:
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", hub.web_port, ssl_context=hub.trust(), https_compatible=True
    )
    async with stream:
        await stream.send_all(
            b"GET / HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            b"\xff\xff\xff"
        )
        with trio.move_on_after(5):
            while await stream.receive_some(65536):
                pass
    assert hub.is_healthy()


def first_record(stream: httpx.Response, did: str) -> dict[str, Any]:
    """Return the first record of a device in the stream."""
    kind = ""
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        if name == "data" and kind == "record":
            record: dict[str, Any] = json.loads(value)
            if record["did"] == did:
                return record
    raise AssertionError("the stream ended")


def start_without_its_port(hub: HubProcess) -> str:
    """Start a hub whose device port is in use; return what it writes to stderr."""
    with socket.create_server(("127.0.0.1", hub.device_port)):
        assert hub.spawn().wait(TIMEOUT_SECONDS) == 1
    return hub.err


def test_a_port_in_use_is_reported_before_any_file_is_created(tmp_path: Path) -> None:
    with closing(HubProcess(tmp_path / "data")) as hub:
        line = start_without_its_port(hub)
    assert line.startswith(f"sitehub: port {hub.device_port} is already in use")
    assert line.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_leaves_a_database_unchanged(tmp_path: Path) -> None:
    database = tmp_path / "data" / "hub.sqlite"
    database.parent.mkdir()
    bring_up_to_date(database, migrations())
    before = database.read_bytes()
    with closing(HubProcess(tmp_path / "data")) as hub:
        line = start_without_its_port(hub)
    assert line.startswith(f"sitehub: port {hub.device_port} is already in use")
    assert database.read_bytes() == before
