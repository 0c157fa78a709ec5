"""Why another system could not be reached."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx
import pytest
import trio

from hub.services.connect_errors import reason_of
from tests.support.ports import free_port

REFUSED = "the connection was refused: no program listens at this port"
UNREACHABLE = "its address cannot be reached from this network"


@pytest.fixture
def closed_port() -> int:
    """A port of this computer at which nobody listens."""
    return free_port()


async def test_a_port_where_nobody_listens_is_called_so_by_trio(closed_port: int) -> None:
    with pytest.raises(OSError, match="failed") as failure:
        await trio.open_tcp_stream("127.0.0.1", closed_port)
    assert str(reason_of(failure.value)) == REFUSED


async def test_a_port_where_nobody_listens_is_called_so_by_httpx(closed_port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError) as failure:
            await client.get(f"http://127.0.0.1:{closed_port}/")
    assert str(reason_of(failure.value)) == REFUSED


def test_a_certificate_that_is_not_trusted_tells_why() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "self-signed certificate"
    group = ExceptionGroup("", [error])
    assert str(reason_of(group)) == "its certificate is not trusted: self-signed certificate"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its host name could not be resolved"),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            "its address cannot be reached from this network",
        ),
        (ConnectionResetError(), "it closed the connection"),
        (ValueError("a url without a host"), "a url without a host"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_are_put_into_plain_words(error: Exception, words: str) -> None:
    assert str(reason_of(error)) == words


def test_a_long_text_is_cut() -> None:
    assert len(str(reason_of(ValueError("x" * 5000)))) == 200
