"""The command line's side of its channel to a running hub: plain sockets, and no part of the hub.

What is sent, and how, is said in `hub.process.control.channel`.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from hub.decoders import decode_json
from hub.errors import StartFault
from hub.process.control.request import ControlRequest

R = TypeVar("R")

FILE_NAME = "control.json"
HOST = "127.0.0.1"
#: An import of ten thousand rows, each with its key, is much smaller.
MAX_LINE_BYTES = 32 * 1024 * 1024

#: A request may wait for a full disk, until the store gives up.
_RESPONSE_SECONDS = 60.0
#: Windows interrupts no call of a socket: Ctrl-C waits for the end of this one.
_POLL_SECONDS = 0.5


class ChannelAddress(Struct, frozen=True):
    """The contents of `control.json`."""

    port: int
    secret: str


class Response(Struct, frozen=True, omit_defaults=True):
    """`fault` is a message for the person who ran the command; None if there is a `result`."""

    fault: str | None = None
    result: Raw = Raw(b"null")


def is_open(data_dir: Path) -> bool:
    """Return whether a running hub has announced that it accepts requests."""
    return (data_dir / FILE_NAME).exists()


def ask_running_hub(
    data_dir: Path, request: ControlRequest[R], seconds: float = _RESPONSE_SECONDS
) -> R:
    """Have the running hub carry out `request`, and return the result.

    Raises StartFault with the hub's message, or if the hub does not respond within `seconds`.
    """
    address = _read_address(data_dir / FILE_NAME)
    try:
        line = _exchange(address, request, time.monotonic() + seconds)
    except OSError:
        raise StartFault(
            "the running hub does not respond: try again; if it stays so, restart it and run "
            "sitehub doctor"
        ) from None
    try:
        response = decode_json(line, Response)
    except msgspec.DecodeError:
        raise StartFault("the running hub stopped before it responded: try again") from None
    if response.fault is not None:
        raise StartFault(response.fault)
    result: R = decode_json(response.result, request.result_type)
    return result


def _exchange(address: ChannelAddress, request: ControlRequest[Any], deadline: float) -> bytes:
    """Send a request, and return the line that the hub sends back. Raises OSError."""
    # The secret comes first: the hub receives nothing else from who does not know it.
    line = msgspec.json.encode({"secret": address.secret, "operation": request})
    left = memoryview(line + b"\n")
    received = bytearray()
    with socket.socket() as hub:
        hub.settimeout(deadline - time.monotonic())
        hub.connect((HOST, address.port))
        hub.settimeout(_POLL_SECONDS)
        while time.monotonic() < deadline:
            try:
                if left:
                    left = left[hub.send(left) :]
                    continue
                chunk = hub.recv(65536)
                received += chunk
                if not chunk or chunk.endswith(b"\n") or len(received) > MAX_LINE_BYTES:
                    return bytes(received)
            except TimeoutError:
                pass
    raise TimeoutError


def _read_address(path: Path) -> ChannelAddress:
    try:
        return decode_json(path.read_bytes(), ChannelAddress)
    except (OSError, msgspec.DecodeError):
        raise StartFault("the hub is starting or stopping: try again") from None
