"""The Quart classes of the web port: what every request needs besides what Quart does."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from quart.ctx import RequestContext
from quart.globals import request
from quart.typing import ResponseReturnValue
from quart_trio import QuartTrio
from quart_trio.wrappers.request import TrioBody, TrioRequest

from hub.services.shielding import Shield, shielded

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class RequestBody(TrioBody):
    """The body of a request. While a view waits for it, its client may still hang up."""

    shield: Shield | None = None

    async def __anext__(self) -> bytes:
        if self.shield is None:
            return await super().__anext__()
        with self.shield.suspended():
            return await super().__anext__()

    def __await__(self) -> Generator[Any, None, Any]:
        if self.shield is None:
            return (yield from super().__await__())
        with self.shield.suspended():
            return (yield from super().__await__())


class Request(TrioRequest):
    body_class = RequestBody
    body: RequestBody


class HubQuart(QuartTrio):
    """Finishes a change (any request that is not safe, RFC 9110 9.2.1) once its body is there.

    quart-trio cancels a view when the client hangs up. Here that reaches the view of a change only
    while it waits for the body. The answer is sent outside of the shield.
    """

    request_class = Request

    async def dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue:
        if request.method in _SAFE_METHODS:
            return await super().dispatch_request(request_context)
        with shielded() as shield:
            body = request.body
            assert isinstance(body, RequestBody)
            body.shield = shield
            return await super().dispatch_request(request_context)
