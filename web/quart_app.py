"""Quart with bodies that are read on demand, and with changes that outlast their clients.

Quart may change what is not public. It is checked when this module is imported, so that an
unsuitable version prevents the start instead of failing on a request.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack
from typing import Any

import trio
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
)
from quart.ctx import RequestContext
from quart.globals import request
from quart.routing import QuartRule
from quart.typing import ResponseReturnValue
from quart.wrappers.request import Request as QuartRequest
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers.request import TrioBody, TrioRequest
from werkzeug.exceptions import RequestEntityTooLarge

from hub import metrics
from hub.log import limited, place_of
from hub.services.changes import CarryOut, named, waiting_for_input
from web.http.bodies import Bodies
from web.http.budget import BodySender
from web.http.streamed_body import StreamedBody

log = logging.getLogger(__name__)

#: The versions that are known to have the attributes below; pyproject.toml allows the same.
QUART_VERSIONS = ("quart==0.22.0", "quart-trio==0.12.0")
for _part, *_names in (
    (TrioASGIHTTPConnection, "_create_request_from_scope", "handle_messages", "handle_request"),
    (TrioRequest, "body_class"),
    (QuartTrio, "asgi_http_class", "request_class", "url_rule_class"),
    (QuartRule, "_compile_builder"),
):
    for _name in _names:
        if not hasattr(_part, _name):
            raise ImportError(
                f"this version of Quart does not fit the hub: {_part.__name__} has no {_name}. "
                f"Install {' '.join(QUART_VERSIONS)}",
                name="quart",
            )

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LENGTH_HEADERS = (b"content-length", b"transfer-encoding")


class RequestBody(TrioBody):
    """The body of a request, received only when a view asks for it.

    `await body` and `async for part in body`, which Quart uses for short forms and JSON, raise
    RequestEntityTooLarge beyond MAX_CONTENT_LENGTH. `read` and `stream` take longer bodies. A view
    that waits for its body is cancelled when the client hangs up, as in quart-trio.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._length = expected_content_length
        self._max_bytes = max_content_length
        self._whole: bytes | None = None
        self._received = 0
        self._is_complete = False
        #: Set once no more of it is received, so that `receive` can wait for the client to hang up.
        self.is_done = trio.Event()

    def open(
        self,
        connection: HTTPConnection,
        receive: ASGIReceiveCallable,
        resources: AsyncExitStack,
        view: trio.CancelScope,
    ) -> None:
        """Receive from `connection`. The body keeps its room until `resources` are released."""
        self._scope = connection.scope
        self._bodies = connection.app.bodies
        self._receive = receive
        self._resources = resources
        self._view = view
        if _has_no_body(connection.scope):
            self._is_complete = True
            self.is_done.set()

    async def read(
        self, sender: BodySender, *, max_bytes: int | None = None, free_bytes: int = 0
    ) -> bytes:
        """Read the whole body. It counts in the budget of uploads until the request is answered,
        and the change that it asks for has ended.

        See Bodies.body for the parameters. Raises TooLarge, TooSlow, CannotStoreNow.
        """
        with waiting_for_input():
            body = self._bodies.body(
                self._scope, self._next_event, sender, free_bytes=free_bytes, max_bytes=max_bytes
            )
            self._whole = await self._resources.enter_async_context(body)
        return self._whole

    def stream(self, max_bytes: int) -> StreamedBody:
        """Read the body part by part, without keeping it, and with a time limit on its progress."""
        return StreamedBody(self._next_event, self._scope, max_bytes)

    async def __anext__(self) -> bytes:
        self._check_size(self._length or 0)
        if self._is_complete:
            raise StopAsyncIteration
        event = await self._next_event()
        assert event["type"] == "http.request"
        self._received += len(event["body"])
        self._check_size(self._received)
        return event["body"]

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read_all().__await__()

    def clear(self) -> None:
        self._whole = b""

    @property
    def whole(self) -> bytes | None:
        """The body, if all of it was read at once."""
        is_empty = self._is_complete and not self._received
        return b"" if is_empty and self._whole is None else self._whole

    def keep_room(self, resources: AsyncExitStack) -> None:
        """Let a body that is read from now on keep its room until `resources` are released."""
        self._resources = resources

    async def _read_all(self) -> bytes:
        if self._whole is None:
            self._whole = b"".join([part async for part in self])
        return self._whole

    def _check_size(self, size: int) -> None:
        if self._max_bytes is not None and size > self._max_bytes:
            raise RequestEntityTooLarge

    async def _next_event(self) -> ASGIReceiveEvent:
        """The next part of the body. When the client hangs up the view is cancelled instead."""
        with waiting_for_input():
            event = await self._receive()
            if event["type"] != "http.request":
                self._view.cancel()
                await trio.sleep_forever()
            elif not event["more_body"]:
                self._is_complete = True
                self.is_done.set()
        return event


def _has_no_body(scope: HTTPScope) -> bool:
    return scope["method"] in SAFE_METHODS and not any(
        name in _LENGTH_HEADERS for name, _ in scope["headers"]
    )


class Request(TrioRequest):
    body_class = RequestBody


class HTTPConnection(TrioASGIHTTPConnection):
    """One request. Its view pulls the body, and is cancelled when the client hangs up later."""

    app: HubQuart

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        http_request = self._create_request_from_scope(send)
        body = http_request.body
        assert isinstance(body, RequestBody)

        async def answer(event: ASGISendEvent) -> None:
            await send(event)
            # The unread rest of the body is dropped.
            body.is_done.set()

        async with AsyncExitStack() as resources, trio.open_nursery() as nursery:
            body.open(self, receive, resources, nursery.cancel_scope)
            nursery.start_soon(self.handle_messages, nursery, http_request, receive)
            nursery.start_soon(self.handle_request, nursery, http_request, answer)

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: QuartRequest, receive: ASGIReceiveCallable
    ) -> None:
        assert isinstance(request.body, RequestBody)
        await request.body.is_done.wait()
        while (await receive())["type"] == "http.request":
            pass
        nursery.cancel_scope.cancel()


class _UrlBuilder:
    """Builds the URLs of a rule; what does so is compiled for the first one."""

    __slots__ = ("_appends_unknown", "_build", "_rule")

    def __init__(self, rule: QuartRule, *, appends_unknown: bool) -> None:
        self._rule = rule
        self._appends_unknown = appends_unknown
        self._build: Callable[..., tuple[str, str]] | None = None

    def __get__(self, rule: QuartRule, owner: object) -> _UrlBuilder:
        return self  # A function would be bound to its rule here.

    def __call__(self, **values: Any) -> tuple[str, str]:
        if self._build is None:
            self._build = QuartRule._compile_builder(self._rule, self._appends_unknown)
        return self._build(self._rule, **values)


class _Rule(QuartRule):
    """A rule whose URLs may never be built, as those of the API: compiling costs 2 KB and time."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _UrlBuilder(self, appends_unknown=append_unknown)


class HubQuart(QuartTrio):
    """Carries out unsafe requests (RFC 9110, 9.2.1) as changes, which outlast their clients.

    quart-trio cancels a view when the client hangs up. Here the view of an unsafe request is
    cancelled only while it waits for the body.
    """

    asgi_http_class = HTTPConnection
    request_class = Request
    url_rule_class = _Rule  # type: ignore[assignment]
    #: The bodies in flight, including those of requests that are answered in front of Quart.
    bodies: Bodies
    carry_out: CarryOut

    def log_exception(self, exception_info: Any) -> None:
        """Log a fault of a view, at most once a minute for each place in the code."""
        error = exception_info[1]
        if error is not None:
            metrics.connection_faults.labels("web").inc()
            message = "a fault of the hub while answering %s %s"
            key = f"fault {place_of(error)}"
            limited(log, logging.ERROR, key, message, request.method, request.path, exc_info=error)

    async def dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue:
        dispatch = super().dispatch_request
        if request.method in SAFE_METHODS:
            return await dispatch(request_context)

        async def change() -> ResponseReturnValue:
            async with AsyncExitStack() as resources:
                request_body().keep_room(resources)
                return await dispatch(request_context)

        return await self.carry_out(change)


def request_body() -> RequestBody:
    """The body of the current request."""
    body = request.body
    assert isinstance(body, RequestBody)
    return body


def name_request(caller: str, query: bytes) -> None:
    """Let a repeat of the current request by the same caller have the outcome of its change.

    Call it once the caller is known to be allowed to make it, the body is read, and nothing is
    changed yet. A request whose body is streamed gets no name. `query`: without a signature, which
    is another one each time.
    """
    body = request_body().whole
    if body is not None:
        head = (caller, request.method, request.path, query)
        named(hashlib.sha256(repr(head).encode() + body).digest())
