"""Binding ports, and the advice where that fails."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any

import pytest
import trio
import trio.testing

from hub.errors import StartFault
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from tests.support.served_port import answers, is_closed, served


async def test_a_port_in_use_is_named_with_the_process_that_uses_it() -> None:
    (listener,) = await open_listeners("127.0.0.1", 0)
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(StartFault) as fault:
            await open_listeners("0.0.0.0", port, setting="web.port")
    assert f"port {port} is already in use" in fault.value.message
    assert "set another web.port" in fault.value.message
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in fault.value.message


async def test_a_port_can_be_bound_again_at_once() -> None:
    async def greet(stream: trio.abc.Stream, peer: Peer) -> None:
        await stream.send_all(b"x")

    async with served(greet) as port:
        client = await port.connect()
        assert await client.receive_some(1) == b"x"
        # The side that closes first, here the hub, keeps the port in TIME_WAIT.
        assert await is_closed(client)
    async with served(listeners=await open_listeners("127.0.0.1", port.port)) as again:
        assert await answers(await again.connect())


@pytest.mark.parametrize("bind", ["", "192.0.2.1", "no such name.invalid", "2001:db8::1"])
async def test_an_address_of_another_host_is_named_with_its_setting(bind: str) -> None:
    with pytest.raises(StartFault) as fault:
        await open_listeners(bind, 0, setting="devices.plain_ws_port")
    assert fault.value.message.startswith(f"bad setting devices.bind = {bind}: allowed is")


_WHY_NOT_PERMITTED = (
    [(443, "Windows reserves it"), (8443, "Windows reserves it")]
    if sys.platform == "win32"
    else [(443, "below 1024"), (8443, "policy")]
)


@pytest.mark.parametrize(("port", "advice"), _WHY_NOT_PERMITTED)
async def test_a_port_that_is_not_permitted_is_named_with_the_reason(
    port: int, advice: str
) -> None:
    class Forbidden(trio.abc.SocketFactory):
        def socket(self, *args: Any) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied")

    trio.socket.set_custom_socket_factory(Forbidden())  # For this run of trio alone.
    with pytest.raises(StartFault, match=f"not permitted to listen on port {port}: .*{advice}"):
        await open_listeners("0.0.0.0", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
async def test_the_ipv6_wildcard_accepts_ipv4_as_well() -> None:
    seen: list[str] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        seen.append(peer.address)

    async with served(note, listeners=await open_listeners("::", 0)) as port:
        for host in ("127.0.0.1", "::1"):
            assert await is_closed(await port.connect(host))
    assert seen == ["127.0.0.1", "::1"]
