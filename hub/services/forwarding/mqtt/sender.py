"""Sends to a broker of MQTT 5 what happens now, and keeps there what the cameras' states are.

This is not the lossless path. A broker takes a message whether anybody reads it or not, and what is
older than some minutes when a connection begins is left out: nothing is to open, ring or switch
because of a face of yesterday.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec.structs import replace

from hub.folding import visible
from hub.reasons import Reason
from hub.services.forwarding.mqtt.broker import Broker, broker_of
from hub.services.forwarding.mqtt.commands import BrokerCommands
from hub.services.forwarding.mqtt.connection import TAKEN_OVER, MqttConnection, open_connection
from hub.services.forwarding.mqtt.last_faces import LastFaces
from hub.services.forwarding.mqtt.messages import MqttMessages, Publication
from hub.services.forwarding.mqtt.session import MqttSession
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.mqtt.topics import OFFLINE
from hub.services.forwarding.mqtt.window import NotTaken, Ticket
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.sender import (
    AlarmItem,
    Delivery,
    ErasureItem,
    GapItem,
    Item,
    NeedsPerson,
    Position,
    RecordItem,
    Refused,
    TryLater,
    Undelivered,
)
from hub.store.alarms.alarm import Alarm
from hub.store.targets.target import Cursor, Target, TargetSecrets

if TYPE_CHECKING:
    from hub.services.forwarding.site_state import SiteState

log = logging.getLogger(__name__)

PLAN = RetryPlan(waits=(1.0, 2.0, 5.0, 15.0, 30.0, 60.0), spread=0.5)
_BATCH = 20
_KEPT_DELIVERIES = 100
#: Another client with our name takes the connection, again and again.
_MAX_TAKEN, _TAKEN_SECONDS = 3, 60.0
#: To remove what the broker keeps of a target that is removed.
_FORGET_SECONDS = 5.0


class MqttSender:
    """Publishes to one broker, through one connection at a time."""

    batch = _BATCH
    gather_seconds = 0.0

    def __init__(
        self,
        target: Target,
        keys: TargetSecrets,
        messages: MqttMessages,
        site: SiteView,
        now: Callable[[], float],
        is_this_hub: Callable[[], Awaitable[bool]],
        plan: RetryPlan = PLAN,
    ) -> None:
        """`is_this_hub`: whether the address leads here."""
        self.retry_plan = plan
        self._options = options = target.options
        self._secrets = keys
        self._messages = messages
        self._topics = messages.topics
        self._site = site
        self._now = now
        self._is_this_hub = is_this_hub
        self._commands = BrokerCommands(site, target.name) if options.commands else None
        self._faces = LastFaces(messages.log_id, site.records, options.selection.wants)
        self._nursery: trio.Nursery | None = None
        self._session: MqttSession | None = None
        self._about: Reason | None = None
        #: What says how the hub is; b"" before that is known.
        self._state = b""
        self._began = 0.0
        self._taken = 0
        #: The last attempts, the newest last.
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

    @property
    def about(self) -> Reason | None:
        """How the broker is spoken to, and what it does not take; None before it was connected."""
        return self._about if self._session is None else self._session.about

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                try:
                    await self.aclose()
                finally:
                    nursery.cancel_scope.cancel()

    # -- the connection

    async def position(self, cursor: Cursor) -> Position:
        if self._session is not None and self._session.connection.is_broken:
            await self._end()
        if self._session is None:
            await self._connect()
            return Position(self._messages.log_id, await self._site.recent_after(cursor.seq))
        return Position(self._messages.log_id, cursor.seq)

    async def wait_broken(self) -> Reason:
        if self._session is None:
            return Reason("it is not connected")
        reason = await self._session.connection.wait_broken()
        await self._end()
        return reason

    async def asked(self) -> tuple[()]:
        return ()

    async def tell(self, state: SiteState) -> None:
        self._state = msgspec.json.encode(state)
        if self._session is not None:
            with suppress(TryLater):
                await self._session.tell(self._state)

    async def aclose(self) -> None:
        if (session := self._session) is not None:
            self._session, self._about = None, session.about
            await session.connection.aclose(self._goodbye)

    async def _connect(self) -> None:
        """Connect, say that the hub is there, and begin to tell the cameras' states."""
        if self._taken >= _MAX_TAKEN:
            self._taken = 0
            raise NeedsPerson("another client is called %(name)s too", name=self._client_id)
        assert self._nursery is not None
        connection = await self._open(self._nursery, await self._broker())
        self._session = session = self._new_session(connection)
        self._began = trio.current_time()
        try:
            await session.begin()
        except TryLater:
            await self._end()
            raise
        self._nursery.start_soon(session.run)

    async def _open(self, nursery: trio.Nursery, broker: Broker) -> MqttConnection:
        # Each time: a name may lead elsewhere than when the target was added.
        if await self._is_this_hub():
            raise TryLater("the address leads to this hub")
        return await open_connection(nursery, broker)

    def _new_session(self, connection: MqttConnection) -> MqttSession:
        return MqttSession(
            connection,
            self._topics,
            self._options,
            self._site,
            self._commands,
            lambda: self._taken_back(self._faces.taken_back),
            self._state,
        )

    async def _end(self) -> None:
        """Close a connection that is broken, and note whether another client has taken it."""
        if (session := self._session) is None:
            return
        is_early = trio.current_time() - self._began < _TAKEN_SECONDS
        is_taken = session.connection.end_code == TAKEN_OVER
        self._taken = self._taken + 1 if is_taken and is_early else int(is_taken)
        await self.aclose()

    @property
    def _client_id(self) -> str:
        return f"sitehub-{self._options.hub}"

    async def _broker(self) -> Broker:
        return await broker_of(self._options, self._secrets, self._client_id, self._goodbye)

    @property
    def _goodbye(self) -> Publication:
        return Publication(self._topics.status, OFFLINE, retain=True)

    # -- records and alarms

    async def send(self, items: Sequence[Item]) -> None:
        began, at = trio.current_time(), int(self._now() * 1000)
        told = [item for item in items if self._is_told(item)]
        tickets: list[tuple[Item, Ticket]] = []
        failure: Reason | None = Reason("it was interrupted")
        try:
            await self._send(items, told, tickets)
            failure = None
        except Undelivered as error:
            failure = error.reason
            raise
        finally:
            took = int((trio.current_time() - began) * 1000)
            if tickets or (told and failure):
                id = f"{self._messages.log_id}-{_range(told)}"
                self.deliveries.append(Delivery(id, at, took, None, failure))

    async def _send(
        self, items: Sequence[Item], told: Sequence[Item], tickets: list[tuple[Item, Ticket]]
    ) -> None:
        """Publish items; `tickets` gets what is on its way."""
        if (session := self._session) is None or session.connection.is_broken:
            await self._end()
            raise TryLater("the connection broke")
        connection = session.connection
        refusal: tuple[Item, Reason] | None = None
        for item in told:
            try:
                for message in await self._messages_of(item):
                    tickets.append((item, await connection.start(message)))
            except NotTaken as error:
                refusal = (item, error.reason)
                break
        for item, ticket in tickets:
            try:
                await connection.wait(ticket)
            except NotTaken as error:
                raise Refused(error.reason, items.index(item)) from error
            self._faces.told(item)
        if refusal is not None:
            raise Refused(refusal[1], items.index(refusal[0]))

    async def _messages_of(self, item: Item) -> list[Publication]:
        if isinstance(item, ErasureItem):
            return self._taken_back(await self._faces.erase(item))
        self._faces.telling(item)
        return await self._messages.of(item)

    def _taken_back(self, dids: Iterable[str]) -> list[Publication]:
        """Return what replaces the last faces of cameras."""
        with_picture = self._options.selection.pictures != "none"
        return [
            one for did in dids for one in self._messages.nobody(did, with_picture=with_picture)
        ]

    def _is_told(self, item: Item) -> bool:
        """Whether it may be news. An alarm that somebody has acknowledged always is."""
        if isinstance(item, AlarmItem) and item.alarm.state == "new":
            return self._site.is_recent(_changed_at(item.alarm))
        return not isinstance(item, GapItem)

    # -- trying it out, and leaving

    async def test(self) -> Delivery:
        name = f"test-{secrets.token_hex(4)}"
        began, at = trio.current_time(), int(self._now() * 1000)
        reason = None
        try:
            async with self._visiting(name) as connection:
                message = Publication(self._topics.test, name.encode())
                await connection.wait(await connection.start(message))
        except Exception as error:
            reason = _reason_of(error)
        took = int((trio.current_time() - began) * 1000)
        return Delivery(f"{self._messages.log_id}-{name}", at, took, None, reason)

    async def forget(self) -> None:
        """Let the broker keep nothing of this hub, within seconds, if it can be reached."""
        with trio.move_on_after(_FORGET_SECONDS):
            try:
                async with self._visiting(f"leaving-{secrets.token_hex(4)}") as connection:
                    await self._new_session(connection).forget()
            except Exception as error:
                log.warning("a broker keeps what it knows: %s", _reason_of(error))

    @asynccontextmanager
    async def _visiting(self, name: str) -> AsyncIterator[MqttConnection]:
        """Connect beside the connection that may be open, and leave no trace of it."""
        async with trio.open_nursery() as nursery:
            broker = await self._broker()
            broker = replace(broker, client_id=f"{broker.client_id}-{name}", will=None)
            connection = await self._open(nursery, broker)
            try:
                yield connection
            finally:
                await connection.aclose()
                nursery.cancel_scope.cancel()


def _changed_at(alarm: Alarm) -> int:
    """Return when an alarm was last heard of, in UNIX milliseconds."""
    return max(alarm.heard_at, alarm.new_since, alarm.escalated_at or 0, alarm.over_at or 0)


def _range(items: Sequence[Item]) -> str:
    """Return what stands for items in the id of a delivery."""
    match items[0]:
        case AlarmItem() as one:
            return f"{one.alarm.seq}-alarm-{one.number}"
        case ErasureItem(seqs=seqs, number=number):
            return f"{seqs[0][0]}-erasure-{number}-{seqs[-1][1]}"
    ends = [str(item.record.seq) for item in (items[0], items[-1]) if isinstance(item, RecordItem)]
    return "-".join(dict.fromkeys(ends))


def _reason_of(error: BaseException) -> Reason:
    """Return why something failed, out of the groups that nurseries make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Undelivered):
        return error.reason
    return Reason(visible(str(error)) or type(error).__name__)
