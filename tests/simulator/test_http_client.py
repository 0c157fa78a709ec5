"""A camera's HTTP client: one persistent connection, and HubAway when it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.abc import Stream
from trio.testing import MockClock, memory_stream_pair

from hub.simulator.endpoint import HubAway
from hub.simulator.http_client import RESPONSE_SECONDS, HttpClient, HttpResponse, UploadReply
from tests.support.fake_hub import FakeHub


@pytest.fixture
async def hub(nursery: trio.Nursery) -> FakeHub:
    return FakeHub(nursery)


@pytest.fixture
async def client(hub: FakeHub) -> AsyncIterator[HttpClient]:
    http_client = HttpClient(hub.open_http, hub.host)
    yield http_client
    await http_client.aclose()


async def test_requests_share_one_connection(hub: FakeHub, client: HttpClient) -> None:
    for number in range(3):
        body = b"%d" % number
        assert await client.send("POST", "/x", body, "tok") == UploadReply(200, 200)
    assert hub.posts == [("POST", "/x", b"%d" % number, "Bearer tok") for number in range(3)]
    assert hub.http_connections == 1


async def test_a_connection_closed_by_the_hub_is_reopened(hub: FakeHub, client: HttpClient) -> None:
    hub.http_statuses = [(401, {"Connection": "close"})]
    assert await client.send("PUT", "/x", b"", None) == UploadReply(401, 401)
    assert await client.send("PUT", "/x", b"", None) == UploadReply(200, 200)
    assert hub.posts[0][3] == ""
    assert hub.http_connections == 2


async def test_a_lost_idle_connection_is_replaced_without_an_error(
    hub: FakeHub, client: HttpClient
) -> None:
    assert await client.send("POST", "/1", b"", None) == UploadReply(200, 200)
    await hub.drop_connections()
    assert await client.send("POST", "/2", b"", None) == UploadReply(200, 200)
    assert [path for _, path, _, _ in hub.posts] == ["/1", "/2"]
    assert hub.http_connections == 2


async def test_retry_after_is_read(hub: FakeHub, client: HttpClient) -> None:
    hub.http_statuses = [(503, {"Retry-After": "7"}), (503, {"Retry-After": "soon"})]
    assert (await client.send("POST", "/x", b"", "t")).retry_after == 7
    assert (await client.send("POST", "/x", b"", "t")).retry_after == 0


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
    ],
)
async def test_an_incomplete_or_invalid_response_is_reported_as_hub_away(
    nursery: trio.Nursery, response: bytes
) -> None:
    async def open_stream() -> Stream:
        camera, hub = memory_stream_pair()

        async def answer() -> None:
            await hub.send_all(response)
            await hub.aclose()

        nursery.start_soon(answer)
        return camera

    client = HttpClient(open_stream, "hub.test")
    with pytest.raises(HubAway, match="POST /x: "):
        await client.send("POST", "/x", b"{}", "t")


async def test_a_missing_response_is_reported_as_hub_away_after_the_timeout(
    autojump_clock: MockClock,
) -> None:
    camera, hub = memory_stream_pair()

    async def open_stream() -> Stream:
        return camera

    started = trio.current_time()
    with pytest.raises(HubAway):
        await HttpClient(open_stream, "hub.test").send("POST", "/x", b"{}", "t")
    assert trio.current_time() - started == RESPONSE_SECONDS
    await hub.aclose()


async def test_a_reply_without_json_has_the_http_status_as_its_code(nursery: trio.Nursery) -> None:
    camera, hub = memory_stream_pair()

    async def open_stream() -> Stream:
        return camera

    await hub.send_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops")
    assert await HttpClient(open_stream, "hub.test").send("POST", "/", b"", None) == UploadReply(
        502, 502
    )
    await camera.aclose()


async def test_parts_of_a_file_are_downloaded_by_range(hub: FakeHub, client: HttpClient) -> None:
    hub.files["/f"] = b"0123456789"
    assert await client.get_range("/f", 2, 4) == HttpResponse(206, b"234")
    assert hub.fetched == [("/f", "bytes=2-4")]


async def test_concurrent_requests_share_the_connection(hub: FakeHub, client: HttpClient) -> None:
    hub.files["/f"] = b"x" * 100
    async with trio.open_nursery() as tasks:
        for _ in range(10):
            tasks.start_soon(client.send, "POST", "/x", b"{}", "t")
            tasks.start_soon(client.get_range, "/f", 0, 99)
    assert (len(hub.posts), len(hub.fetched), hub.http_connections) == (10, 10, 1)


async def test_a_truncated_upload_is_not_received_and_the_next_one_is(
    hub: FakeHub, client: HttpClient
) -> None:
    await client.send_truncated("POST", "/x", b"0123456789", "t", share=0.5)
    assert await client.send("POST", "/x", b"{}", "t") == UploadReply(200, 200)
    assert [body for _, _, body, _ in hub.posts] == [b"{}"]


async def test_closing_the_client_during_a_request_is_reported_as_hub_away(
    autojump_clock: MockClock,
) -> None:
    camera, hub = memory_stream_pair()

    async def open_stream() -> Stream:
        return camera

    client = HttpClient(open_stream, "hub.test")

    async def close() -> None:
        await trio.sleep(1)
        await client.aclose()

    async with trio.open_nursery() as tasks:
        tasks.start_soon(close)
        with pytest.raises(HubAway):
            await client.send("POST", "/x", b"{}", "t")
    assert trio.current_time() < 2
    await hub.aclose()
