"""The hub of an update, tried out before it serves anybody.

Its store is open, and migrated. Its ports are opened on loopback numbers that nobody knows, so
that neither cameras nor people get an answer from it. Until this has succeeded, no background task
runs and nothing is acknowledged: the database from before the trial can be put back without a loss.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection

import trio
from msgspec.structs import replace

from hub.config import Config
from hub.errors import StartFault
from hub.services import Services

Serve = Callable[..., Awaitable[None]]

_HOST = "127.0.0.1"
#: Less than the launcher waits, so that the reason is known.
_HEALTHY_SECONDS = 40.0
_REQUEST_SECONDS = 10.0
_POLL_SECONDS = 0.5
_MAX_ANSWER_BYTES = 64 * 1024
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def try_out(
    services: Services, *, serve_web: Serve, serve_devices: Serve, known_faults: Collection[str]
) -> None:
    """Open both ports, ask /healthz, and close them. Raises StartFault if the hub is not healthy.

    `known_faults` are the codes of faults that the version before had as well.
    """
    await services.upkeep.certificates.load()
    settings = services.core.settings.with_other(_on_private_ports(services.config))
    private = dataclasses.replace(
        services, core=dataclasses.replace(services.core, settings=settings)
    )
    services.upkeep.health.mark_serving()
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        for serve in (serve_devices, serve_web):
            await nursery.start(_serve, serve, private, shutdown)
        deadline = trio.current_time() + _HEALTHY_SECONDS
        reason = await _problem(private, known_faults)
        while reason and trio.current_time() < deadline:
            await trio.sleep(_POLL_SECONDS)
            reason = await _problem(private, known_faults)
        shutdown.set()
        nursery.cancel_scope.deadline = trio.current_time() + _REQUEST_SECONDS
    if reason:
        raise StartFault(f"it is not healthy: {reason}")


async def _serve(
    serve: Serve,
    services: Services,
    shutdown: trio.Event,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    await serve(services, shutdown=shutdown, task_status=task_status)


def _on_private_ports(config: Config) -> Config:
    web_port, device_port = _free_ports()
    return replace(
        config,
        web=replace(config.web, bind=_HOST, port=web_port),
        devices=replace(
            config.devices, bind=_HOST, port=device_port, plain_ws_port=0, plain_http_port=0
        ),
    )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind((_HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]


async def _problem(services: Services, known_faults: Collection[str]) -> str:
    """Return why the hub is not healthy, an empty text if it is."""
    web, devices = services.config.web, services.config.devices
    try:
        with trio.fail_after(_REQUEST_SECONDS):
            await _exchange(devices.port, devices.tls, b"")
            answer = await _exchange(web.port, web.tls, _REQUEST)
    except (OSError, ssl.SSLError, trio.BrokenResourceError, trio.TooSlowError) as error:
        return f"a port does not answer ({error or type(error).__name__})"
    status = answer.split(b" ", 2)[1:2]
    faults = [
        fault.text for fault in services.upkeep.health.faults() if fault.code not in known_faults
    ]
    if status == [b"200"] or (status == [b"503"] and not faults):
        return ""
    return " ".join(faults).removesuffix(".") or f"/healthz answers {_shown(answer)}"


async def _exchange(port: int, tls: bool, request: bytes) -> bytes:
    """Connect, send the request, and return the answer up to the end of the connection."""
    stream: trio.abc.Stream = await trio.open_tcp_stream(_HOST, port)
    async with stream:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = trio.SSLStream(stream, context, https_compatible=True)
            await stream.do_handshake()
        if not request:
            return b""
        await stream.send_all(request)
        answer = bytearray()
        while len(answer) < _MAX_ANSWER_BYTES and (part := await stream.receive_some()):
            answer += part
        return bytes(answer)


def _shown(answer: bytes) -> str:
    return json.dumps(answer[:200].decode("ascii", "replace"))
