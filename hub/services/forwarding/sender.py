"""What a forwarder gives to a sender, and how a sender says what became of it.

A sender knows one way to deliver (a webhook, MQTT, NATS, mail), not the log and its cursors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import trio
from msgspec import Struct

from hub.reasons import Reason, Value
from hub.services.forwarding.retries import RetryPlan
from hub.store.alarms.alarm import Alarm
from hub.store.targets.target import Cursor, Gap
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.services.forwarding.site_state import Asked, SiteState


class RecordItem(Struct, frozen=True):
    """A record. `with_pictures`: whether the target gets its pictures."""

    record: Record
    with_pictures: bool


class AlarmItem(Struct, frozen=True):
    """An alarm as it is after a change, with the record that raised it if that is still there.

    `number`: of the change; a later one of the same alarm replaces it.
    """

    number: int
    alarm: Alarm
    record: Record | None


class GapItem(Struct, frozen=True):
    """Records that the target will never get."""

    gap: Gap


class ErasureItem(Struct, frozen=True):
    """Records of a log that were erased here: the target is to erase them too.

    `seqs`: (first, last) of at most 400 ranges, ascending. `number`: of the last of them; a target
    that has heard of it knows of all before. `uuids`: numbers of a person, whose records are to be
    erased whether or not this hub still has them; but not those after `last_seq`, nor `kept`, which
    are (first, last) too.
    """

    log: str
    seqs: tuple[tuple[int, int], ...]
    number: int
    uuids: tuple[str, ...] = ()
    last_seq: int = 0
    kept: tuple[tuple[int, int], ...] = ()


Item = RecordItem | AlarmItem | GapItem | ErasureItem


class Delivery(Struct, frozen=True):
    """One attempt to deliver a message. `at`: UNIX ms. `status`: of HTTP, None without an answer.

    `reason`: why it failed; None if it did not.
    """

    id: str
    at: int
    took_ms: int
    status: int | None
    reason: Reason | None = None


class Position(Struct, frozen=True):
    """How far the other side says it is: it has, of `log`, all up to `seq` that is selected.

    `record`: its last record as JSON, which must be ours; b"" if there is nothing to compare.
    `has_lost`: whether it had more before. `erasure_number`: of the last erasure that it has, None
    if it does not say. `expired_before`: it has nothing, of what it was sent before this (UNIX ms)
    because that was too old; None if that is not why.
    """

    log: str
    seq: int
    record: bytes = b""
    has_lost: bool = False
    erasure_number: int | None = None
    expired_before: int | None = None


class Undelivered(Exception):
    """`reason`: why the target does not get something, or its sentence, with its `values`."""

    def __init__(self, reason: Reason | str, **values: Value) -> None:
        self.reason = Reason(reason, values) if isinstance(reason, str) else reason
        super().__init__(self.reason)


class Refused(Undelivered):
    """The target refuses the item at `position` for ever; those before it were delivered."""

    def __init__(self, reason: Reason | str, position: int = 0, **values: Value) -> None:
        super().__init__(reason, **values)
        self.position = position


class TryLater(Undelivered):
    """Nothing of this is known to be delivered. `after`: seconds to wait at least, if told."""

    def __init__(self, reason: Reason | str, after: float = 0.0, **values: Value) -> None:
        super().__init__(reason, **values)
        self.after = after


class NeedsPerson(Undelivered):
    """The target can get nothing until a person looks at it."""


@runtime_checkable
class StateTeller(Protocol):
    """A sender to those who are told how the hub is, and may ask it to erase people."""

    async def asked(self) -> Sequence[Asked]:
        """Return whom to erase, as far as that is allowed here and there is a connection."""
        ...

    async def tell(self, state: SiteState) -> None:
        """Tell how the hub is, or once there is a connection. Whether it arrives is not told."""
        ...


class Connectionless:
    """What a sender answers that keeps no connection, and whose other side is not asked."""

    gather_seconds = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def position(self, cursor: Cursor) -> None:
        return None

    async def wait_broken(self) -> Reason:
        await trio.sleep_forever()
        raise AssertionError("not reached")

    async def forget(self) -> None:
        pass


class Sender(Protocol):
    """Delivers items to one target."""

    @property
    def batch(self) -> int:
        """The most items that `send` takes at a time."""
        ...

    @property
    def gather_seconds(self) -> float:
        """How long the first record may wait for others, of which many cost as little as one."""
        ...

    @property
    def retry_plan(self) -> RetryPlan:
        """When to try again what failed."""
        ...

    @property
    def about(self) -> Reason | None:
        """What the other side is, as far as it said so; None if nothing is known."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Run what is needed in the background while `position` and `send` are used."""
        ...

    async def position(self, cursor: Cursor) -> Position | None:
        """Return how far the other side says it is; None if it does not say such a thing.

        Called before the first `send`, and after each that failed. Raises TryLater, NeedsPerson.
        """
        ...

    async def wait_broken(self) -> Reason:
        """Return why once the connection has ended, if one is kept open between deliveries."""
        ...

    async def send(self, items: Sequence[Item]) -> None:
        """Deliver items in this order; return once the other side has said yes to all.

        Raises Refused, TryLater, NeedsPerson. If cancelled, some may be delivered; they are sent
        again.
        """
        ...

    async def test(self) -> Delivery:
        """Deliver something that says nothing; return what became of it. Raises nothing.

        Not while it is running.
        """
        ...

    async def forget(self) -> None:
        """Let the other side keep nothing that says how this hub is now; the target is given up.

        Within seconds, and raises nothing. Not while it is running.
        """
        ...

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """The last attempts, the newest last, as far as they are kept."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
