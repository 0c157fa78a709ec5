"""Behind a trusted proxy the limits count clients, not the proxy."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub import metrics
from hub.net.connection_slots import KnownAddresses
from hub.net.networks import Networks
from tests.support.served_port import counted
from tests.support.web import connected, request, services, serving
from web.proxy.clients import for_clients

PROXY = "10.0.1.1"


class Port:
    """An application that answers when it is told to, and how it answered."""

    def __init__(self, most: int = 2) -> None:
        self.go_on = trio.Event()
        self.statuses: list[int] = []
        self._app = for_clients(self._answer, Networks(PROXY), KnownAddresses(), most)

    async def ask(self, client: str, peer: str = PROXY) -> None:
        headers = [(b"x-forwarded-for", client.encode())]
        scope: Any = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}
        await self._app(scope, None, self._send)  # type: ignore[arg-type]

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def _send(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self.statuses.append(event["status"])


async def asking(port: Port, *clients: str, peer: str = PROXY) -> list[int]:
    """How requests of these clients are answered that are in progress at once."""
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(port.ask, client, peer)
        await wait_all_tasks_blocked()
        port.go_on.set()
    return sorted(port.statuses)


async def test_a_client_has_a_limit_of_requests_in_progress() -> None:
    refused = counted(metrics.limits_reached, "proxied_requests")
    assert await asking(Port(), *["192.0.2.7"] * 5) == [200, 200, 429, 429, 429]
    assert counted(metrics.limits_reached, "proxied_requests") == refused + 3


async def test_clients_are_counted_apart() -> None:
    assert await asking(Port(), *(f"192.0.2.{one}" for one in range(5))) == [200] * 5


async def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert await asking(Port(), *(f"2001:db8::{one}" for one in range(3))) == [200, 200, 429]


async def test_requests_that_are_answered_count_no_more() -> None:
    port = Port(most=1)
    port.go_on.set()
    for _ in range(3):
        await port.ask("192.0.2.7")
    assert port.statuses == [200] * 3


async def test_requests_without_a_client_are_those_of_the_proxy() -> None:
    assert await asking(Port(), *["unknown"] * 3) == [200, 200, 429]


async def test_who_connects_directly_is_limited_by_connections_only() -> None:
    assert await asking(Port(), *["192.0.2.7"] * 5, peer="192.0.2.1") == [200] * 5


@pytest.mark.parametrize(("proxies", "status"), [("127.0.0.1", 200), ("", 503)])
async def test_answers_that_are_not_read_count_for_the_client(proxies: str, status: int) -> None:
    picture = b"\xff" * 4_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        length = (b"content-length", b"%d" % len(picture))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": picture, "more_body": False})

    parts = services(web={"trusted_proxies": proxies, "answer_budget_mb": 10})
    async with serving(app, parts), connected(parts) as first, connected(parts) as second:
        await first.send(request("GET", "/", headers={"X-Forwarded-For": "192.0.2.7"}))
        await first.answer_begins()
        await second.send(request("GET", "/", headers={"X-Forwarded-For": "192.0.2.8"}))
        assert (await second.answer()).status == status
