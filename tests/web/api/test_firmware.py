"""/firmware of the API: files stream to the disk; releases, campaigns and downloads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import Struct
from trio.testing import MockClock

from hub.errors import TooLarge
from hub.services.audit import COMMAND_LINE
from hub.services.disk_space import GB
from hub.store import firmware_files
from hub.wire.signing import sign_params
from tests.support.clock import NOON, FrozenClock
from tests.support.firmware import FirmwareSite, firmware_site
from web.api.firmware.files import UPLOAD
from web.app import create_app
from web.http import streamed_body
from web.http.streamed_body import StreamedBody

API = "/api/hub/v1/firmware"
FILE = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(FILE).hexdigest()


class ApiResponse(Struct):
    status: int
    headers: dict[str, str]
    json: Any


class Api:
    """An integrator with a key."""

    def __init__(self, site: FirmwareSite, key: tuple[str, str]) -> None:
        self.site = site
        self.appid, self.secret = key
        self.bearer = {"Authorization": f"Bearer {self.appid}:{self.secret}"}
        self._app = create_app(site.services)
        self._client = self._app.test_client(use_cookies=False)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        response = await self._client.open(
            f"{API}/{path}",
            method=method,
            data=None if body is None else json.dumps(body),
            headers=self.bearer if headers is None else headers,
        )
        answer = await response.get_json()
        assert response.status_code == status, answer
        return answer

    async def upload(self, *parts: bytes, **how: Any) -> ApiResponse:
        answer = await self.send(*parts, **how)
        assert answer is not None
        return answer

    async def send(
        self,
        *parts: bytes,
        headers: dict[str, str] | None = None,
        kind: str = "application/octet-stream",
        query: str = "",
        ends: bool = True,
    ) -> ApiResponse | None:
        """The answer, or None if there was none. The client hangs up unless the body `ends`."""
        given = {"content-type": kind, **(self.bearer if headers is None else headers)}
        scope: Any = {
            "type": "http",
            "method": "POST",
            "scheme": "https",
            "path": UPLOAD.path,
            "http_version": "1.1",
            "query_string": query.encode(),
            "headers": [(n.lower().encode(), v.encode()) for n, v in given.items()],
            "client": ("10.0.0.9", 1234),
            "server": ("hub", 8443),
        }
        events = [
            {"type": "http.request", "body": part, "more_body": at < len(parts) or not ends}
            for at, part in enumerate(parts, 1)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            if events:
                return events.pop(0)
            if ends:
                await trio.sleep_forever()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)  # type: ignore[arg-type]
        if not sent:
            return None
        start, *rest = sent
        fields = {name.decode(): value.decode() for name, value in start["headers"]}
        return ApiResponse(
            start["status"], fields, json.loads(b"".join(one["body"] for one in rest))
        )

    async def audited(self) -> list[tuple[str, str]]:
        entries = await self.site.services.core.audit.newest()
        return [(entry.action, entry.target) for entry in entries][:-1][::-1]


@pytest.fixture
async def api(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Api]:
    async with firmware_site(tmp_path, clock, "1", "2", "3") as site:
        key = await site.services.access.api_keys.add("test", False, by=COMMAND_LINE)
        yield Api(site, (key.appid, key.secret))


def files_on_disk(api: Api) -> list[str]:
    return sorted(path.name for path in api.site.store.firmware_files.directory.iterdir())


# Files


async def test_a_file_is_stored_while_it_arrives_and_its_digests_are_returned(api: Api) -> None:
    answer = await api.upload(*(FILE[at : at + 100_000] for at in range(0, len(FILE), 100_000)))
    assert answer.status == 200
    assert answer.json == {
        "sha256": SHA256,
        "md5": hashlib.md5(FILE).hexdigest(),
        "size": len(FILE),
        "added_at": "2026-11-25T12:00:00.000Z",
    }
    assert (await api.ask("GET", "files"))["items"] == [answer.json]
    assert (api.site.store.firmware_files.directory / SHA256).read_bytes() == FILE
    again = await api.upload(FILE)
    assert again.json == answer.json
    assert await api.audited() == [("firmware.file-add", SHA256)] * 2


async def test_nothing_is_left_of_an_upload_whose_client_hangs_up(api: Api) -> None:
    before = files_on_disk(api)
    assert await api.send(FILE, ends=False) is None
    assert files_on_disk(api) == before
    assert (await api.ask("GET", "files"))["items"] == []


async def test_a_file_that_is_too_large_is_refused_while_it_arrives(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware_files, "MAX_FILE_BYTES", len(FILE) - 1)
    before = files_on_disk(api)
    answer = await api.upload(FILE[:-10], FILE[-10:], b"never requested")
    assert (answer.status, answer.json["code"]) == (413, 420)
    assert answer.headers["connection"] == "close"
    assert files_on_disk(api) == before


async def test_a_file_without_room_is_refused_before_it_arrives(api: Api) -> None:
    api.site.free.bytes = 2 * GB + len(FILE) - 1
    headers = {**api.bearer, "content-length": str(len(FILE))}
    answer = await api.upload(b"", b"never requested", headers=headers)
    assert (answer.status, answer.json["code"]) == (413, 420)
    assert answer.json["msg"].startswith("disk: 2 GB of the disk are kept for records")


async def test_an_empty_file_is_refused(api: Api) -> None:
    answer = await api.upload(b"")
    assert (answer.status, answer.json["msg"]) == (400, "file: the file is empty")


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    answer = await api.upload(FILE, kind="application/json")
    assert answer.status == 400
    assert answer.json["msg"].startswith("Content-Type: application/octet-stream")


async def test_the_refusal_of_a_fifth_concurrent_file_says_when_to_retry(api: Api) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            place = api.site.releases.receive()
            await place.__aenter__()
            nursery.start_soon(trio.sleep_forever)
        answer = await api.upload(FILE)
        nursery.cancel_scope.cancel()
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")


async def test_a_signed_upload_is_bound_to_the_files_md5(api: Api) -> None:
    def signed(**more: str) -> str:
        params = {"appid": api.appid, "ts": str(int(NOON)), "method": "POST", "path": UPLOAD.path}
        params |= more
        sign = sign_params(params, api.secret)
        return "&".join(f"{name}={value}" for name, value in {**params, "sign": sign}.items())

    md5 = hashlib.md5(FILE).hexdigest().upper()
    for query, status in (
        (signed(), 422),
        (signed(body_md5="0" * 32), 422),
        (signed(body_md5=md5), 200),
    ):
        answer = await api.upload(FILE, headers={}, query=query)
        assert answer.status == status, answer.json
    assert len((await api.ask("GET", "files"))["items"]) == 1


async def test_an_unknown_parameter_is_refused(api: Api) -> None:
    answer = await api.upload(FILE, query="name=app.bin")
    assert (answer.status, answer.json["msg"]) == (400, "name: unknown parameter")


async def test_only_a_file_without_a_release_can_be_removed(api: Api) -> None:
    await api.upload(FILE)
    await api.upload(b"another")
    release = await api.ask("POST", "releases", new_release())
    refused = await api.ask("DELETE", f"files/{SHA256}", status=400)
    assert refused["msg"] == f"sha256: release {release['id']} contains this file"
    other = hashlib.sha256(b"another").hexdigest()
    assert (await api.ask("DELETE", f"files/{other}"))["sha256"] == other
    await api.ask("DELETE", f"files/{other}", status=404)


# Time limits


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def head(*headers: tuple[bytes, bytes]) -> Any:
    return {"headers": headers}


async def body_of(*steps: tuple[float, bytes]) -> bytes:
    """The body of a sender that pauses for so many seconds before each part."""
    parts = iter([*steps, (0.0, b"")])
    last = len(steps)

    async def receive() -> Any:
        nonlocal last
        pause, part = next(parts)
        await trio.sleep(pause)
        last -= 1
        return {"type": "http.request", "body": part, "more_body": last >= 0}

    body = StreamedBody(receive, head(), 10 * streamed_body.STEP_BYTES)
    received = b""
    while part := await body.next():
        received += part
    return received


async def test_a_slow_sender_that_makes_progress_may_take_hours(mock_clock: MockClock) -> None:
    step = bytes(streamed_body.STEP_BYTES)
    assert await body_of(*[(streamed_body.STEP_SECONDS - 1, step)] * 10) == step * 10


@pytest.mark.parametrize("part", [b"", b"x", bytes(1000)])
async def test_a_sender_without_progress_is_refused(mock_clock: MockClock, part: bytes) -> None:
    with pytest.raises(streamed_body.TooSlow):
        await body_of(*[(streamed_body.STEP_SECONDS - 1, part)] * 10)


async def test_a_body_with_too_large_a_content_length_is_refused_unread() -> None:
    async def receive() -> Any:
        raise AssertionError("no body is requested")

    body = StreamedBody(receive, head((b"content-length", b"101")), 100)
    with pytest.raises(TooLarge):
        await body.next()


async def test_the_time_limit_does_not_count_the_time_of_the_disk(mock_clock: MockClock) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": True}

    body = StreamedBody(receive, head(), 100)
    for _ in range(10):
        assert await body.next() == b"x"
        await trio.sleep(streamed_body.STEP_SECONDS)


# Releases


def new_release(**fields: Any) -> dict[str, Any]:
    components = [{"name": "app.bin", "type": 3, "sha256": SHA256}]
    given = {"ver_code": 453523, "ver_name": "v2.0", "components": components}
    return {**given, "reports": {"swVer": "V2.0"}, **fields}


async def test_a_release_is_made_listed_shown_and_removed_with_its_files(api: Api) -> None:
    await api.upload(FILE)
    added = await api.ask(
        "POST",
        "releases",
        new_release(description="new", release_date="2026-11-20", least={"hwVer": "1.0"}),
    )
    assert added == {
        "id": added["id"],
        "ver_code": 453523,
        "ver_name": "v2.0",
        "description": "new",
        "release_date": "2026-11-20 00:00:00",
        "components": [
            {
                "name": "app.bin",
                "type": 3,
                "size": len(FILE),
                "md5": hashlib.md5(FILE).hexdigest(),
                "sha256": SHA256,
            }
        ],
        "reports": {"fwVer": None, "swVer": "V2.0", "osVer": None, "hwVer": None},
        "least": {"fwVer": None, "swVer": None, "osVer": None, "hwVer": "1.0"},
        "created_at": "2026-11-25T12:00:00.000Z",
    }
    path = f"releases/{added['id']}"
    assert await api.ask("GET", "releases") == {"items": [added], "next": None}
    assert await api.ask("GET", path) == added
    assert await api.ask("DELETE", path) == added
    assert await api.ask("GET", "files") == {"items": [], "next": None}
    assert (await api.ask("GET", path, status=404))["code"] == 426
    number = str(added["id"])
    assert (await api.audited())[1:] == [("firmware.add", number), ("firmware.remove", number)]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ver_code": -1}, "ver_code"),
        ({"ver_code": "x"}, "ver_code"),
        ({"ver_name": " "}, "ver_name"),
        ({"ver_name": "v" * 65}, "ver_name"),
        ({"components": []}, "components"),
        ({"components": [{"name": "a", "type": 6, "sha256": SHA256}]}, "components[0].type"),
        ({"components": [{"name": "a", "type": 1, "sha256": "0" * 64}]}, "components.0.sha256"),
        ({"release_date": "25/11/2026"}, "release_date"),
        ({"reports": {"swVer": "two"}}, "reports.swVer"),
        ({"least": {"fw": "1"}}, "fw"),
    ],
)
async def test_a_wrong_field_of_a_release_is_named(
    api: Api, fields: dict[str, Any], named: str
) -> None:
    await api.upload(FILE)
    refused = await api.ask("POST", "releases", new_release(**fields), status=400)
    assert named in refused["msg"]
    assert (await api.ask("GET", "releases"))["items"] == []


@pytest.mark.parametrize("path", ["releases/x", "releases/9999", "campaigns/1", "campaigns/-1"])
async def test_missing_files_releases_and_campaigns_are_404(api: Api, path: str) -> None:
    assert (await api.ask("GET", path, status=404))["code"] == 426


# Campaigns


async def test_a_campaign_is_started_followed_paused_resumed_and_stopped(api: Api) -> None:
    release = await api.site.add_release(FILE)
    dids = ["2", "1"]
    started = await api.ask("POST", "campaigns", {"release": release.id, "dids": dids})
    assert (started["state"], started["count"], started["done"]) == ("first", 2, 0)
    assert (started["release"], started["size"]) == (release.id, len(FILE))
    assert [(d["did"], d["state"], d["is_next"]) for d in started["devices"]] == [
        ("2", "waiting", True),
        ("1", "waiting", False),
    ]
    path = f"campaigns/{started['id']}"
    (token,) = await api.site.links("2")
    await api.site.fetch(token, 0, 1000)
    first = (await api.ask("GET", path))["devices"][0]
    assert (first["state"], first["received"]) == ("downloading", 1000)
    assert first["offered_at"] == "2026-11-25T12:00:00.000Z"
    assert (await api.ask("POST", f"{path}/pause"))["state"] == "paused"
    assert (await api.ask("POST", f"{path}/resume"))["state"] == "first"
    await api.site.report("2", fwVer="V2.0")
    (listed,) = (await api.ask("GET", "campaigns"))["items"]
    assert (listed["state"], listed["done"]) == ("rest", 1)
    assert "devices" not in listed
    assert (await api.ask("POST", f"{path}/stop"))["state"] == "stopped"
    await api.ask("POST", f"{path}/pause", status=400)
    number = str(started["id"])
    assert await api.audited() == [
        (f"campaign.{step}", number) for step in ("start", "pause", "resume", "stop")
    ]


async def test_a_campaign_refuses_devices_of_another_campaign_and_unknown_devices(api: Api) -> None:
    release = await api.site.add_release(FILE)
    await api.ask("POST", "campaigns", {"release": release.id, "dids": ["1"]})
    for dids, status in ((["1"], 409), (["99"], 404), ([], 400), (["2", "2"], 400)):
        body = {"release": release.id, "dids": dids}
        await api.ask("POST", "campaigns", body, status=status)
    await api.ask("POST", "campaigns", {"release": 99, "dids": ["2"]}, status=404)
    await api.ask("DELETE", f"releases/{release.id}", status=400)
    assert len((await api.ask("GET", "campaigns"))["items"]) == 1


async def test_downloads_are_listed(api: Api) -> None:
    release = await api.site.add_release(FILE)
    await api.site.campaigns.start(release.id, ["1"])
    (token,) = await api.site.links("1")
    await api.site.fetch(token, 0, 1000)
    expected = {
        "did": "1",
        "sha256": SHA256,
        "size": len(FILE),
        "covered": 1000,
        "sent": 1000,
        "started_at": "2026-11-25T12:00:00.000Z",
        "ended_at": "2026-11-25T12:00:00.000Z",
    }
    assert await api.ask("GET", "downloads") == {"items": [expected], "next": None}
    assert (await api.ask("GET", "downloads?did=2"))["items"] == []
