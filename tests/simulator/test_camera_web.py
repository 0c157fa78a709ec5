"""A simulated camera's own HTTP keeps its account, and answers bounded requests."""

from __future__ import annotations

import trio

from hub.net.http_client import HttpConnection, HttpPlace, HttpRequest, exchange
from hub.simulator.camera_web import CameraWeb
from hub.wire.camera_http import PATH, login_target, read_login, relay_body, session_headers

PLACE = HttpPlace("127.0.0.1", 80, tls=False)
SWITCH = relay_body(on=True, seconds=5)


async def ask(web: CameraWeb, request: HttpRequest) -> tuple[int, bytes]:
    ours, camera = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(web.answer, camera)
        answer = await exchange(HttpConnection(ours), PLACE, request, max_bytes=10_000)
    return answer.status, answer.body


async def test_only_the_token_of_the_last_login_switches_the_relay() -> None:
    web = CameraWeb("operator", "Kl9-gate")
    login = HttpRequest("GET", login_target("operator", "Kl9-gate"))
    first, last = [read_login((await ask(web, login))[1]).token for _ in range(2)]
    for token in ("", first):
        headers = session_headers(token, "operator")
        assert (await ask(web, HttpRequest("POST", PATH, headers, SWITCH)))[0] == 401
    assert web.relay == []
    headers = session_headers(last, "operator")
    assert (await ask(web, HttpRequest("POST", PATH, headers, SWITCH)))[0] == 200
    assert len(web.relay) == 1
    # A header alone is no session.
    assert (await ask(web, HttpRequest("POST", PATH, headers[:1], SWITCH)))[0] == 401


async def test_a_wrong_password_and_another_path_are_told_apart() -> None:
    web = CameraWeb("operator", "Kl9-gate")
    status, body = await ask(web, HttpRequest("GET", login_target("operator", "other")))
    assert (status, read_login(body).code) == (200, 401)
    assert (web.logins, web.refused_logins) == (0, 1)
    assert (await ask(web, HttpRequest("GET", "/")))[0] == 404


async def test_a_body_that_is_too_long_ends_the_connection() -> None:
    web = CameraWeb("operator", "Kl9-gate")
    ours, camera = trio.testing.memory_stream_pair()
    await ours.send_all(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000
    )
    await web.answer(camera)
    assert web.relay == []
