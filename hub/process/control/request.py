"""Requests of the command line to a hub: one struct for each command that no API call does.

The running hub, which receives requests in hub.process.control.channel, performs them on its
services. If no hub is running, the command's own process does. Every change is written to the audit
log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from msgspec import Struct

if TYPE_CHECKING:
    from hub.services import Services

R = TypeVar("R")


class ControlRequest(
    Struct, Generic[R], frozen=True, tag_field="operation", forbid_unknown_fields=True
):
    """One command of the command line; its tag names it on the control channel."""

    #: Whether only a running hub can answer the request.
    needs_running_hub: ClassVar[bool] = False

    @property
    def result_type(self) -> Any:
        """The type of the result: what the class gives ControlRequest in brackets."""
        return get_args(type(self).__orig_bases__[0])[0]  # type: ignore[attr-defined]

    async def perform(self, services: Services) -> R:
        """Carry out the command and return its result.

        Raises HubErrors with a message for the person who ran the command.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        # The fields may be passwords and security codes.
        return f"{type(self).__name__}(...)"


class ApiCall(ControlRequest[Any], frozen=True, tag="api"):
    """A call of the web API, with the right of the owner of the data directory.

    `path`: below that of the API, with the query, quoted. `body`: JSON, or empty.
    """

    method: str
    path: str
    body: str


class ReadStatus(ControlRequest[Any], frozen=True, tag="status"):
    """The status of the hub, as GET /status answers it.

    Monitoring asks for it, and a hub whose API nobody uses does without Quart: 15 MB.
    """

    async def perform(self, services: Services) -> Any:
        from hub.services.upkeep.status import read_status

        return await read_status(services)


#: Answers a call of the API (method, path and body as in ApiCall) with JSON. Raises HubErrors.
AnswerApi = Callable[[str, str, bytes], Awaitable[bytes]]
