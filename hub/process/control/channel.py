"""The channel between the command line and a running hub.

The hub listens on a loopback port. `control.json`, which only the owner of the data directory can
read, names the port and a secret. One connection carries one request: a line of JSON to the hub,
which begins with the secret, and a line of JSON back. It works the same on every platform.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec
import trio
from msgspec import Raw, Struct

from hub.decoders import decode_json
from hub.durable_files import replace_file
from hub.errors import HubError, StartFault
from hub.log import limited
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.connection_slots import Limits
from hub.net.listener import serve_port
from hub.process.control import (  # noqa: F401
    access,
    alarms,
    backups,
    devices,
    erasures,
    firmware,
    holds,
    people_files,
    people_sync,
    retention,
    settings,
    status,
    updates,
)
from hub.process.control.client import (
    FILE_NAME,
    HOST,
    MAX_LINE_BYTES,
    ChannelAddress,
    Response,
)
from hub.process.control.request import AnswerApi, ApiCall, ControlRequest
from hub.services import Services
from hub.services.changes import named

log = logging.getLogger(__name__)

_LIMITS = Limits(connections=64, per_address=64)
#: Connections that may be open before they have sent the secret; the oldest makes room.
_MAX_STRANGERS = 16
_SECRET_SECONDS = 2.0
_MAX_BEGIN_BYTES = 512
_REQUEST_SECONDS = 10.0
_RETRY_SECONDS = 2.0
#: For a call of the API; a change goes on without its caller before.
_ANSWER_SECONDS = 150.0


#: Those that the modules above define.
_OPERATION: Any = reduce(or_, ControlRequest.__subclasses__())


class _Request(Struct, frozen=True):
    secret: str
    operation: _OPERATION


async def serve_control(
    services: Services,
    api: AnswerApi,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Carry out requests of the command line until cancelled."""
    listeners = await open_listeners(HOST, 0)
    port = listeners[0].socket.getsockname()[1]
    address = ChannelAddress(port, secrets.token_urlsafe(32))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_announce, address, services.core.data_dir)
            await serve_port(
                "control",
                listeners,
                partial(_serve_one, services, api, address.secret, Strangers()),
                limits=_LIMITS,
                tls=None,
                handshake_seconds=_REQUEST_SECONDS,
                handler_nursery=nursery,
                task_status=task_status,
            )
    finally:
        # On a disk that became read-only it stays, and the next start removes it.
        with suppress(StartFault):
            remove_channel_file(services.core.data_dir)


def remove_channel_file(data_dir: Path) -> None:
    """Remove `control.json`, which a hub that was killed leaves behind."""
    path = data_dir / FILE_NAME
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        # Windows does not remove a file that a command is reading; its port is closed by then.
        return
    except OSError as error:
        raise StartFault(
            f"{path} cannot be removed: {error.strerror}. It is in the way of a file of the hub: "
            "move it away"
        ) from None


class Strangers:
    """The connections that have not sent the secret yet: any program of this PC may open some.

    `admit` is a context in which to wait for the secret: it ends after two seconds, or when many
    others have come since.
    """

    def __init__(self) -> None:
        self._scopes: dict[trio.CancelScope, None] = {}

    @contextmanager
    def admit(self) -> Iterator[None]:
        if len(self._scopes) >= _MAX_STRANGERS:
            next(iter(self._scopes)).cancel()
        with trio.move_on_after(_SECRET_SECONDS) as scope:
            self._scopes[scope] = None
            try:
                yield
            finally:
                self._scopes.pop(scope, None)


async def _serve_one(
    services: Services,
    api: AnswerApi,
    secret: str,
    strangers: Strangers,
    stream: trio.abc.Stream,
    peer: Peer,
) -> None:
    begin = b""
    with strangers.admit():
        begin = await _read_secret(stream, secret)
    if not begin:
        limited(log, logging.WARNING, "control secret", "a program without the secret was refused")
        with trio.move_on_after(_SECRET_SECONDS):
            await _send(stream, Response("not authorised"))
        return
    with trio.move_on_after(_REQUEST_SECONDS) as reading:
        line = await _read_line(stream, begin)
    if reading.cancelled_caught:
        return
    # The response is sent even if the hub shuts down. What it waits for is bounded.
    with trio.CancelScope(shield=True):
        response = await _respond(services, api, line)
        with trio.move_on_after(_REQUEST_SECONDS):
            await _send(stream, response)


async def _read_secret(stream: trio.abc.Stream, secret: str) -> bytes:
    """Return the begin of a request with the secret; b"" if it has another one, or none.

    At most _MAX_BEGIN_BYTES are received.
    """
    expected = b'{"secret":"%s",' % secret.encode()
    received = bytearray()
    while len(received) < len(expected):
        chunk = await stream.receive_some(_MAX_BEGIN_BYTES - len(received))
        received += chunk
        if not chunk or b"\n" in chunk:
            break
    return bytes(received) if hmac.compare_digest(received[: len(expected)], expected) else b""


async def _respond(services: Services, api: AnswerApi, line: bytes) -> Response:
    try:
        operation = decode_json(line, _Request).operation
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Response("the running hub does not know this command: is it an older version?")

    async def change() -> object:
        named(("command line", hashlib.sha256(line).digest()))
        return await operation.perform(services)

    try:
        if isinstance(operation, ApiCall):
            with trio.move_on_after(_ANSWER_SECONDS):
                answer = await api(operation.method, operation.path, operation.body.encode())
                return Response(result=Raw(answer))
            return Response("this takes too long")
        result = await services.changes.carry_out(change)
    except HubError as error:
        return Response(error.message)
    return Response(result=Raw(msgspec.json.encode(result)))


async def _send(stream: trio.abc.Stream, response: Response) -> None:
    await stream.send_all(msgspec.json.encode(response) + b"\n")


async def _read_line(stream: trio.abc.Stream, begin: bytes = b"") -> bytes:
    """Return `begin` and the bytes before the first line feed, or all; ignore the rest."""
    received = bytearray(begin)
    is_complete = b"\n" in begin
    while not is_complete and len(received) < MAX_LINE_BYTES:
        chunk = await stream.receive_some(65536)
        received += chunk
        is_complete = not chunk or b"\n" in chunk
    return bytes(received.partition(b"\n")[0])


async def _announce(
    address: ChannelAddress, data_dir: Path, *, task_status: trio.TaskStatus[None]
) -> None:
    """Write `control.json`; if the disk is full, try again until there is room."""
    while True:
        try:
            _write_address(address, data_dir / FILE_NAME)
            break
        except OSError as error:
            limited(log, logging.WARNING, "control", "commands cannot reach the hub: %s", error)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(_RETRY_SECONDS)
    task_status.started()


def _write_address(address: ChannelAddress, path: Path) -> None:
    """Write the file so that it is complete and private from the moment it exists."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(address))
    replace_file(fresh, path)
