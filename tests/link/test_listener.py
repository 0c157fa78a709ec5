"""The device ports over real sockets: TLS, the plain port, faults, limits and shutdown."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from hub.config import Config
from hub.errors import StartFault
from hub.link.listener import serve_devices
from hub.live.old_tls import OldTls
from hub.net.connection_slots import KnownAddresses
from tests.support.certificates import server_context, trusting_anybody
from tests.support.clock import FrozenClock
from tests.support.gate import SN, Gate, gate, online
from tests.support.plug import Camera
from tests.support.ports import free_port
from tests.support.traces import new_traces
from tests.support.web import no_change

SOON = 5


def services(site: Gate, tls: ssl.SSLContext | None = None) -> Any:
    part = SimpleNamespace
    return part(
        config=Config(devices=site.config),
        core=part(clock=part(shown_time=site.clock), settings=part(follow=no_change)),
        cameras=part(
            presence=part(traces=new_traces()),
            admission=site.admission,
            enrolment=site.enrolment,
            devices=site.devices,
            old_tls=OldTls(site.clock),
        ),
        access=part(known_addresses=KnownAddresses()),
        upkeep=part(certificates=part(context=lambda: tls)),
    )


def a_site(clock: FrozenClock, **config: Any) -> Gate:
    return gate(clock, **{"bind": "127.0.0.1", "port": free_port(), "tls": False, **config})


@asynccontextmanager
async def serving(
    site: Gate, tls: ssl.SSLContext | None = None, parts: Any = None
) -> AsyncIterator[trio.Event]:
    shutdown = trio.Event()
    parts = parts or services(site, tls)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_devices, parts, shutdown=shutdown))
            try:
                yield shutdown
            finally:
                shutdown.set()


@asynccontextmanager
async def camera(site: Gate, url: str, sn: str = SN) -> AsyncIterator[Camera]:
    context = trusting_anybody() if url.startswith("wss") else None
    async with open_websocket_url(url, ssl_context=context, disconnect_timeout=1) as websocket:
        try:
            yield Camera(site, websocket, None, sn)  # type: ignore[arg-type]
        finally:
            # trio-websocket leaves it open if the hub closed the connection.
            await trio.aclose_forcefully(websocket._stream)


async def until_the_end(stream: trio.SocketStream) -> bytes:
    received = b""
    async with stream:
        with suppress(trio.BrokenResourceError):
            while chunk := await stream.receive_some():
                received += chunk
    return received


async def test_cameras_connect_over_tls_and_over_the_plain_port(
    clock: FrozenClock, tmp_path: Path
) -> None:
    site = a_site(clock, tls=True, plain_ws_port=free_port())
    await site.enrol()
    await site.enrol("PLAIN")
    port, plain = site.config.port, site.config.plain_ws_port
    async with (
        serving(site, server_context(tmp_path)),
        camera(site, f"wss://127.0.0.1:{port}/any/path") as secure,
        camera(site, f"ws://127.0.0.1:{plain}/", "PLAIN") as open_one,
    ):
        assert (await secure.connect())["code"] == 200
        assert (await open_one.connect())["code"] == 200
        assert online(site) == 2
        assert (await secure.ask("/heartbeat"))["code"] == 200


async def test_plain_http_on_the_tls_port_is_redirected(clock: FrozenClock, tmp_path: Path) -> None:
    site = a_site(clock, tls=True)
    async with serving(site, server_context(tmp_path)):
        stream = await trio.open_tcp_stream("127.0.0.1", site.config.port)
        async with stream:
            await stream.send_all(
                b"GET /ws HTTP/1.1\r\nHost: hub:8444\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            )
            received = await until_the_end(stream)
    assert received.startswith(b"HTTP/1.1 308 ")
    assert b"location: https://hub:8444/ws\r\n" in received


async def test_a_shutdown_closes_every_connection_with_1001(clock: FrozenClock) -> None:
    site = a_site(clock)
    device = await site.enrol()
    async with serving(site) as shutdown, camera(site, f"ws://127.0.0.1:{site.config.port}") as one:
        await one.connect()
        shutdown.set()
        assert (await one.ended())[0] == 1001
    assert not site.registry.get(device.did)


async def test_a_shutdown_does_not_wait_for_silent_peers(clock: FrozenClock) -> None:
    site = a_site(clock)
    async with serving(site) as shutdown:
        streams = [await trio.open_tcp_stream("127.0.0.1", site.config.port) for _ in range(20)]
        await streams[0].send_all(b"GET / HTTP/1.1\r\n")
        shutdown.set()
        with trio.fail_after(SOON):
            assert [await until_the_end(stream) for stream in streams] == [b""] * 20
    for stream in streams:
        await trio.aclose_forcefully(stream)


async def test_a_port_in_use_raises_a_start_fault_that_names_it(clock: FrozenClock) -> None:
    site = a_site(clock)
    with socket.socket() as other:
        other.bind(("127.0.0.1", site.config.port))
        other.listen()
        with pytest.raises(StartFault, match=str(site.config.port)):
            await serve_devices(services(site), shutdown=trio.Event())


@pytest.mark.expects_error("an internal error ended a connection")
async def test_a_fault_of_the_hub_ends_only_its_own_connection(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = a_site(clock)
    device = await site.enrol()
    await site.enrol("UNLUCKY")
    url = f"ws://127.0.0.1:{site.config.port}"
    connect = site.admission.connect

    async def faulty(param: Any, link: Any) -> Any:
        if param.sn == "UNLUCKY":
            raise KeyError("a bug")
        return await connect(param, link)

    monkeypatch.setattr(site.admission, "connect", faulty)
    async with serving(site), camera(site, url) as lucky:
        await lucky.connect()
        async with camera(site, url, "UNLUCKY") as unlucky:
            with pytest.raises(ConnectionClosed):
                await unlucky.connect()
        assert (await lucky.ask("/heartbeat"))["code"] == 200
        assert site.registry.get(device.did)


async def test_connections_beyond_the_limit_are_closed_at_once(clock: FrozenClock) -> None:
    site = a_site(clock, max_connections=4, max_connections_per_address=4)
    await site.enrol()
    async with serving(site), camera(site, f"ws://127.0.0.1:{site.config.port}") as first:
        await first.connect()
        others = [await trio.open_tcp_stream("127.0.0.1", site.config.port) for _ in range(4)]
        with trio.fail_after(SOON):
            assert await until_the_end(others[-1]) == b""
        assert (await first.ask("/heartbeat"))["code"] == 200
        for stream in others:
            await trio.aclose_forcefully(stream)


async def test_a_full_port_keeps_the_place_of_a_camera_that_is_online(clock: FrozenClock) -> None:
    site = a_site(clock, max_connections=20, max_connections_per_address=20)
    await site.enrol()
    url = f"ws://127.0.0.1:{site.config.port}"
    async with serving(site), camera(site, url) as one:
        await one.connect()
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                stream = await trio.open_tcp_stream(
                    "127.0.0.1", site.config.port, local_address="127.0.3.1"
                )
                nursery.start_soon(until_the_end, stream)
            assert (await one.ask("/heartbeat"))["code"] == 200
            # Another camera finds a place, though strangers hold all others.
            await site.enrol("ANOTHER")
            async with camera(site, url, "ANOTHER") as another:
                assert (await another.connect())["code"] == 200
            nursery.cancel_scope.cancel()


async def test_the_address_of_a_camera_that_connected_is_known(clock: FrozenClock) -> None:
    site = a_site(clock)
    await site.enrol()
    parts = services(site)
    async with serving(site, parts=parts):
        assert "127.0.0.1" not in parts.access.known_addresses
        async with camera(site, f"ws://127.0.0.1:{site.config.port}") as one:
            await one.connect()
            assert "127.0.0.1" in parts.access.known_addresses
