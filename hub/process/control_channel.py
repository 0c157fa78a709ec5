"""The channel between the command line and a running hub.

A port on loopback, found in `control.json` with the secret that opens it: a file that only the
owner of the data directory can read. One connection carries one operation: a line of JSON there,
a line of JSON back. It is the same on every platform, Windows too.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from msgspec import Raw, Struct

from hub.errors import HubError, StartFault
from hub.log import limited
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.listener import Limits, serve_port
from hub.process.control_requests import AnyControlRequest, ControlRequest
from hub.services import Services
from hub.services.shielding import shielded

log = logging.getLogger(__name__)

R = TypeVar("R")

FILE_NAME = "control.json"

_HOST = "127.0.0.1"
_LIMITS = Limits(connections=16, per_address=16)
#: Ten thousand rows of an import, each with its key, are well below.
_MOST_BYTES = 32 * 1024 * 1024
_REQUEST_SECONDS = 10.0
#: A command may wait for a disk that is full, which the store refuses by itself.
_ANSWER_SECONDS = 60.0
_RETRY_SECONDS = 2.0


class Channel(Struct, frozen=True):
    """What stands in the file."""

    port: int
    secret: str


class _Request(Struct, frozen=True):
    secret: str
    operation: AnyControlRequest


class _Answer(Struct, frozen=True, omit_defaults=True):
    """`fault` is the message for the person who gave the command; else there is a `result`."""

    fault: str | None = None
    result: Raw = Raw(b"null")


async def serve_control(
    services: Services, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Carry out what the command line asks for, until cancelled."""
    listeners = await open_listeners(_HOST, 0)
    port = listeners[0].socket.getsockname()[1]
    channel = Channel(port, secrets.token_urlsafe(32))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_announce, channel, services.data_dir)
            await serve_port(
                "control",
                listeners,
                partial(_serve_one, services, channel.secret),
                limits=_LIMITS,
                tls=None,
                handshake_seconds=_REQUEST_SECONDS,
                handler_nursery=nursery,
                task_status=task_status,
            )
    finally:
        forget_control(services.data_dir)


def forget_control(data_dir: Path) -> None:
    """Nothing leads to the channel any more; also after a hub that was killed."""
    # Windows removes no file that a command is just reading: left over, it leads nowhere.
    with suppress(PermissionError):
        (data_dir / FILE_NAME).unlink(missing_ok=True)


async def ask(data_dir: Path, operation: ControlRequest[R]) -> R:
    """Have the running hub carry out `operation`. Raises StartFault with its words."""
    channel = _read_channel(data_dir / FILE_NAME)
    try:
        with trio.fail_after(_ANSWER_SECONDS):
            line = await _exchange(channel, operation)
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        raise StartFault("the running hub does not answer: try again") from None
    try:
        answer = msgspec.json.decode(line, type=_Answer)
    except msgspec.DecodeError:
        raise StartFault("the running hub ended before it answered: try again") from None
    if answer.fault is not None:
        raise StartFault(answer.fault)
    result: R = msgspec.json.decode(answer.result, type=operation.result)
    return result


def is_open(data_dir: Path) -> bool:
    """Whether a running hub says that it takes commands."""
    return (data_dir / FILE_NAME).exists()


async def _exchange(channel: Channel, operation: ControlRequest[Any]) -> bytes:
    async with await trio.open_tcp_stream(_HOST, channel.port) as stream:
        request = {"secret": channel.secret, "operation": operation}
        await stream.send_all(msgspec.json.encode(request) + b"\n")
        return await _read_line(stream)


async def _serve_one(services: Services, secret: str, stream: trio.abc.Stream, peer: Peer) -> None:
    with trio.move_on_after(_REQUEST_SECONDS) as reading:
        line = await _read_line(stream)
    if reading.cancelled_caught:
        return
    # Done, audited and told, though the hub is told to end meanwhile.
    with shielded():
        answer = await _answer(services, secret, line)
        with trio.move_on_after(_REQUEST_SECONDS):
            await stream.send_all(msgspec.json.encode(answer) + b"\n")


async def _answer(services: Services, secret: str, line: bytes) -> _Answer:
    try:
        request = msgspec.json.decode(line, type=_Request)
    except msgspec.DecodeError:
        return _Answer("the running hub does not know this command: is it an older version?")
    if not hmac.compare_digest(request.secret.encode(), secret.encode()):
        return _Answer("not authorised")
    try:
        result = await request.operation.perform(services)
    except HubError as error:
        return _Answer(error.message)
    return _Answer(result=Raw(msgspec.json.encode(result)))


async def _read_line(stream: trio.abc.Stream) -> bytes:
    """What comes before the first line break, or before the end; the rest does not count."""
    received = bytearray()
    while len(received) < _MOST_BYTES:
        chunk = await stream.receive_some(65536)
        received += chunk
        if not chunk or b"\n" in chunk:
            break
    return bytes(received.partition(b"\n")[0])


async def _announce(
    channel: Channel, data_dir: Path, *, task_status: trio.TaskStatus[None]
) -> None:
    """Write the file; on a full disk, as soon as there is room."""
    while True:
        try:
            _write_channel(channel, data_dir / FILE_NAME)
            break
        except OSError as error:
            limited(log, logging.WARNING, "control", "commands cannot reach the hub: %s", error)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(_RETRY_SECONDS)
    task_status.started()


def _write_channel(channel: Channel, path: Path) -> None:
    """The file is complete, and for its owner alone, from the moment that it is there."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(channel))
    fresh.replace(path)


def _read_channel(path: Path) -> Channel:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Channel)
    except (OSError, msgspec.DecodeError):
        raise StartFault("the hub is just starting or ending: try again") from None
