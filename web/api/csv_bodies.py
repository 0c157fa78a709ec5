"""Bodies of POST /devices/import: a whole site is longer than any other call.

One is read in front of Quart, of who may import only and within the budget of all uploads.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from hub.errors import HubError
from hub.services import Services
from hub.services.devices.csv_import import MOST_BYTES
from web import auth
from web.api.endpoint import MOST_BODY_BYTES
from web.api.enrolment import IMPORT
from web.error_responses import refuse
from web.forms.handed_forms import handed_body_on
from web.http.bodies import Bodies, PeerLeft, tell_of_limit


def csv_bodies(services: Services, bodies: Bodies, others: ASGIFramework) -> ASGIFramework:
    """Reads them, and lets `others` answer them as all else."""
    return _CsvBodies(services, bodies, others)


class _CsvBodies:
    def __init__(self, services: Services, bodies: Bodies, others: ASGIFramework) -> None:
        self._services = services
        self._bodies = bodies
        self._others = others

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if not (
            scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == IMPORT.path
        ):
            await self._others(scope, receive, send)
            return
        async with AsyncExitStack() as stack:
            try:
                caller = await self._caller(scope)
                body = await stack.enter_async_context(
                    self._bodies.body(
                        scope, receive, caller.sender, free=MOST_BODY_BYTES, most=MOST_BYTES
                    )
                )
            except HubError as error:
                tell_of_limit(error, auth.address_of(scope))
                await refuse(send, error)
                return
            except PeerLeft:
                return
            await self._others(*handed_body_on(scope, receive, body), send)

    async def _caller(self, scope: HTTPScope) -> auth.Caller:
        """By the head alone; Quart asks once more, and binds the body of a signed request."""
        head, address = auth.head_of(scope), auth.address_of(scope)
        return await auth.caller_of(self._services, head, address, write=True, role=IMPORT.role)
