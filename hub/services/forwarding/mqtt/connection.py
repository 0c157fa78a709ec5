"""One connection to a broker, driven by trio without a thread. It never reconnects.

Imports paho-mqtt, which takes memory: import this only where there is a target of this kind.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import trio
from msgspec import Struct
from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hub.folding import visible
from hub.reasons import Reason, because
from hub.services.connect_errors import reason_of
from hub.services.forwarding.mqtt.broker import Broker, open_socket
from hub.services.forwarding.mqtt.messages import Publication
from hub.services.forwarding.mqtt.window import MAX_MESSAGES, NotTaken, Ticket, Window
from hub.services.forwarding.sender import TryLater

_CONNECT_SECONDS = 10.0
#: How long a broker may take to acknowledge.
_ANSWER_SECONDS = 30.0
_KEEPALIVE_SECONDS = 30
_TICK_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
#: What a broker may send at a time: a command is a word.
_MAX_INCOMING = 64 * 1024
_MAX_WAITING = 200
#: What is told of what went wrong.
_MAX_TEXT = 300
#: Reason codes of MQTT 5.
_UNSUPPORTED_VERSION, TAKEN_OVER = 132, 142


class Incoming(Struct, frozen=True):
    """A message of the broker. `is_kept`: from before the subscription, or a command to be kept."""

    topic: str
    payload: bytes
    is_kept: bool


class _Client(Client):
    """A client on a socket that is connected already, so that nothing here ever blocks."""

    def __init__(self, connected: socket.socket, client_id: str) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False
        )
        self._connected = connected

    def _create_socket(self) -> Any:
        return self._connected


class MqttConnection:
    """An open connection. All methods raise TryLater if it is broken; then close it."""

    def __init__(self, sock: socket.socket, broker: Broker) -> None:
        """Use `open_connection`."""
        self._sock = sock
        self._client = client = _Client(sock, broker.client_id)
        self._login = Ticket()
        self._end = trio.Event()
        self._reason = Reason("the connection broke")
        self._log: Reason | None = None
        self._is_closed = False
        self._wants_write = trio.Event()
        self._window = Window()
        self._subscribed: dict[int, Ticket] = {}
        self._keeps_messages = True
        self._inbox, self.inbox = trio.open_memory_channel[Incoming](_MAX_WAITING)
        #: The reason code with which the broker ended it; 0 if it did not.
        self.end_code = 0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_log = self._on_log
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        client.max_inflight_messages = MAX_MESSAGES
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        if (will := broker.will) is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)

    @property
    def about(self) -> str:
        """What is known of the connection."""
        version = self._sock.version() if isinstance(self._sock, ssl.SSLSocket) else None
        return f"MQTT 5, {version}" if version else "MQTT 5"

    @property
    def is_broken(self) -> bool:
        return self._end.is_set()

    async def wait_broken(self) -> Reason:
        """Return why once it is broken."""
        await self._end.wait()
        return self._reason

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read and write until it is broken, or cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                for work in (self._read, self._write, self._tick):
                    nursery.start_soon(work)
                task_status.started()
                await self._end.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._break(Reason("the connection was closed"))

    async def log_in(self, host: str, port: int) -> None:
        """Tell the broker who we are. Raises TryLater. `run` must run."""
        wanted = _properties(PacketTypes.CONNECT)
        wanted.MaximumPacketSize = _MAX_INCOMING
        wanted.ReceiveMaximum = MAX_MESSAGES
        self._step(
            lambda: self._client.connect(
                host, port, _KEEPALIVE_SECONDS, clean_start=True, properties=wanted
            )
        )
        with trio.move_on_after(_CONNECT_SECONDS):
            await self._login.done.wait()
        if self._login.refusal:
            raise TryLater(self._login.refusal)
        if not self._login.is_answered:
            raise TryLater(self._reason if self._end.is_set() else "it did not answer in time")

    async def start(self, message: Publication) -> Ticket:
        """Send a message as soon as the window has room. Raises NotTaken, TryLater."""
        with trio.move_on_after(_ANSWER_SECONDS) as in_time:
            await self._window.wait_for_room(message.size)
        if in_time.cancelled_caught:
            raise self._silent()
        return self._send(message)

    async def wait(self, ticket: Ticket) -> None:
        """Wait until the broker has a message. Raises NotTaken, TryLater."""
        with trio.move_on_after(_ANSWER_SECONDS):
            await ticket.done.wait()
        if ticket.refusal:
            raise NotTaken(ticket.refusal)
        if not ticket.is_answered:
            raise TryLater(self._reason) if self._end.is_set() else self._silent()

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Get what is published under topics, but not by ourselves. Raises NotTaken, TryLater."""
        # As published: else nothing tells a command that the broker keeps while we are there. Home
        # Assistant may let its own "online" be kept, and it counts.
        asked = []
        for topic in topics:
            is_command = topic.endswith("/command")
            options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=is_command)
            asked.append((topic, options))
        ticket = Ticket()

        def subscribe() -> MQTTErrorCode:
            code, mid = self._client.subscribe(asked)
            if mid is not None:
                self._subscribed[mid] = ticket
            return code

        self._step(subscribe)
        await self.wait(ticket)

    async def aclose(self, goodbye: Publication | None = None) -> None:
        """Say goodbye if that is possible within a second, and close. `run` need not run."""
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            if not self._end.is_set() and self._login.is_answered:
                await self._say(goodbye)
        self._break(Reason("the connection was closed"))
        self._close_socket()

    # -- the work

    async def _say(self, goodbye: Publication | None) -> None:
        with suppress(TryLater, NotTaken, trio.ClosedResourceError):
            if goodbye is not None:
                self._send(goodbye)
            self._step(self._client.disconnect)
            while self._client.want_write() and not self._end.is_set():
                await trio.lowlevel.wait_writable(self._sock)
                self._step(self._client.loop_write)

    async def _read(self) -> None:
        while not self._end.is_set():
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(self._sock)
            self._step_in_background(self._client.loop_read)
            # What is decrypted already does not show at the socket.
            while not self._end.is_set() and _pending(self._sock):
                self._step_in_background(self._client.loop_read)

    async def _write(self) -> None:
        while not self._end.is_set():
            await self._wants_write.wait()
            if self._end.is_set():
                return
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_writable(self._sock)
            # First what the broker has said: writing may fail because it says goodbye.
            self._step_in_background(self._client.loop_read)
            self._step_in_background(self._client.loop_write)

    async def _tick(self) -> None:
        while not self._end.is_set():
            await trio.sleep(_TICK_SECONDS)
            self._step_in_background(self._client.loop_misc)

    def _step_in_background(self, work: Callable[[], MQTTErrorCode]) -> None:
        with suppress(TryLater):
            self._step(work)

    def _step(self, work: Callable[[], MQTTErrorCode]) -> None:
        """Let the client do something that does not wait. Raises TryLater."""
        if self._end.is_set():
            raise TryLater(self._reason)
        try:
            code = work()
        except Exception as error:
            # Whatever a broker sends that makes no sense shows so.
            why = visible(str(error)[:_MAX_TEXT]) or type(error).__name__
            self._break(because("its message could not be understood: %(why)s", why=why))
            raise TryLater(self._reason) from error
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._break(self._log or Reason("the connection broke"))
        if self._end.is_set():
            raise TryLater(self._reason)

    def _send(self, message: Publication) -> Ticket:
        properties = _properties(PacketTypes.PUBLISH)
        if message.content_type:
            properties.ContentType = message.content_type
        ticket = Ticket(message.size)

        def publish() -> MQTTErrorCode:
            info = self._client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.retain and self._keeps_messages,
                properties=properties,
            )
            self._window.add(info.mid, ticket)
            return info.rc

        self._step(publish)
        return ticket

    def _silent(self) -> TryLater:
        self._break(Reason("it did not acknowledge in time"))
        return TryLater(self._reason)

    def _break(self, reason: Reason) -> None:
        if not self._end.is_set():
            self._reason = reason
            self._end.set()
            self._wants_write.set()
            self._window.end()
            for ticket in (self._login, *self._subscribed.values()):
                ticket.done.set()

    def _close_socket(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._sock.fileno() != -1:
                trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
        self._inbox.close()

    # -- what the client tells

    def _on_connect(
        self, client: Client, data: object, flags: object, code: ReasonCode, told: Properties | None
    ) -> None:
        if code.is_failure:
            self._login.answer(_refusal_of(code))
        else:
            self._window.limit(
                getattr(told, "ReceiveMaximum", MAX_MESSAGES),
                getattr(told, "MaximumPacketSize", None),
            )
            self._keeps_messages = bool(getattr(told, "RetainAvailable", 1))
            self._login.answer()

    def _on_disconnect(
        self, client: Client, data: object, flags: DisconnectFlags, code: ReasonCode, told: object
    ) -> None:
        reason = self._log
        if flags.is_disconnect_packet_from_server and code.is_failure:
            self.end_code = int(code.value)
            reason = because("the broker ended the connection: %(why)s", why=_name(code))
        self._break(reason or Reason("the broker closed the connection"))

    def _on_publish(
        self, client: Client, data: object, mid: int, code: ReasonCode, told: object
    ) -> None:
        refusal = because("the broker refused it: %(why)s", why=_name(code))
        self._window.answer(mid, refusal if code.is_failure else None)

    def _on_subscribe(
        self, client: Client, data: object, mid: int, codes: list[ReasonCode], told: object
    ) -> None:
        if (ticket := self._subscribed.pop(mid, None)) is not None:
            refusals = [
                because("the broker refused a subscription: %(why)s", why=_name(code))
                for code in codes
                if code.is_failure
            ]
            ticket.answer(refusals[0] if refusals else None)

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        with suppress(UnicodeDecodeError, trio.WouldBlock, trio.BrokenResourceError):
            incoming = Incoming(message.topic, bytes(message.payload), message.retain)
            self._inbox.send_nowait(incoming)

    def _on_log(self, client: Client, data: object, level: int, text: str) -> None:
        if text.startswith(("failed to", "timeout")):
            said = visible(text[:_MAX_TEXT].removeprefix("failed to receive on socket: "))
            self._log = Reason(said.partition("] ")[2] or said)  # without "[Errno 104]"

    def _on_socket_close(self, client: Client, data: object, sock: object) -> None:
        if not self._is_closed and self._sock.fileno() != -1:
            self._is_closed = True
            trio.lowlevel.notify_closing(self._sock)

    def _on_register_write(self, client: Client, data: object, sock: object) -> None:
        self._wants_write.set()

    def _on_unregister_write(self, client: Client, data: object, sock: object) -> None:
        if not self._end.is_set():
            self._wants_write = trio.Event()


async def open_connection(nursery: trio.Nursery, broker: Broker) -> MqttConnection:
    """Connect to a broker, and run the connection in a nursery. The caller closes it.

    Raises TryLater.
    """
    try:
        with trio.fail_after(_CONNECT_SECONDS):
            sock = await open_socket(broker)
    # UnicodeError: a name that cannot be looked up. ValueError: of the certificates.
    except (OSError, ValueError) as error:
        raise TryLater(reason_of(error)) from error
    except trio.TooSlowError as error:
        raise TryLater("it cannot be reached in time") from error
    connection = MqttConnection(sock, broker)
    try:
        await nursery.start(connection.run)
        await connection.log_in(broker.host, broker.port)
    except BaseException:
        await connection.aclose()
        raise
    return connection


def _properties(kind: int) -> Properties:
    made: Properties = Properties(kind)  # type: ignore[no-untyped-call]
    return made


def _pending(sock: socket.socket) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _refusal_of(code: ReasonCode) -> Reason:
    if code.value == _UNSUPPORTED_VERSION:
        return Reason("the broker does not support MQTT 5")
    return because("the broker refused the connection: %(why)s", why=_name(code))


def _name(code: ReasonCode) -> str:
    return visible(code.getName())
