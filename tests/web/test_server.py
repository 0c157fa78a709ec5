"""The web server on real sockets, plain and TLS: no client keeps it from serving the others."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.net.connection_slots import KnownAddresses, Limits
from tests.bench.hub_process import raise_limit_of_open_files
from tests.support.certificates import server_context
from tests.support.ports import free_port
from tests.support.web import connected, request, services, serving, serving_made
from web import server
from web.api.devices.commands import commands_api
from web.http import connection, sender
from web.http.bodies import Bodies


async def app(scope: Any, receive: Any, send: Any) -> None:
    """A stand-in for Quart: answers with the path, or acts as the path says."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    act = ACTS.get(scope["path"], tell_path)
    await act(scope, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def respond(send: Any, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def tell_path(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, scope["raw_path"])


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            ECHOES_LEFT.append(body)
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await respond(send, body)


async def fail(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("a bug")


async def fail_late(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("a bug")


async def stream_events(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b": beat\n" * 5000, "more_body": True})


async def picture(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, b"\xff" * 40_000_000)


async def slow(scope: Any, receive: Any, send: Any) -> None:
    await trio.sleep(2)
    await respond(send, b"done")


async def set_nosniff(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, b"", (b"x-content-type-options", b"nosniff"))


async def change(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await trio.sleep(2 if WHOLE in scope["extensions"] else 0)
    CHANGED.append(WHOLE in scope["extensions"])
    await respond(send, b"changed")


async def tell_whole(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, b"whole" if WHOLE in scope["extensions"] else b"part")


WHOLE = connection.WHOLE_BODY
CHANGED: list[bool] = []
ECHOES_LEFT: list[bytes] = []
ACTS = {
    "/echo": echo,
    "/fail": fail,
    "/fail-late": fail_late,
    "/stream": stream_events,
    "/picture": picture,
    "/slow": slow,
    "/nosniff": set_nosniff,
    "/change": change,
    "/whole": tell_whole,
    **{f"/fail-{number}": fail for number in range(1, 5)},
}


@pytest.fixture(params=["plain", "tls"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return services(tls=server_context(tmp_path) if request.param == "tls" else None)


@pytest.fixture
def plain() -> Any:
    return services()


@pytest.fixture
def tls(tmp_path: Path) -> Any:
    return services(tls=server_context(tmp_path))


async def is_served(parts: Any) -> bool:
    async with connected(parts) as client:
        return (await client.ask(request("GET", "/still"))).body == b"/still"


async def test_a_websocket_upgrade_and_rubbish_after_it_end_that_connection_only(
    parts: Any,
) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(
            request(
                "GET",
                "/",
                headers={
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                },
            ),
            b"\xff\xff\xff",
        )
        answer = await client.answer()
        assert answer.status == 400
        assert "devices.port" in answer.json["msg"]
        assert answer.headers["connection"] == "close"
        assert await is_served(parts)


async def test_an_upgrade_to_http2_is_ignored(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        upgrade = {
            "Connection": "Upgrade, HTTP2-Settings",
            "Upgrade": "h2c",
            "HTTP2-Settings": "AAMAAABkAAQAAP__",
        }
        answer = await client.ask(request("GET", "/page", headers=upgrade))
        assert (answer.status, answer.body) == (200, b"/page")
        assert (await client.ask(request("GET", "/next"))).body == b"/next"


async def test_http2_without_an_upgrade_is_refused(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        answer = await client.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100)
        assert answer.status == 505
        assert await is_served(parts)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET ?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT hub:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 40_000 + b"\r\n", 431),
        (b"GET /" + b"x" * 200_000, 431),
    ],
)
async def test_a_malformed_request_is_answered_in_a_short_form(
    plain: Any, sent: bytes, status: int
) -> None:
    async with serving(app, plain), connected(plain) as client:
        answer = await client.ask(sent)
        assert answer.status == status
        assert answer.json["code"] == 420
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert await client.ended() == b""
        assert await is_served(plain)


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64, "[::1", "user@hub", "http://hub"])
async def test_what_is_no_host_is_refused_with_a_sentence(plain: Any, host: str) -> None:
    async with serving(app, plain), connected(plain) as client:
        answer = await client.ask(request("GET", "/page", headers={"Host": host}))
        assert answer.status == 400
        assert answer.json == {
            "code": 420,
            "msg": "Host: a host name or an address is expected, with or without a port",
        }
        # Cameras are not asked for it.
        answer = await client.ask(request("GET", "/api/v1/server/time", headers={"Host": host}))
        assert answer.status == 200


@pytest.mark.expects_error("a fault of the hub while answering GET /fail-1")
async def test_a_fault_is_logged_once_a_minute_whatever_the_path_is(
    parts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app, parts):
        for number in range(1, 5):
            async with connected(parts) as client:
                assert (await client.ask(request("GET", f"/fail-{number}"))).status == 500
    assert sum("a fault of the hub" in one.message for one in caplog.records) == 1


async def test_every_answer_forbids_sniffing_once_and_names_no_server(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        for path in ("/page", "/nosniff", "/api/v1/nothing", "/api/v1/server/time"):
            answer = await client.ask(request("GET", path))
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "server" not in answer.headers


async def test_a_change_that_arrived_whole_is_finished_even_if_its_client_hangs_up(
    parts: Any, mock_clock: MockClock
) -> None:
    CHANGED.clear()
    async with serving(app, parts):
        async with connected(parts) as client:
            await client.send(request("POST", "/change", b"whole"))
            await wait_all_tasks_blocked(0.05)
        await wait_all_tasks_blocked(0.05)
        mock_clock.jump(2)
        await wait_all_tasks_blocked(0.05)
        assert CHANGED == [True]
        assert await is_served(parts)


async def test_a_client_that_hangs_up_counts_as_connected_until_its_change_is_finished(
    mock_clock: MockClock,
) -> None:
    parts = services(web={"max_connections_per_address": 20})
    async with serving(app, parts):
        for _ in range(20):
            async with connected(parts) as client:
                await client.send(request("POST", "/change", b"whole"))
                await wait_all_tasks_blocked(0.01)
        async with connected(parts) as client:
            assert await client.ended() == b""
        mock_clock.jump(2)
        await wait_all_tasks_blocked(0.05)
        assert await is_served(parts)


async def test_a_body_that_came_with_its_head_is_marked_as_whole(plain: Any) -> None:
    CHANGED.clear()
    sent = request("POST", "/change", b"whole")
    async with serving(app, plain), connected(plain) as client:
        await client.send(sent[:-1])
        await wait_all_tasks_blocked(0.05)
        await client.send(sent[-1:], request("POST", "/whole", b"", {"Content-Length": "0"}))
        assert (await client.answer()).body == b"changed"
        assert (await client.answer()).body == b"whole"
        assert CHANGED == [False]


@pytest.mark.expects_error("a fault of the hub while answering POST /fail\n")
async def test_an_error_while_a_change_is_answered_is_a_500(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        assert (await client.ask(request("POST", "/fail", b"whole"))).status == 500
        assert await is_served(parts)


@pytest.mark.expects_error("a fault of the hub while answering GET /fail\n")
async def test_an_error_of_the_application_is_a_500_and_does_not_affect_others(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        assert (await client.ask(request("GET", "/fail?sign=SECRET"))).status == 500
        assert await is_served(parts)


@pytest.mark.expects_error("a fault of the hub while answering GET /fail-late\n")
async def test_an_error_in_the_middle_of_an_answer_cuts_it_off(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("GET", "/fail-late"))
        received = await client.ended()
        assert received.endswith(b"4\r\nhalf\r\n")
        assert await is_served(parts)


async def test_a_body_arrives_whole_in_pieces_of_any_size(parts: Any) -> None:
    body = bytes(range(256)) * 4000
    async with serving(app, parts), connected(parts) as client:
        for size in (7, 50_000, len(body)):
            sent = request("POST", "/echo", body[: size * 1000])
            for start in range(0, len(sent), size):
                await client.send(sent[start : start + size])
            assert (await client.answer()).body == body[: size * 1000]


@pytest.mark.parametrize("cut", range(60, 72))
async def test_a_head_may_end_anywhere_in_what_arrives(plain: Any, cut: int) -> None:
    sent = request("POST", "/echo", b"body")
    assert 60 < sent.index(b"\r\n\r\n") + 4 < 100
    cut += sent.index(b"\r\n\r\n") - 66
    async with serving(app, plain), connected(plain) as client:
        await client.send(sent[:cut])
        await wait_all_tasks_blocked(0.01)
        assert (await client.ask(sent[cut:], request("GET", "/next"))).body == b"body"
        assert (await client.answer()).body == b"/next"


async def test_bare_line_feeds_end_a_head_as_well(plain: Any) -> None:
    sent = request("POST", "/echo", b"body\n\n").replace(b"\r\n", b"\n")
    async with serving(app, plain), connected(plain) as client:
        assert (await client.ask(sent, request("GET", "/next"))).body == b"body\n\n"
        assert (await client.answer()).body == b"/next"


async def test_a_chunked_body_arrives_whole(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("POST", "/echo", headers={"Transfer-Encoding": "chunked"}))
        await client.send(b"5\r\nhello\r\n", b"6;x=y\r\n world\r\n")
        answer = await client.ask(b"0\r\nTrailer: x\r\n\r\n")
        assert answer.body == b"hello world"
        assert (await client.ask(request("GET", "/next"))).body == b"/next"


async def test_bytes_after_a_chunked_body_are_the_next_request(parts: Any) -> None:
    chunked = request("POST", "/echo", headers={"Transfer-Encoding": "chunked"})
    unwanted = request("POST", "/unwanted", headers={"Transfer-Encoding": "chunked"})
    async with serving(app, parts), connected(parts) as client:
        for head, body in ((chunked, b"hello"), (unwanted, b"/unwanted")):
            await client.send(head, b"5\r\nhello\r\n0\r\n\r\n", request("GET", "/next"))
            assert (await client.answer()).body == body
            assert (await client.answer()).body == b"/next"


async def test_a_malformed_chunk_is_refused(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("POST", "/echo", headers={"Transfer-Encoding": "chunked"}))
        assert (await client.ask(b"5\r\nhello\r\nnot hex\r\n")).status == 400
        assert await is_served(parts)


async def test_a_body_with_two_lengths_is_refused(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        two = {"Transfer-Encoding": "chunked", "Content-Length": "4"}
        answer = await client.ask(request("POST", "/echo", headers=two), b"0\r\n\r\n")
        assert (answer.status, answer.json["code"]) == (400, 420)
        assert "content-length" in answer.json["msg"]


async def test_pipelined_requests_are_answered_in_order(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(
            request("POST", "/echo", b"first"), request("GET", "/2"), request("GET", "/3")
        )
        assert [(await client.answer()).body for _ in range(3)] == [b"first", b"/2", b"/3"]


async def test_bytes_beyond_the_announced_length_are_not_part_of_the_body(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.send(request("POST", "/echo", b"five!"), b" and more\r\n\r\n")
        assert (await client.answer()).body == b"five!"
        assert (await client.answer()).status == 400


async def test_an_answer_that_is_ready_while_its_request_is_refused_is_dropped(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        head = request("POST", "/unwanted", headers={"Transfer-Encoding": "chunked"})
        await client.send(head, b"zz\r\n")
        assert (await client.answer()).status == 400
        assert await client.ended() == b""
        assert await is_served(parts)


async def test_an_incomplete_body_is_not_passed_on_as_a_body(parts: Any) -> None:
    ECHOES_LEFT.clear()
    async with serving(app, parts):
        async with connected(parts) as client:
            await client.send(request("POST", "/echo", b"half", {"Content-Length": "8"}))
            await wait_all_tasks_blocked(0.05)
        with trio.fail_after(30):
            while not ECHOES_LEFT:
                await wait_all_tasks_blocked(0.01)
        assert ECHOES_LEFT == [b"half"]
        assert await is_served(parts)


async def test_a_client_that_closes_its_side_within_a_body_gets_an_error(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.send(request("POST", "/echo", b"half", {"Content-Length": "8"}))
        await client.stream.send_eof()  # type: ignore[attr-defined]
        answer = await client.answer()
        assert answer.status == 400
        assert answer.json == {"code": 420, "msg": "body: ended before it was complete"}


async def test_an_application_that_does_not_listen_learns_that_its_peer_is_lost(
    plain: Any,
) -> None:
    async with serving(app, plain):
        async with connected(plain) as client:
            await client.send(request("GET", "/stream"))
            await client.answer_begins()
        assert await is_served(plain)


async def test_a_client_that_closes_its_side_after_the_request_gets_its_answer(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.send(request("POST", "/echo", b"over"))
        assert isinstance(client.stream, trio.SocketStream)
        await client.stream.send_eof()
        assert (await client.answer()).body == b"over"
        assert await client.ended() == b""


async def test_http_1_0_is_answered_and_closed(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        assert (await client.ask(b"GET /old HTTP/1.0\r\n\r\n")).body == b"/old"
        assert await client.ended() == b""


async def test_a_target_with_scheme_and_host_means_its_path(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        answer = await client.ask(b"GET http://hub:8443/page?a=1 HTTP/1.1\r\nHost: hub\r\n\r\n")
        assert answer.body == b"/page"


async def test_head_is_answered_without_a_body(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.send(request("HEAD", "/page"))
        assert (await client.answer(method="HEAD")).headers["content-length"] == "5"
        assert (await client.ask(request("GET", "/next"))).body == b"/next"


async def test_100_continue_is_sent_only_when_the_application_reads_the_body(parts: Any) -> None:
    expect = {"Expect": "100-continue", "Content-Length": "4"}
    async with serving(app, parts), connected(parts) as client:
        assert (await client.ask(request("POST", "/echo", headers=expect))).status == 100
        assert (await client.ask(b"body")).body == b"body"
        answer = await client.ask(request("POST", "/page", headers=expect))
        assert answer.status == 200
        assert answer.headers["connection"] == "close"


async def test_a_client_that_does_not_wait_gets_no_100_continue(parts: Any) -> None:
    async with serving(app, parts), connected(parts) as client:
        sent = request("POST", "/echo", b"body", {"Expect": "100-continue"})
        assert (await client.ask(sent)).body == b"body"
        assert (await client.ask(request("GET", "/next"))).body == b"/next"


async def test_a_client_that_sends_an_unwanted_body_can_read_the_answer(parts: Any) -> None:
    body = b"x" * 3_000_000
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("POST", "/unwanted", body))
        assert (await client.answer()).body == b"/unwanted"
        assert (await client.ask(request("GET", "/next"))).body == b"/next"


async def test_an_unwanted_chunked_body_is_dropped_unparsed(parts: Any) -> None:
    """Its end is not searched for, so the connection is closed after the answer."""
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("POST", "/page", headers={"Transfer-Encoding": "chunked"}))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await client.send(b"this is no chunk\r\n" * 1000)
        if isinstance(client.stream, trio.SocketStream):
            await client.stream.send_eof()
            assert await client.ended() == b""
        assert await is_served(parts)


async def test_a_silent_connection_is_closed(plain: Any, mock_clock: MockClock) -> None:
    async with serving(app, plain), connected(plain) as client:
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(connection.HEAD_SECONDS + 1)
        assert await client.ended() == b""


async def test_headers_that_trickle_are_answered_408(plain: Any, mock_clock: MockClock) -> None:
    async with serving(app, plain), connected(plain) as client:
        for byte in b"GET / HTTP/1.1\r\n"[:9]:
            await client.send(bytes([byte]))
            await wait_all_tasks_blocked(0.01)
            mock_clock.jump(connection.HEAD_SECONDS / 8)
        assert (await client.answer()).status == 408
        assert await client.ended() == b""


async def test_a_connection_may_be_idle_for_idle_seconds_and_is_then_closed(
    plain: Any, mock_clock: MockClock
) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.ask(request("GET", "/1"))
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(connection.IDLE_SECONDS - 1)
        await client.ask(request("GET", "/2"))
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(connection.IDLE_SECONDS + 1)
        assert await client.ended() == b""


async def test_a_request_in_progress_has_no_deadline(plain: Any, mock_clock: MockClock) -> None:
    async with serving(app, plain), connected(plain) as client:
        await client.send(request("POST", "/echo", b"half", {"Content-Length": "8"}))
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(600)
        assert (await client.ask(b"half")).body == b"halfhalf"


@pytest.mark.parametrize("path", ["/stream", "/picture"])
async def test_a_connection_whose_client_does_not_read_is_closed(
    parts: Any, path: str, mock_clock: MockClock
) -> None:
    async with serving(app, parts), connected(parts) as client:
        await client.send(request("GET", path))
        await wait_all_tasks_blocked(0.1)
        mock_clock.jump(sender.SEND_SECONDS + 1)
        await wait_all_tasks_blocked(0.05)
        mock_clock.jump(connection.LINGER_SECONDS + 1)
        assert len(await client.ended()) < 40_000_000


async def test_the_shutdown_waits_for_requests_in_progress_and_not_for_idle_connections(
    parts: Any, mock_clock: MockClock
) -> None:
    async with serving(app, parts) as shutdown, connected(parts) as idle:
        await idle.ask(request("GET", "/1"))
        async with connected(parts) as busy:
            await busy.send(request("GET", "/slow"))
            await wait_all_tasks_blocked(0.05)
            shutdown.set()
            assert await idle.ended() == b""
            mock_clock.jump(2)
            answer = await busy.answer()
            assert (answer.body, answer.headers["connection"]) == (b"done", "close")


async def test_clients_that_do_not_read_do_not_delay_the_shutdown(
    parts: Any, mock_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        over = trio.Event()
        shutdown = trio.Event()

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            make_app = lambda *_: app  # noqa: E731
            await server.serve(make_app, parts, shutdown=shutdown, task_status=task_status)
            over.set()

        await nursery.start(run)
        async with connected(parts) as stream, connected(parts) as picture:
            await stream.send(request("GET", "/stream"))
            await picture.send(request("GET", "/picture"))
            await wait_all_tasks_blocked(0.1)
            shutdown.set()
            await wait_all_tasks_blocked(0.05)
            assert not over.is_set()
            mock_clock.jump(server.GRACE_SECONDS)
            await wait_all_tasks_blocked(0.05)
            assert over.is_set()


async def test_no_connection_is_accepted_after_the_shutdown_has_begun(
    plain: Any, mock_clock: MockClock
) -> None:
    async with serving(app, plain) as shutdown, connected(plain) as busy:
        await busy.send(request("GET", "/slow"))
        await wait_all_tasks_blocked(0.05)
        shutdown.set()
        await wait_all_tasks_blocked(0.05)
        with pytest.raises(OSError, match=r"refused|all attempts"):
            await trio.open_tcp_stream("127.0.0.1", plain.config.web.port)
        mock_clock.jump(2)
        await busy.answer()


async def test_plain_http_on_the_tls_port_is_redirected_to_https(tls: Any) -> None:
    port = tls.config.web.port
    async with serving(app, tls):
        async with connected(tls, port=port) as client:
            answer = await client.ask(
                b"GET /live?kind=face HTTP/1.1\r\nHost: hub.local:8443\r\n\r\n"
            )
            assert answer.status == 308
            assert answer.headers["location"] == "https://hub.local:8443/live?kind=face"
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert await is_served(tls)


async def test_the_plain_extra_port_serves_only_the_paths_of_devices(
    tmp_path: Path,
) -> None:
    extra = free_port()
    parts = services(tls=server_context(tmp_path), devices={"plain_http_port": extra})
    async with serving(app, parts), connected(parts, port=extra) as client:
        time = await client.ask(request("GET", "/api/v1/server/time"))
        assert (time.status, time.json["code"]) == (200, 200)
        for path in ("/", "/healthz", "/api/hub/v1/devices", "/api/v1"):
            answer = await client.ask(request("GET", path))
            assert (answer.status, answer.json["code"]) == (404, 404)
        assert await is_served(parts)


@pytest.mark.parametrize(
    ("path", "to_device_api"),
    [
        ("/api/v1/nothing", True),
        ("//api/v1//nothing/", True),
        ("/api/v1", False),
        ("/api/hub/v1/devices", False),
        ("/", False),
    ],
)
async def test_the_paths_of_devices_never_reach_quart(
    plain: Any, path: str, to_device_api: bool
) -> None:
    async with serving(app, plain), connected(plain) as client:
        answer = await client.ask(request("GET", path))
        assert (answer.status == 404) == to_device_api


async def test_commands_to_devices_never_reach_quart(plain: Any) -> None:
    command = "/api/hub/v1/devices/1/commands"
    with_commands = commands_api(plain, Bodies(plain.config.web), app)
    async with serving(with_commands, plain), connected(plain) as client:
        sent = request("POST", command, b"{}", {"Authorization": "Basic YTpi"})
        answer = await client.ask(sent)
        assert (answer.status, answer.json["code"]) == (401, 401)
        assert (await client.ask(request("GET", command))).body == command.encode()


async def test_500_silent_connections_do_not_keep_others_out(plain: Any) -> None:
    raise_limit_of_open_files()  # Both ends are in this process.
    async with serving(app, plain):
        with ExitStack() as silent:
            for _ in range(500):
                stream = await trio.open_tcp_stream("127.0.0.1", plain.config.web.port)
                silent.callback(stream.socket.close)
            assert await is_served(plain)


async def test_a_flood_of_tiny_chunks_does_not_block_other_connections(plain: Any) -> None:
    async with serving(app, plain), connected(plain) as flood:
        await flood.send(request("POST", "/echo", headers={"Transfer-Encoding": "chunked"}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.send, b"1\r\nx\r\n" * 40_000)
            async with connected(plain) as client:
                assert (await client.ask(request("GET", "/still"))).body == b"/still"
            nursery.cancel_scope.cancel()


async def test_requests_of_one_source_are_begun_in_turns() -> None:
    """Uploads of known addresses are not among them: they are cheap, and many."""
    flood, guard, camera = "10.0.0.66", "10.0.0.5", "10.0.0.8"
    begun: list[str] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["client"][0])

    app = server.front(note, note, KnownAddresses([camera, flood]), Limits(100, 100))

    async def ask(address: str, path: str) -> None:
        scope: Any = {"type": "http", "path": path, "client": (address, 1), "headers": []}
        await app(scope, None, None)  # type: ignore[arg-type]

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask, flood, "/")
        nursery.start_soon(ask, guard, "/")
        for _ in range(20):
            nursery.start_soon(ask, camera, "/api/v1/adapter/lenfocus/face/capture")
    assert begun[:20] == [camera] * 20
    assert begun[20:].index(guard) <= 2


async def test_the_client_behind_a_trusted_proxy_counts_except_on_the_paths_of_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tell_client(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, f"{scope['client'][0]} {scope['scheme']}".encode())

    monkeypatch.setitem(ACTS, "/whoami", tell_client)
    forwarded = {"Forwarded": "for=127.0.0.1, for=192.0.2.7;proto=https"}
    for proxies, told in (("127.0.0.1", b"192.0.2.7 https"), ("10.0.0.0/8", b"127.0.0.1 http")):
        parts = services(web={"trusted_proxies": proxies})
        async with serving(app, parts), connected(parts) as client:
            answer = await client.ask(request("GET", "/whoami", headers=forwarded))
            assert answer.body == told
            if proxies == "127.0.0.1":
                path = "/api/v1/adapter/lenfocus/face/capture"
                await client.ask(request("POST", path, b"{}", forwarded))
                ((_, address, _),) = parts.cameras.trace.uploads
                assert address == "127.0.0.1"


async def test_health_is_told_without_the_application(plain: Any) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("the application was made")

    plain.upkeep.health = SimpleNamespace(reasons=list)
    async with serving_made(fail, plain), connected(plain) as client:
        answer = await client.ask(request("GET", "/healthz"))
        assert (answer.status, answer.json) == (200, {"status": "ok"})
        assert answer.headers["x-content-type-options"] == "nosniff"
        await client.send(request("HEAD", "/healthz"))
        assert (await client.answer(method="HEAD")).status == 200


@pytest.mark.expects_error("a fault of the hub while answering GET /first")
async def test_an_application_that_cannot_be_made_is_made_for_the_next_request(plain: Any) -> None:
    made: list[None] = []

    def make(*_: Any) -> Any:
        made.append(None)
        if len(made) == 1:
            raise MemoryError
        return app

    async with serving_made(make, plain):
        async with connected(plain) as client:
            assert (await client.ask(request("GET", "/first"))).status == 500
        async with connected(plain) as client:
            for _ in range(2):
                assert (await client.ask(request("GET", "/then"))).status == 200
    assert len(made) == 2


async def test_the_shutdown_does_not_wait_for_an_application_that_is_being_made(
    plain: Any, mock_clock: MockClock
) -> None:
    begun, may_go_on, ended = trio.Event(), threading.Event(), threading.Event()

    def make(*_: Any) -> Any:
        trio.from_thread.run_sync(begun.set)
        may_go_on.wait(30)
        ended.set()
        return app

    try:
        with trio.fail_after(60):
            async with serving_made(make, plain) as shutdown, connected(plain) as client:
                await client.send(request("GET", "/first"))
                await begun.wait()
                shutdown.set()
                await wait_all_tasks_blocked(0.05)
                mock_clock.jump(server.GRACE_SECONDS)
        assert not ended.is_set()
    finally:
        may_go_on.set()
