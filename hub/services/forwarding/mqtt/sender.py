"""Sends to a broker of MQTT 5 what happens now, and keeps there what the cameras' states are.

This is not the lossless path. A broker takes a message whether anybody reads it or not, and what is
older than some minutes when a connection begins is left out: nothing is to open, ring or switch
because of a face of yesterday.
"""

from __future__ import annotations

import logging
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from hub.log import visible
from hub.services.forwarding.mqtt.address import check_broker, is_encrypted
from hub.services.forwarding.mqtt.broker import Broker
from hub.services.forwarding.mqtt.commands import BrokerCommands
from hub.services.forwarding.mqtt.discovery import Discovery
from hub.services.forwarding.mqtt.messages import MqttMessages, Publication
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.mqtt.states import RetainedStates
from hub.services.forwarding.mqtt.topics import (
    HOME_ASSISTANT_ONLINE,
    HOME_ASSISTANT_STATUS,
    OFFLINE,
    ONLINE,
)
from hub.services.forwarding.nats.identity import load_certificate
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.sender import (
    AlarmItem,
    Delivery,
    Item,
    NeedsPerson,
    Position,
    RecordItem,
    Refused,
    TryLater,
)
from hub.store.alarms.alarm import Alarm
from hub.store.targets.target import Cursor, Target, TargetSecrets

if TYPE_CHECKING:
    from hub.services.forwarding.mqtt.connection import Connection, Incoming, Ticket

log = logging.getLogger(__name__)

PLAN = RetryPlan(waits=(1.0, 2.0, 5.0, 15.0, 30.0, 60.0), spread=0.5)
_BATCH = 20
_KEPT_DELIVERIES = 100
#: Another client with our name takes the connection, again and again.
_MAX_TAKEN, _TAKEN_SECONDS = 3, 60.0
#: To remove what the broker keeps of a target that is removed, and to wait for what that is.
_FORGET_SECONDS, _KEPT_SECONDS = 5.0, 0.3


class MqttSender:
    """Publishes to one broker, through one connection at a time."""

    batch = _BATCH

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
        self._nursery: trio.Nursery | None = None
        self._connection: Connection | None = None
        self._states: RetainedStates | None = None
        self._began = 0.0
        self._taken = 0
        #: How the broker is spoken to, and what it does not take; "" before the first connection.
        self.about = ""
        #: The last attempts, the newest last.
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

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
        if self._connection is not None and self._connection.is_broken:
            await self._end()
        if self._connection is None:
            await self._connect()
            return Position(self._messages.log_id, await self._site.recent_after(cursor.seq))
        return Position(self._messages.log_id, cursor.seq)

    async def wait_broken(self) -> str:
        if self._connection is None:
            return "it is not connected"
        reason = await self._connection.wait_broken()
        await self._end()
        return reason

    async def aclose(self) -> None:
        if (connection := self._connection) is not None:
            self._connection = self._states = None
            await connection.aclose(self._status(OFFLINE))

    async def _connect(self) -> None:
        """Connect, say that the hub is there, and begin to tell the cameras' states."""
        if self._taken >= _MAX_TAKEN:
            self._taken = 0
            raise NeedsPerson(f"another client is called {self._client_id} too")
        self._connection = connection = await self._open(await self._broker())
        self._began = trio.current_time()
        self.about = connection.about
        try:
            await self._subscribe(connection)
            await self._publish([self._status(ONLINE)])
        except TryLater:
            await self._end()
            raise
        assert self._nursery is not None
        self._states = states = self._new_states()
        self._nursery.start_soon(self._keep_states, states)
        self._nursery.start_soon(self._take_messages, connection, states)

    async def _open(self, broker: Broker) -> Connection:
        # Imported here because most hubs have no such target, and it takes memory.
        from hub.services.forwarding.mqtt.connection import open_connection

        assert self._nursery is not None
        # Each time: a name may lead elsewhere than when the target was added.
        if await self._is_this_hub():
            raise TryLater("the address leads to this hub")
        return await open_connection(self._nursery, broker)

    async def _end(self) -> None:
        """Close a connection that is broken, and note whether another client has taken it."""
        if (connection := self._connection) is None:
            return
        from hub.services.forwarding.mqtt.connection import TAKEN_OVER

        is_early = trio.current_time() - self._began < _TAKEN_SECONDS
        is_taken = connection.end_code == TAKEN_OVER
        self._taken = self._taken + 1 if is_taken and is_early else int(is_taken)
        await self.aclose()

    async def _subscribe(self, connection: Connection) -> None:
        from hub.services.forwarding.mqtt.connection import NotTaken

        topics = [self._topics.any_online]
        if self._options.home_assistant:
            topics.append(HOME_ASSISTANT_STATUS)
        if self._commands is not None:
            topics += self._topics.commands
        try:
            await connection.subscribe(topics)
        except NotTaken as refusal:
            self._note_refusal(str(refusal))

    @property
    def _client_id(self) -> str:
        return f"sitehub-{self._options.hub}"

    async def _broker(self) -> Broker:
        """Return where and how to connect. Raises TryLater if a certificate cannot be used."""
        options = self._options
        host, port = check_broker(options.url)
        tls = None
        if is_encrypted(options.url):
            # In a thread: it reads all authorities that this computer knows.
            tls = await trio.to_thread.run_sync(
                _tls_of, options.ca, options.cert, self._secrets.key
            )
        return Broker(
            host,
            port,
            self._client_id,
            options.user,
            self._secrets.password,
            tls,
            self._status(OFFLINE),
        )

    def _status(self, status: bytes) -> Publication:
        return Publication(self._topics.status, status, retain=True)

    # -- records and alarms

    async def send(self, items: Sequence[Item]) -> None:
        began, at = trio.current_time(), int(self._now() * 1000)
        told = [item for item in items if not isinstance(item, AlarmItem) or self._is_new(item)]
        failure = "it was interrupted"
        try:
            await self._send(items, told)
            failure = ""
        except (TryLater, Refused) as error:
            failure = str(error)
            raise
        finally:
            took = int((trio.current_time() - began) * 1000)
            if told:
                id = f"{self._messages.log_id}-{_range(told)}"
                self.deliveries.append(Delivery(id, at, took, None, failure))

    async def _send(self, items: Sequence[Item], told: Sequence[Item]) -> None:
        from hub.services.forwarding.mqtt.connection import NotTaken

        connection = self._connection
        if connection is None or connection.is_broken:
            await self._end()
            raise TryLater("the connection broke")
        tickets: list[tuple[Item, Ticket]] = []
        refusal: tuple[Item, str] | None = None
        for item in told:
            try:
                for message in await self._messages.of(item):
                    tickets.append((item, await connection.start(message)))
            except NotTaken as error:
                refusal = (item, str(error))
                break
        for item, ticket in tickets:
            try:
                await connection.wait(ticket)
            except NotTaken as error:
                raise Refused(str(error), items.index(item)) from error
        if refusal is not None:
            raise Refused(refusal[1], items.index(refusal[0]))

    def _is_new(self, item: AlarmItem) -> bool:
        """Whether an alarm that nobody has acknowledged is recent; one that has been always is."""
        return item.alarm.state != "new" or self._site.is_recent(_changed_at(item.alarm))

    # -- states and commands

    def _new_states(self) -> RetainedStates:
        options, selection = self._options, self._options.selection
        discovery = Discovery(
            self._topics,
            with_alarms=selection.alarms,
            with_pictures=selection.pictures != "none",
            with_commands=options.commands,
        )
        return RetainedStates(
            self._site,
            self._topics,
            discovery if options.home_assistant else None,
            lambda did: not selection.dids or did in selection.dids,
            self._publish,
            with_alarms=selection.alarms,
        )

    async def _publish(self, messages: Sequence[Publication]) -> None:
        """Publish what the broker keeps. What it does not take is noted. Raises TryLater."""
        from hub.services.forwarding.mqtt.connection import NotTaken

        if (connection := self._connection) is None:
            raise TryLater("it is not connected")
        tickets: list[tuple[Publication, Ticket]] = []
        for message in messages:
            try:
                tickets.append((message, await connection.start(message)))
            except NotTaken as refusal:
                self._note_refusal(f"{message.topic}: {refusal}")
        for message, ticket in tickets:
            try:
                await connection.wait(ticket)
            except NotTaken as refusal:
                self._note_refusal(f"{message.topic}: {refusal}")

    def _note_refusal(self, text: str) -> None:
        log.warning("a target of MQTT: %s", visible(text))
        if self._connection is not None:
            self.about = f"{self._connection.about}; {text}"

    async def _keep_states(self, states: RetainedStates) -> None:
        with suppress(TryLater):  # whoever waits for the connection learns why
            await states.run()

    async def _take_messages(self, connection: Connection, states: RetainedStates) -> None:
        """Do what messages of the broker ask for, until the connection is closed."""
        async for message in connection.inbox:
            with suppress(TryLater):
                await self._take(message, states)

    async def _take(self, message: Incoming, states: RetainedStates) -> None:
        topics = self._topics
        if message.topic == HOME_ASSISTANT_STATUS:
            if message.payload == HOME_ASSISTANT_ONLINE and not message.is_kept:
                await states.tell_again()
        elif (did := topics.camera_of(message.topic, "online")) is not None:
            if did and message.is_kept and message.payload and not states.is_known(did):
                await states.forget(did)
        elif (did := topics.camera_of(message.topic, "command")) is not None:
            await self._obey(did, message)

    async def _obey(self, did: str, message: Incoming) -> None:
        # One that is kept would be carried out again at each connection.
        if self._commands is not None and not message.is_kept:
            await self._commands.perform(did, message.payload)

    # -- trying it out, and leaving

    async def test(self) -> Delivery:
        name = f"test-{secrets.token_hex(4)}"
        began, at = trio.current_time(), int(self._now() * 1000)
        reason = ""
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
                    await self._forget(connection)
            except Exception as error:
                log.warning("a broker keeps what it knows: %s", _reason_of(error))

    async def _forget(self, connection: Connection) -> None:
        self._connection = connection
        try:
            states = self._new_states()
            await connection.subscribe([self._topics.any_online])
            await states.forget_all()
            with trio.move_on_after(_KEPT_SECONDS):
                async for message in connection.inbox:
                    await self._take(message, states)
        finally:
            self._connection = None

    @asynccontextmanager
    async def _visiting(self, name: str) -> AsyncIterator[Connection]:
        """Connect beside the connection that may be open, and leave no trace of it."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            broker = await self._broker()
            broker = replace(broker, client_id=f"{broker.client_id}-{name}", will=None)
            connection = await self._open(broker)
            try:
                yield connection
            finally:
                await connection.aclose()
                self._nursery = None
                nursery.cancel_scope.cancel()


def _tls_of(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Return what checks the broker and shows our certificate. Raises TryLater."""
    try:
        context = ssl.create_default_context(cadata=ca or None)
        if cert:
            load_certificate(context, cert, key)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise TryLater(f"the certificates: {error}") from error
    return context


def _changed_at(alarm: Alarm) -> int:
    """Return when an alarm was last heard of, in UNIX milliseconds."""
    return max(alarm.heard_at, alarm.new_since, alarm.escalated_at or 0, alarm.over_at or 0)


def _range(items: Sequence[Item]) -> str:
    """Return what stands for items in the id of a delivery."""
    first, last = items[0], items[-1]
    if isinstance(first, AlarmItem):
        return f"{first.alarm.seq}-alarm-{first.number}"
    seqs = [str(item.record.seq) for item in (first, last) if isinstance(item, RecordItem)]
    return "-".join(dict.fromkeys(seqs)) or "other"


def _reason_of(error: BaseException) -> str:
    """Return why something failed, out of the groups that nurseries make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return visible(str(error)) or type(error).__name__
