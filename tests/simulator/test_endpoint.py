"""Connections to a hub: plain, over TLS, with and without checking its certificate."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from hub.simulator.endpoint import HubAway, HubEndpoint
from tests.support.certificates import self_signed, server_context


async def serve(nursery: trio.Nursery, directory: Path | None) -> int:
    """Start a server that sends "hello" and closes; return its port."""
    context = server_context(directory) if directory else None

    async def handle(tcp: trio.SocketStream) -> None:
        stream: trio.abc.Stream = trio.SSLStream(tcp, context, server_side=True) if context else tcp
        try:
            await stream.send_all(b"hello")
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    listeners: list[trio.SocketListener] = await nursery.start(
        partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
    )
    port: int = listeners[0].socket.getsockname()[1]
    return port


def target(port: int, **changes: bool | bytes) -> HubEndpoint:
    return HubEndpoint("localhost", ws_port=port, http_port=port, **changes)  # type: ignore[arg-type]


async def test_plain_ports_need_no_tls(nursery: trio.Nursery) -> None:
    port = await serve(nursery, None)
    for stream in (
        await target(port, ws_tls=False).open_ws(),
        await target(port, http_tls=False).open_http(),
    ):
        assert await stream.receive_some() == b"hello"
        await stream.aclose()


async def test_a_certificate_is_checked_only_if_a_ca_is_given(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    port = await serve(nursery, tmp_path)
    for hub in (target(port), target(port, ca_pem=(tmp_path / "localhost.crt").read_bytes())):
        stream = await hub.open_ws()
        assert await stream.receive_some() == b"hello"
        await trio.aclose_forcefully(stream)


async def test_a_certificate_of_another_ca_is_refused(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    port = await serve(nursery, tmp_path)
    (tmp_path / "other").mkdir()
    another, _ = self_signed(tmp_path / "other")
    with pytest.raises(HubAway, match="certificate verify failed"):
        await target(port, ca_pem=another.read_bytes()).open_http()


async def test_a_closed_port_is_reported_as_hub_away() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(HubAway, match=f"no connection to localhost:{port}: "):
            await target(port).open_ws()


async def test_a_camera_that_was_given_an_address_of_this_computer_connects_from_it(
    nursery: trio.Nursery,
) -> None:
    seen: list[str] = []

    async def handle(stream: trio.SocketStream) -> None:
        seen.append(stream.socket.getpeername()[0])
        await stream.aclose()

    listeners: list[trio.SocketListener] = await nursery.start(
        partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
    )
    port = listeners[0].socket.getsockname()[1]
    hub = HubEndpoint("127.0.0.1", ws_port=port, http_port=port, ws_tls=False)
    for endpoint in (hub, hub.at("127.0.0.9"), hub.at("192.168.1.20")):
        stream = await endpoint.open_ws()
        assert await stream.receive_some() == b""
        await trio.aclose_forcefully(stream)
    assert seen == ["127.0.0.1", "127.0.0.9", "127.0.0.1"]
