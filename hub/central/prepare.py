"""Makes the streams and the consumers on the servers, as far as they are missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import trio
from msgspec import Struct

from hub.central.reader import Consumed, Reader, Servers, Take, open_reader
from hub.services.forwarding.nats.address import PARTITIONS, stream_of
from hub.services.forwarding.nats.stream import find_stream, has_batches
from hub.services.forwarding.sender import TryLater

T = TypeVar("T")

_DAY_NS = 86_400 * 10**9
_ATTEMPTS, _PAUSE_SECONDS = 5, 2.0


class Prepared(Struct, frozen=True):
    """A stream as it is. `days`: how long messages are kept, 0 for ever; `batches`: as a whole."""

    stream: str
    replicas: int
    days: float
    batches: bool
    pending: int
    unacknowledged: int


async def prepare(servers: Servers) -> list[Prepared]:
    """Make what is missing; return all streams. Raises TryLater in an exception group."""
    found = []
    async with open_reader(servers) as reader:
        for partition in range(PARTITIONS):
            name = stream_of(partition)
            subjects = f"sitehub.{partition}.>"
            stream = await patiently(reader, partial(find_stream, reader, name, subjects))
            consumed = await patiently(reader, partial(reader.prepare, name))
            found.append(
                Prepared(
                    name,
                    stream.config.num_replicas,
                    stream.config.max_age / _DAY_NS,
                    has_batches(reader, stream),
                    0 if consumed is None else consumed.num_pending,
                    0 if consumed is None else consumed.num_ack_pending,
                )
            )
    return found


async def patiently(reader: Reader, work: Callable[[], Awaitable[T]]) -> T:
    """Do some work with servers that may still be choosing their leader. Raises TryLater."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except TryLater:
            if reader.is_broken:
                raise
        await trio.sleep(_PAUSE_SECONDS)
    return await work()


async def forget_state(servers: Servers, hub: str) -> None:
    """Let the servers keep nothing of what a hub has told of itself, or is asked.

    Raises TryLater in an exception group.
    """
    async with open_reader(servers) as reader:
        await patiently(reader, partial(reader.forget_state, hub))


async def read_again(servers: Servers, streams: Sequence[str], since: datetime | None) -> None:
    """Let the consumers of streams give everything again, or what came since then.

    Raises TryLater in an exception group.
    """
    async with open_reader(servers) as reader:
        for stream in streams:
            # A centre that runs may have made it anew between the two.
            await patiently(reader, partial(reader.begin_again, stream, since))


async def read_streams(
    servers: Servers, put_state: Take, seconds: float = 20
) -> dict[str, Consumed]:
    """Return how far each stream that is consumed is stored; give `put_state` the states of hubs.

    Raises TryLater in an exception group, trio.TooSlowError.
    """
    found = {}
    with trio.fail_after(seconds):
        async with open_reader(servers) as reader:
            for stream in map(stream_of, range(PARTITIONS)):
                info = await reader.consumed(stream)
                if info.error is None:
                    found[stream] = info
            await reader.read_states(put_state)
    return found
