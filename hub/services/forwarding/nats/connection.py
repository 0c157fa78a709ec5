"""One connection to a NATS server. It never reconnects: what was in flight must be asked for.

Imports nats-py, which takes memory: import this only where there is a target of this kind.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
import trio
import trio_asyncio
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, UnexpectedEOF
from nats.errors import TimeoutError as NatsTimeout

from hub.decoders import decode_json
from hub.folding import visible
from hub.reasons import Reason, because
from hub.services.connect_errors import reason_of
from hub.services.forwarding.nats.headers import STATUS, headers_of
from hub.services.forwarding.nats.messages import Message
from hub.services.forwarding.sender import TryLater

T = TypeVar("T")

log = logging.getLogger(__name__)
# It warns of each TLS connection that the server closes.
logging.getLogger("asyncio").setLevel(logging.ERROR)

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 10.0
#: For the acknowledgement of a batch: 4 MB through a slow line.
_BATCH_SECONDS = 60.0
_CLOSE_SECONDS = 2.0
_PING_SECONDS = 20
#: What is told of what a server says.
_MAX_TEXT, _MAX_VERSION = 300, 40
#: More than a batch, so that it is written in one go.
_PENDING_BYTES = 8 * 1024 * 1024


class Login(Struct, frozen=True):
    """How a hub proves who it is. `tls`: with its certificate, if it has one."""

    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None


class NatsReply(Struct, frozen=True):
    """What a server answers. `status`: "" or e.g. "404", as in HTTP."""

    headers: dict[str, str]
    data: bytes

    @property
    def status(self) -> str:
        return self.headers.get(STATUS, "")


class ApiError(Struct, frozen=True):
    """An error of JetStream. `err_code` tells what it is, `code` is as in HTTP."""

    code: int = 0
    err_code: int = 0
    description: str = ""

    @property
    def reason(self) -> Reason:
        text = visible(self.description[:_MAX_TEXT])
        return Reason(text or f"error {self.err_code or self.code}")


class Ack(Struct, frozen=True):
    """An acknowledgement. `seq`: of the last message in the stream."""

    seq: int = 0
    count: int = 0
    error: ApiError | None = None


class _Client(Client):
    """A client that gives nothing to a server without TLS where TLS is wanted.

    Nor does it fail at what others have written into messages: it would read nothing more.
    """

    def __init__(self, *, wants_tls: bool) -> None:
        super().__init__()
        self._wants_tls = wants_tls

    def _connect_command(self) -> bytes:
        # Here TLS is on if the server has asked for it. What follows holds the password.
        if self._wants_tls and not self._server_info.get("tls_required"):
            raise ConnectionRefusedError(Reason("the server does not use TLS"))
        return super()._connect_command()

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return headers_of(headers) if headers else None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        subject = subject.decode("utf-8", "replace").encode()
        return super()._build_message(sid, subject, reply, data, headers)

    @property
    def version(self) -> str:
        return visible(str(self._server_info.get("version", "0.0.0"))[:_MAX_VERSION])

    def abort(self) -> None:
        """Close the socket at once. What waits for it ends."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()


class NatsConnection:
    """An open connection. All methods raise TryLater if it is broken; then close it."""

    def __init__(self, loop: trio_asyncio.TrioEventLoop, *, wants_tls: bool) -> None:
        """Use `open_connection`."""
        self._loop = loop
        self._client = _Client(wants_tls=wants_tls)
        self._reason: Reason | None = None
        #: Subjects that may not be permitted, as with accounts of an earlier version, and those of
        #: them that were found not to be.
        self._optional: set[str] = set()
        self._forbidden: set[str] = set()
        #: Done when nothing more can come.
        self._broken: asyncio.Future[None] = loop.create_future()
        self._end = trio.Event()

    @property
    def version(self) -> str:
        return self._client.version

    @property
    def is_broken(self) -> bool:
        return self._broken.done()

    @property
    def max_payload(self) -> int:
        """The largest message with its headers, in bytes."""
        return int(self._client.max_payload)

    async def wait_broken(self) -> Reason:
        """Return why once it is broken."""
        await self._end.wait()
        return self._reason or Reason("the connection broke")

    async def request(
        self, subject: str, payload: bytes = b"", *, is_optional: bool = False
    ) -> NatsReply:
        """Ask a server something. `is_optional`: what is not permitted breaks no connection."""
        if subject in self._forbidden:
            raise TryLater("it did not answer in time")
        if is_optional:
            self._optional.add(subject)
        return await self._run(self._request, Message(subject, {}, payload), _ANSWER_SECONDS)

    async def publish(self, message: Message) -> Ack:
        """Publish a message; return what the stream says."""
        return _ack(await self._run(self._request, message, _BATCH_SECONDS))

    async def publish_batch(self, messages: Sequence[Message]) -> Ack:
        """Publish messages of which the last one has the header of a commit."""
        return _ack(await self._run(self._publish_batch, messages, _BATCH_SECONDS))

    async def tell(self, message: Message) -> None:
        """Publish something that nobody acknowledges, unless it was found not to be permitted."""
        if message.subject not in self._forbidden:
            self._optional.add(message.subject)
            await self._run(self._publish, message, _ANSWER_SECONDS)

    async def aclose(self) -> None:
        """Close the connection, within seconds."""
        with trio.move_on_after(_CLOSE_SECONDS + 1, shield=True):
            await trio_asyncio.aio_as_trio(self._close, loop=self._loop)()

    # -- in asyncio

    async def open(self, servers: Sequence[str], login: Login, hub: str) -> None:
        """Connect to one of the servers. Use `open_connection`."""
        work = self._client.connect(
            servers=list(servers),
            name=f"sitehub {hub}",
            error_cb=self._note,
            closed_cb=self._closed,
            allow_reconnect=False,
            # Without this, it would try them again and again.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            no_echo=True,
            tls=login.tls,
            user=login.user or None,
            password=login.password or None,
            # The only inbox that a hub needs to be allowed to read.
            inbox_prefix=f"_INBOX.{hub}",
            pending_size=_PENDING_BYTES,
        )
        await self._until_done(work, 2.0 * _CONNECT_SECONDS * len(servers))

    async def _request(self, message: Message, seconds: float) -> NatsReply:
        answer = await self._client.request(
            message.subject, message.payload, timeout=seconds, headers=message.headers or None
        )
        return _reply(answer)

    async def _publish(self, message: Message, seconds: float) -> None:
        await self._client.publish(
            message.subject, message.payload, headers=message.headers or None
        )

    async def _publish_batch(self, messages: Sequence[Message], seconds: float) -> NatsReply:
        for message in messages[:-1]:
            await self._client.publish(message.subject, message.payload, headers=message.headers)
        return await self._request(messages[-1], seconds)

    async def _until_done(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Return the result of some work with the client. Raises TryLater."""
        task = self._loop.create_task(work)
        try:
            await asyncio.wait(
                {task, self._broken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                result: T = task.result()
                return result
        except NoRespondersError as error:
            raise TryLater("no stream of the server takes it: is JetStream on?") from error
        except NatsTimeout as error:
            raise TryLater("it did not answer in time") from error
        # ValueError, UnicodeError: what the server sends makes no sense.
        except (TimeoutError, NatsError, OSError, ValueError) as error:
            raise TryLater(self._reason or _reason_of(error)) from error
        finally:
            # Not waited for: the client does not always end when it is cancelled.
            task.cancel()
        if self._broken.done():
            raise TryLater(self._reason or Reason("the connection broke"))
        raise TryLater("it did not answer in time")

    async def _close(self) -> None:
        task = self._loop.create_task(self._client.close())
        await asyncio.wait({task}, timeout=_CLOSE_SECONDS)
        self._client.abort()
        task.cancel()

    async def _note(self, error: Exception) -> None:
        """Note what the client tells of."""
        said = str(error).casefold()
        if forbidden := {one for one in self._optional if f'publish to "{one}"'.casefold() in said}:
            # Of servers with the accounts of an earlier version: all else goes on.
            self._forbidden |= forbidden
            return
        self._reason = _reason_of(error)
        # Also what was not permitted: it gets no answer.
        if self._client.is_connected:
            self._break()

    async def _closed(self) -> None:
        self._break()

    def _break(self) -> None:
        if not self._broken.done():
            self._broken.set_result(None)
            self._end.set()

    async def _run(
        self, work: Callable[[Any, float], Coroutine[Any, Any, T]], what: object, seconds: float
    ) -> T:
        """In trio: do some work with the client in asyncio. Raises TryLater."""

        async def run() -> T:
            return await self._until_done(work(what, seconds), seconds + 1)

        result: T = await trio_asyncio.aio_as_trio(run, loop=self._loop)()
        return result


async def open_connection(
    loop: trio_asyncio.TrioEventLoop,
    servers: Sequence[str],
    login: Login,
    hub: str,
    *,
    wants_tls: bool,
) -> NatsConnection:
    """Connect to one of the servers. The caller closes it. Raises TryLater."""
    connection = NatsConnection(loop, wants_tls=wants_tls)
    try:
        await trio_asyncio.aio_as_trio(connection.open, loop=loop)(servers, login, hub)
    except BaseException:
        await connection.aclose()
        raise
    return connection


async def run_loop(*, task_status: trio.TaskStatus[tuple[Any, trio.CancelScope]]) -> None:
    """Run a loop of asyncio of its own, until the scope that it starts with is cancelled.

    The store's loop is another one, so that no fault of the client can end it.
    """
    with trio.CancelScope(shield=True) as scope:
        async with trio_asyncio.open_loop() as loop:
            loop.set_exception_handler(_ignore)
            task_status.started((loop, scope))
            await trio.sleep_forever()


def _ignore(loop: object, context: dict[str, Any]) -> None:
    """Whatever goes wrong in the background shows in what is waited for."""
    log.debug("a fault in the client of NATS: %s", context.get("message"))


def _reply(message: Msg) -> NatsReply:
    return NatsReply(dict(message.headers or {}), message.data)


def _ack(reply: NatsReply) -> Ack:
    try:
        return decode_json(reply.data, Ack)
    except msgspec.MsgspecError as error:
        raise TryLater("its answer could not be understood") from error


def _reason_of(error: BaseException) -> Reason:
    if isinstance(error, UnexpectedEOF):
        return Reason("the server closed the connection")
    reason = reason_of(error)
    _, of_nats, text = reason.sentence.partition("nats: ")
    if not of_nats:
        return reason
    _, is_forbidden, what = text.partition("permissions violation for ")
    if is_forbidden:
        return because("permissions violation for %(what)s", what=what)
    return Reason(text.strip("'").lower())
