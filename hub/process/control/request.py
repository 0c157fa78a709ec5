"""What the command line asks a hub for: one struct for each command.

A request is carried out on the services, by the running hub (hub.process.control.channel receives
it there) or, if none runs, in the command's own process. Every change is written to the audit log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from hub.services import Services

R = TypeVar("R")


class ControlRequest(
    Struct, Generic[R], frozen=True, tag_field="operation", forbid_unknown_fields=True
):
    """One command of the command line; its tag names it on the control channel."""

    #: The type of the result, for decoding it.
    result: ClassVar[Any] = None
    #: Whether only a running hub has what is asked for.
    needs_running_hub: ClassVar[bool] = False

    async def perform(self, services: Services) -> R:
        """Carry out the command and return its result.

        Raises HubErrors whose message is for the person who gave the command.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        # The fields may be passwords and security codes.
        return f"{type(self).__name__}(...)"
