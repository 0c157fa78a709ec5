"""Where simulated cameras reach a hub, and how they open connections to it."""

from __future__ import annotations

import ssl
from copy import copy
from typing import Protocol

import trio
from trio.abc import Stream

#: Limit for opening a connection, including the TLS handshake.
CONNECT_SECONDS = 10


class HubAway(Exception):
    """The hub cannot be reached, closed the connection, or does not answer. Retry later."""


class Endpoint(Protocol):
    """Opens a camera's connections to a hub: `HubEndpoint`, or a fake one in tests."""

    host: str
    #: The value of an HTTP request's Host header.
    authority: str

    async def open_ws(self) -> Stream:
        """Open a connection for the WebSocket. Raises HubAway."""

    async def open_http(self) -> Stream:
        """Open a connection for uploads and downloads. Raises HubAway."""


class HubEndpoint:
    """A hub's two ports. Without `ca_pem`, like most cameras, it does not check certificates."""

    def __init__(
        self,
        host: str,
        *,
        ws_port: int,
        http_port: int,
        ws_tls: bool = True,
        http_tls: bool = True,
        ca_pem: bytes | None = None,
    ) -> None:
        self.host = host
        bracketed = f"[{host}]" if ":" in host else host
        self.authority = f"{bracketed}:{http_port}"
        self._ws_port, self._ws_tls = ws_port, ws_tls
        self._http_port, self._http_tls = http_port, http_tls
        self._context = _client_context(ca_pem)
        self._source: str | None = None

    def at(self, source: str) -> HubEndpoint:
        """Return the same hub for a camera at `source`, if that is an address of this computer."""
        moved = copy(self)
        moved._source = source if source.startswith("127.") else None
        return moved

    async def open_ws(self) -> Stream:
        """Connect to the device WebSocket's port. Raises HubAway."""
        return await self._open(self._ws_port, self._ws_tls)

    async def open_http(self) -> Stream:
        """Connect to the device HTTP interface's port. Raises HubAway."""
        return await self._open(self._http_port, self._http_tls)

    async def _open(self, port: int, tls: bool) -> Stream:
        try:
            with trio.fail_after(CONNECT_SECONDS):
                tcp = await trio.open_tcp_stream(self.host, port, local_address=self._source)
                return await self._start_tls(tcp) if tls else tcp
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            # Several addresses may have been tried; the first one's reason will do.
            reason = str(first_leaf(error.__cause__ or error)) or type(error).__name__
            raise HubAway(f"no connection to {self.host}:{port}: {reason}") from error

    async def _start_tls(self, tcp: trio.SocketStream) -> Stream:
        stream = trio.SSLStream(
            tcp, self._context, server_hostname=self.host, https_compatible=True
        )
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tcp)
            raise
        return stream


def first_leaf(error: BaseException) -> BaseException:
    """Return the first error in a group that is not itself a group; another error unchanged."""
    return first_leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _client_context(ca_pem: bytes | None) -> ssl.SSLContext:
    if ca_pem is not None:
        return ssl.create_default_context(cadata=ca_pem.decode("ascii"))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
