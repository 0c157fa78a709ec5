"""Devices download firmware, whole or in parts, over the real server and without one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from hub.net.connection_slots import KnownAddresses
from hub.services.firmware.downloads import MAX_DOWNLOADS_PER_DEVICE, PATH, STEP_BYTES
from tests.support.clock import FrozenClock
from tests.support.firmware import FirmwareSite, firmware_site
from tests.support.ports import free_port
from tests.support.web import Answer, connected, request, services, serving
from web.device_api.firmware_downloads import STEP_SECONDS, FirmwareDownloads
from web.http.ranges import FilePart, part_of

DATA = random.Random(0).randbytes(2 * STEP_BYTES + 1000)
SIZE = len(DATA)
ETAG = b'"e"'


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})


class Port:
    """The web port of a site with a camera that is offered a release."""

    def __init__(self, site: FirmwareSite, parts: Any, path: str) -> None:
        self.site = site
        self.parts = parts
        self.path = path

    async def ask(self, method: str = "GET", **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with connected(self.parts, port=self.parts.config.devices.plain_http_port) as client:
            await client.send(request(method, self.path, headers=given))
            with trio.fail_after(10):
                return await client.answer(method=method)


@pytest.fixture
async def port(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Port]:
    async with firmware_site(tmp_path, clock, "1") as site:
        release = await site.add_release(DATA)
        await site.campaigns.start(release.id, ["1"])
        parts = services(devices={"plain_http_port": free_port()})
        parts.firmware.downloads = site.downloads
        answer = await site.ask("1")
        assert answer is not None
        path = PATH + answer.component_list[0].url.partition(PATH)[2]
        async with serving(_nothing, parts):
            yield Port(site, parts, path)


async def test_a_file_is_downloaded_without_a_login(port: Port) -> None:
    answer = await port.ask(Authorization="")
    assert (answer.status, answer.body) == (200, DATA)
    (file,) = port.site.releases.files()
    assert answer.headers["etag"] == f'"{file.sha256}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(SIZE)
    (download,) = port.site.downloads.downloads("1")
    assert download.is_complete


async def test_an_interrupted_download_resumes_where_it_was(port: Port) -> None:
    first = await port.ask(Range="bytes=0-99999")
    assert (first.status, first.headers["content-range"]) == (206, f"bytes 0-99999/{SIZE}")
    rest = await port.ask(Range="bytes=100000-", If_Range=first.headers["etag"])
    assert rest.status == 206
    assert first.body + rest.body == DATA
    (download,) = port.site.downloads.downloads("1")
    assert download.is_complete


async def test_a_range_of_the_whole_file_is_answered_206(port: Port) -> None:
    answer = await port.ask(Range=f"bytes=0-{SIZE - 1}")
    assert (answer.status, answer.body) == (206, DATA)
    assert answer.headers["content-range"] == f"bytes 0-{SIZE - 1}/{SIZE}"


async def test_a_range_of_another_file_gets_the_whole_file(port: Port) -> None:
    answer = await port.ask(Range="bytes=100000-", If_Range='"another"')
    assert (answer.status, answer.body) == (200, DATA)


async def test_416_beyond_the_end(port: Port) -> None:
    answer = await port.ask(Range=f"bytes={SIZE}-")
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert port.site.downloads.downloads() == []


async def test_head_describes_the_file_and_downloads_nothing(port: Port) -> None:
    answer = await port.ask("HEAD", Range="bytes=0-1")
    assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))
    assert port.site.downloads.downloads() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_link_allows_no_other_method(port: Port, method: str) -> None:
    answer = await port.ask(method, Content_Length="0")
    assert (answer.status, answer.json["code"]) == (404, 404)


@pytest.mark.parametrize("path", ["", "x", "x/", "x/y/z", "../../etc/passwd", "%00/y", "x" * 3000])
async def test_an_invalid_link_is_404(port: Port, path: str) -> None:
    port.path = PATH + path
    answer = await port.ask()
    assert (answer.status, answer.json["code"]) == (404, 404)


async def test_503_says_when_to_retry_while_too_many_download(port: Port) -> None:
    token = port.path.removeprefix(PATH).partition("/")[0]
    for _ in range(MAX_DOWNLOADS_PER_DEVICE):
        port.site.downloads.find(token).__enter__()
    answer = await port.ask()
    assert (answer.status, answer.json["code"]) == (503, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert (await port.ask("HEAD")).status == 200


async def test_the_download_of_a_damaged_file_is_cut_short(port: Port, tmp_path: Path) -> None:
    (file,) = port.site.releases.files()
    (tmp_path / "firmware" / file.sha256).write_bytes(DATA[:STEP_BYTES])
    async with connected(port.parts, port=port.parts.config.devices.plain_http_port) as client:
        await client.send(request("GET", port.path))
        with trio.fail_after(10):
            received = await client.ended()
    assert received.endswith(DATA[:STEP_BYTES])
    assert (await port.ask("HEAD")).status == 200


async def test_a_download_does_not_delay_the_shutdown(port: Port) -> None:
    port.parts.core.closing.set()
    async with connected(port.parts, port=port.parts.config.devices.plain_http_port) as client:
        await client.send(request("GET", port.path))
        with trio.fail_after(10):
            assert await client.ended() == b""


class OneFile:
    """Downloads of one file that is in memory."""

    def __init__(self) -> None:
        self.file = SimpleNamespace(size=SIZE, sha256="e" * 64)
        self.did = "1"
        self.sent_up_to = 0
        self.holds_a_place = False

    def find(self, token: str) -> OneFile:
        return self

    def __enter__(self) -> OneFile:
        self.holds_a_place = True
        return self

    def __exit__(self, *error: object) -> None:
        self.holds_a_place = False

    async def read(self, offset: int, end: int) -> bytes:
        return DATA[offset : min(end, offset + STEP_BYTES)]

    async def sent(self, offset: int, size: int) -> None:
        self.sent_up_to = offset + size


async def test_a_stuck_download_gives_up_its_place(autojump_clock: MockClock) -> None:
    one: Any = OneFile()
    parts: Any = SimpleNamespace(
        firmware=SimpleNamespace(downloads=one),
        core=SimpleNamespace(closing=trio.Event()),
        access=SimpleNamespace(known_addresses=KnownAddresses()),
    )
    steps = 0

    async def send(message: Any) -> None:
        nonlocal steps
        steps += message["type"] == "http.response.body"
        if steps == 2:
            await trio.sleep_forever()

    download = FirmwareDownloads(parts)
    await download({"method": "GET", "headers": []}, f"{PATH}token/name", send)  # type: ignore[typeddict-item]
    assert trio.current_time() == pytest.approx(STEP_SECONDS)
    assert one.sent_up_to == STEP_BYTES
    assert not one.holds_a_place


WHOLE = FilePart(0, 100, is_range=False)


def scope_of(range_: str, if_range: str = "") -> Any:
    headers = [(b"range", range_.encode())]
    return {"headers": headers + ([(b"if-range", if_range.encode())] if if_range else [])}


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", FilePart(0, 10)),
        ("bytes=90-", FilePart(90, 100)),
        ("bytes=90-1000", FilePart(90, 100)),
        ("bytes=-10", FilePart(90, 100)),
        ("bytes=-1000", FilePart(0, 100)),
        ("bytes=0-99", FilePart(0, 100)),
        ("BYTES = 5 - 6", FilePart(5, 7)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        # Malformed, so ignored: the whole file.
        ("bytes=9-0", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes=" + "9" * 99 + "-", WHOLE),
        ("", WHOLE),
    ],
)
def test_ranges_that_are_answered(wanted: str, part: FilePart | None) -> None:
    assert part_of(scope_of(wanted), 100, ETAG) == part


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ('"e"', FilePart(5, 100)),
        ('W/"e"', WHOLE),
        ('"f"', WHOLE),
        ("Wed, 25 Nov 2026 12:00:00 GMT", WHOLE),
    ],
)
def test_if_range_must_name_the_same_file(condition: str, part: FilePart) -> None:
    assert part_of(scope_of("bytes=5-", condition), 100, ETAG) == part


def test_a_repeated_range_header_is_ignored() -> None:
    scope: Any = {"headers": [(b"range", b"bytes=0-1"), (b"range", b"bytes=5-6")]}
    assert part_of(scope, 100, ETAG) == WHOLE
