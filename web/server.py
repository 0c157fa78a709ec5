"""The web port: hub.net.listener accepts, web.http speaks HTTP, the applications answer.

The device API answers the paths of devices, and the commands API commands to devices, both in front
of Quart. An additional plain HTTP port, for cameras that cannot use our TLS, serves only the paths
of devices.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from hub.config import Config
from hub.errors import BadParameter, NoSuchPath
from hub.net.binding import open_listeners
from hub.net.connection import OnOldTls, Peer
from hub.net.connection_slots import KnownAddresses, Limits
from hub.net.deadlines import Deadlines
from hub.net.https_redirect import redirect_to_https
from hub.net.listener import serve_port
from hub.net.loop_scheduler import LoopScheduler
from hub.net.networks import Networks
from hub.net.open_files import connection_limit
from hub.services import Services
from web import error_responses
from web.device_api.uploads import device_api, is_of_devices, on_plain_port, refuse
from web.health_answer import with_health
from web.http.answers import AnswerBudget
from web.http.bodies import Bodies
from web.http.connection import Connection, Serving
from web.http.hosts import address_of, is_host
from web.late_app import LateApp
from web.proxy.clients import for_clients
from web.proxy.prefix import below

if TYPE_CHECKING:
    from web.api.owner import AnswerOwner

log = logging.getLogger(__name__)

#: Requests in progress are cut off this long after the shutdown began.
GRACE_SECONDS = 4.0
#: From TCP accept to the end of the TLS handshake, or of a request in plain HTTP.
_HANDSHAKE_SECONDS = 10.0
_BAD_HOST = "a host name or an address is expected, with or without a port"


#: Makes the application of browsers and programs, in a thread.
MakeApp = Callable[[Services, Bodies], ASGIFramework]


async def serve(
    make_app: MakeApp,
    services: Services,
    *,
    shutdown: trio.Event,
    task_status: trio.TaskStatus[AnswerOwner] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application and the paths of devices until `shutdown`, then finish what is asked.

    The application is made when it is first asked; all bodies share one budget. Reports started,
    with what answers the command line, once the ports are open. Raises StartFault if a port cannot
    be opened.
    """
    web, devices = services.config.web, services.config.devices
    bodies = Bodies(web)
    api = device_api(services, bodies)
    app = LateApp(lambda: make_app(services, bodies))
    others = below(web.prefix, with_health(services, app))
    tls = services.upkeep.certificates.context if web.tls else None
    direct = Limits(connection_limit(web.max_connections), web.max_connections_per_address)
    limits = msgspec.structs.replace(direct, proxies=Networks(web.trusted_proxies))
    listeners = await open_listeners(web.bind, web.port, setting="web.port")
    answers = AnswerBudget(web.answer_budget_mb * 1024 * 1024)
    serving = Serving(closing=trio.Event(), deadlines=Deadlines(), answers=answers)

    def take_over(config: Config) -> None:
        answers.resize(config.web.answer_budget_mb * 1024 * 1024)
        bodies.configure(config.web)

    known = services.access.known_addresses
    app_in_turns = front(api, others, known, limits)
    ports = [_Port("web", listeners, limits, app_in_turns, serving, tls)]
    if devices.plain_http_port:
        listeners = await open_listeners(
            devices.bind, devices.plain_http_port, setting="devices.plain_http_port"
        )
        devices_only = front(on_plain_port(api), _not_found, known, direct)
        ports.append(_Port("plain-http", listeners, direct, devices_only, serving, None))
    async with app.available(), serving.deadlines.watched(), trio.open_nursery() as connections:
        if web.prefix:
            # Is it an address of the application? Before anybody asks.
            await app.made()
        async with trio.open_nursery() as accepting:
            await accepting.start(services.core.settings.follow, take_over)
            for port in ports:
                await accepting.start(
                    partial(
                        port.accept,
                        known,
                        services.cameras.old_tls.refuse,
                        connections,
                    )
                )
            task_status.started(partial(_answer_owner, app))
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        serving.closing.set()
        for port in ports:
            port.stop()
        connections.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS


def front(
    devices: ASGIFramework, others: ASGIFramework, known: KnownAddresses, limits: Limits
) -> ASGIFramework:
    """Route the paths of devices to `devices`, everything else to `others`.

    Requests are begun in turns, except those that known addresses send to `devices`, which are
    cheap. What trusted proxies say counts for `others` only: devices connect directly, and some are
    known by their address.
    """
    turns = LoopScheduler(known)

    async def in_turn(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            await turns.turn(address_of(scope))
        await others(scope, receive, send)

    for_people = for_clients(in_turn, limits.proxies, known, limits.per_address)

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and is_of_devices(scope["path"]):
            if address_of(scope) not in known:
                await turns.turn(address_of(scope))
            await devices(scope, receive, send)
        elif scope["type"] == "http" and not _has_host(scope):
            await error_responses.refuse(send, BadParameter(_BAD_HOST, field="Host"))
        else:
            await for_people(scope, receive, send)

    return app


def _has_host(scope: HTTPScope) -> bool:
    """Whether the request names a host, or none. Cameras that send anything else do no harm."""
    return all(is_host(value) for name, value in scope["headers"] if name == b"host")


async def _not_found(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer all other paths on the plain port for devices."""
    await refuse(send, NoSuchPath())


async def _answer_owner(app: LateApp, method: str, path: str, body: bytes) -> bytes:
    """AnswerOwner, by the application that is made for it if need be."""
    made = await app.made()
    from web.api.owner import answer_owner

    return await answer_owner(made, method, path, body)


class _Port:
    """One port and its open connections."""

    def __init__(
        self,
        name: str,
        listeners: Sequence[trio.SocketListener],
        limits: Limits,
        app: ASGIFramework,
        serving: Serving,
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        self._serving = serving
        self._name = name
        self._listeners = listeners
        self._limits = limits
        self._app = app
        self._tls = tls
        self._address: tuple[str, int] = listeners[0].socket.getsockname()[:2]
        self._connections: set[Connection] = set()

    async def accept(
        self,
        known: KnownAddresses,
        on_old_tls: OnOldTls,
        connections: trio.Nursery,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        await serve_port(
            self._name,
            self._listeners,
            self._serve,
            limits=self._limits,
            known=known,
            tls=self._tls,
            handshake_seconds=_HANDSHAKE_SECONDS,
            on_plain=redirect_to_https if self._tls else None,
            on_old_tls=on_old_tls,
            handler_nursery=connections,
            task_status=task_status,
        )

    def stop(self) -> None:
        for connection in self._connections:
            connection.stop()

    async def _serve(self, stream: trio.abc.Stream, peer: Peer) -> None:
        connection = Connection(
            self._app,
            self._serving,
            stream,
            peer,
            self._address,
            tls=self._tls is not None,
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
