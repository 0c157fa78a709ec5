"""The device ports: each connection becomes a link; all links end within seconds at shutdown."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from hub.config import Config
from hub.link.connection import DeviceLink
from hub.link.dispatch import Dispatch
from hub.link.ending import GOING_AWAY
from hub.link.message_budget import MessageBudget
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.connection_slots import Limits
from hub.net.deadlines import Deadlines
from hub.net.https_redirect import redirect_to_https
from hub.net.listener import serve_port
from hub.net.open_files import connection_limit
from hub.services import Services

#: Returns the TLS context to use for the next connection; certificates change while the hub runs.
CurrentContext = Callable[[], ssl.SSLContext]

_MEGABYTE = 1024 * 1024
PORT = "devices"
PLAIN_PORT = "devices-plain"

#: Longer than a close handshake may take (CLOSE_SECONDS of the link).
_SHUTDOWN_SECONDS = 3.0


class Links:
    """The open links of all device ports."""

    def __init__(self, services: Services, deadlines: Deadlines) -> None:
        self._config = services.config.devices
        self._certificates = services.upkeep.certificates
        self._traces = services.cameras.presence.traces
        self._dispatch = Dispatch(
            services.cameras.admission,
            services.cameras.enrolment,
            self._traces,
            self._config,
            services.core.clock.shown_time,
            services.cameras.old_tls,
            note_address=services.access.known_addresses.note,
        )
        self._open: set[DeviceLink] = set()
        self._deadlines = deadlines
        self._messages = MessageBudget(self._config.message_budget_mb * _MEGABYTE)

    def take_over(self, config: Config) -> None:
        """Take over changed settings."""
        self._messages.resize(config.devices.message_budget_mb * _MEGABYTE)

    async def handle(self, stream: trio.abc.Stream, peer: Peer) -> None:
        """Serve one connection until it ends."""
        link = DeviceLink(
            stream,
            peer,
            self._config,
            self._deadlines,
            self._messages,
            trace=self._traces.open(),
            handle=self._dispatch.handle,
            on_ended=self._dispatch.on_ended,
            own_names=lambda: self._certificates.names,
        )
        self._open.add(link)
        try:
            await link.run()
        finally:
            self._open.discard(link)

    def close_all(self) -> None:
        """End every link soon."""
        for link in self._open:
            link.close("the hub stops", GOING_AWAY)


async def serve_devices(
    services: Services,
    *,
    shutdown: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the device ports until `shutdown` is set, then close every link and return.

    Reports `started` once all ports are open. Raises StartFault if a port cannot be opened.
    """
    config = services.config.devices
    opened = await _open_ports(services)
    deadlines = Deadlines()
    links = Links(services, deadlines)
    async with deadlines.watched(), trio.open_nursery() as handlers:
        async with trio.open_nursery() as ports:
            await ports.start(services.core.settings.follow, links.take_over)
            for port in opened:
                serve = partial(
                    serve_port,
                    port.name,
                    port.listeners,
                    links.handle,
                    limits=Limits(
                        connection_limit(config.max_connections), config.max_connections_per_address
                    ),
                    known=services.access.known_addresses,
                    tls=port.tls,
                    handshake_seconds=config.first_message_seconds,
                    on_plain=redirect_to_https,
                    on_old_tls=services.cameras.old_tls.refuse,
                    handler_nursery=handlers,
                )
                await ports.start(serve)
            task_status.started()
            await shutdown.wait()
            ports.cancel_scope.cancel()
        links.close_all()
        handlers.cancel_scope.deadline = trio.current_time() + _SHUTDOWN_SECONDS


@dataclass(frozen=True)
class _OpenPort:
    name: str
    listeners: list[trio.SocketListener]
    tls: CurrentContext | None


async def _open_ports(services: Services) -> list[_OpenPort]:
    """Open all configured ports. If one fails, closes the others and raises StartFault."""
    config = services.config.devices
    tls = partial(_tls_context, services) if config.tls else None
    wanted = [(PORT, "devices.port", config.port, tls)]
    if config.plain_ws_port:
        wanted.append((PLAIN_PORT, "devices.plain_ws_port", config.plain_ws_port, None))
    opened: list[_OpenPort] = []
    try:
        for name, setting, port, context in wanted:
            listeners = await open_listeners(config.bind, port, setting=setting)
            opened.append(_OpenPort(name, listeners, context))
    except BaseException:
        for open_port in opened:
            for listener in open_port.listeners:
                listener.socket.close()
        raise
    return opened


def _tls_context(services: Services) -> ssl.SSLContext:
    """Return the TLS settings of the device port; `devices.legacy_ciphers` applies at once."""
    if services.config.devices.legacy_ciphers:
        return services.upkeep.certificates.context_with_legacy()
    return services.upkeep.certificates.context()
