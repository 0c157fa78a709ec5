"""Asks hubs to erase a person, and tells what they have said to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import trio
from msgspec import Struct

from hub.central.fleet import Fleet
from hub.central.messages import StateRow
from hub.central.prepare import patiently
from hub.central.reader import Reader, Servers, open_reader
from hub.central.received import Received
from hub.errors import StartFault
from hub.services.forwarding.nats.asked import (
    ASKED,
    ASKED_CONFIG,
    AskedList,
    asked_subject,
    read_asked,
    signed,
)
from hub.services.forwarding.nats.messages import Message
from hub.services.forwarding.nats.sender import EXPECTED
from hub.services.forwarding.nats.stream import NatsStream, find_stream, last_message
from hub.services.forwarding.sender import TryLater
from hub.services.forwarding.site_state import MAX_ASKED, Asked

#: What a hub says when there is no more to come of a request.
_FINAL = frozenset({"erased", "kept", "refused"})


class Request(Struct, frozen=True):
    """What a hub was asked, and what it has said; "": nothing yet, "forbidden": it may not."""

    hub: str
    id: str
    at: datetime
    outcome: str = ""

    @property
    def is_final(self) -> bool:
        return self.outcome in _FINAL or self.outcome == "forbidden"


async def ask_to_erase(
    servers: Servers, number: str, logs: Mapping[str, Sequence[str]], now: datetime, wait: float
) -> list[Request]:
    """Ask each hub to erase a number of its logs; return what they have said after `wait` seconds.

    What was not answered by then stays asked. `servers` have a certificate. `now`: if servers tell
    no time. Raises TryLater in an exception group, StartFault.
    """
    fleet = Fleet()
    async with open_reader(servers) as reader:
        asked: dict[str, list[Asked]] = {}
        stream = await patiently(reader, partial(_find, reader))
        for hub, of in logs.items():
            one = Asked(f"e-{secrets.token_hex(8)}", number, tuple(of), stream.now or now)
            await patiently(reader, partial(_change, reader, servers, hub, one))
            asked[hub] = [one]
        with trio.move_on_after(wait) as scope:

            def take(message: Received) -> None:
                fleet.take(message)
                is_asked = isinstance(message.row, StateRow) and message.row.hub in asked
                if is_asked and all(one.is_final for one in _answers(fleet, asked)):
                    scope.cancel()

            await reader.follow_states(take)
        found = _answers(fleet, asked)
        await _forget_answered(reader, servers, found)
    return found


async def list_asked(servers: Servers, hubs: Sequence[str]) -> list[Request]:
    """Return what these hubs are asked; what they have answered is not kept after this.

    Raises TryLater in an exception group.
    """
    async with open_reader(servers) as reader:
        asked = {hub: (await _read(reader, servers, hub))[0] for hub in hubs}
        fleet = Fleet()
        await reader.read_states(fleet.take)
        found = _answers(fleet, asked)
        await _forget_answered(reader, servers, found)
    return found


def _answers(fleet: Fleet, asked: Mapping[str, Sequence[Asked]]) -> list[Request]:
    rows = {row.hub: row for row in fleet.rows()}
    return [
        Request(hub, one.id, one.at, _outcome(rows.get(hub), one))
        for hub, some in asked.items()
        for one in some
    ]


def _outcome(row: StateRow | None, asked: Asked) -> str:
    # What it told before may be of a minute in which its administrator has allowed it.
    if row is None or row.state is None or row.at <= asked.at:
        return ""
    if not row.state.erases:
        return "forbidden"
    answered = {one.id: one.outcome for one in row.state.asked}
    return answered.get(asked.id, "")


async def _forget_answered(reader: Reader, servers: Servers, found: Sequence[Request]) -> None:
    for hub in {one.hub for one in found if one.is_final}:
        ids = {one.id for one in found if one.hub == hub and one.is_final}
        await patiently(reader, partial(_change, reader, servers, hub, None, ids))


async def _find(reader: Reader) -> NatsStream:
    return await find_stream(reader, ASKED, asked_subject("*"), ASKED_CONFIG)


async def _read(reader: Reader, servers: Servers, hub: str) -> tuple[tuple[Asked, ...], int]:
    """Return what a hub is asked, and the number of that in the stream."""
    subject = asked_subject(hub)
    stream = await _find(reader)
    last = await last_message(reader, ASKED, stream, subject)
    if last is None:
        return (), 0
    return read_asked(last.payload, hub, servers.ca), last.stream_seq


async def _change(
    reader: Reader,
    servers: Servers,
    hub: str,
    added: Asked | None,
    gone: frozenset[str] | set[str] = frozenset(),
) -> None:
    """Add to what a hub is asked, or take away. Raises TryLater if another one has done so."""
    known, number = await _read(reader, servers, hub)
    asked = tuple(one for one in known if one.id not in gone and one != added)
    if added is not None:
        if len(asked) >= MAX_ASKED:
            raise StartFault(f"{hub} has not answered {MAX_ASKED} requests: see central asked")
        asked = (*asked, added)
    value = signed(AskedList(hub, asked), servers.cert, servers.key)
    ack = await reader.publish(Message(asked_subject(hub), {EXPECTED: str(number)}, value))
    if ack.error is not None:
        raise TryLater(f"{ASKED}: {ack.error.reason}")
