"""Sends to a webhook: Standard Webhooks 1.0.0, signed, one message at a time, in order."""

from __future__ import annotations

import secrets
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import trio

from hub.reasons import Reason, because
from hub.services.connect_errors import reason_of
from hub.services.forwarding.retries import ALARM_PLAN, WEBHOOK_PLAN
from hub.services.forwarding.sender import (
    Connectionless,
    Delivery,
    Item,
    NeedsPerson,
    Refused,
    TryLater,
)
from hub.services.forwarding.webhooks.address import whole_address, without_address
from hub.services.forwarding.webhooks.bodies import WebhookBodies
from hub.store.targets.target import TargetOptions, TargetSecrets

if TYPE_CHECKING:
    import httpx

#: From looking up the name to the answer's head.
_TIMEOUT_SECONDS = 30.0
#: An answer is read to its end, so that the connection can be used again, if it is this short.
_ANSWER_BYTES, _ANSWER_SECONDS = 16 * 1024, 1.0
_KEPT_DELIVERIES = 100
#: The message is wrong, not the place or its state: it would be refused again.
_REFUSALS = frozenset({400, 406, 411, 413, 414, 415, 417, 422, 431})
_NO_CONTENT, _GONE = 204, 410


class WebhookSender(Connectionless):
    """Delivers to one address. Redirects are not followed; of an answer, only its head counts."""

    batch = 1
    about = None

    def __init__(
        self,
        options: TargetOptions,
        keys: TargetSecrets,
        bodies: WebhookBodies,
        log_id: str,
        now: Callable[[], float],
        is_this_hub: Callable[[], Awaitable[bool]],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`is_this_hub`: whether the address leads here. `transport`: replaces the network."""
        self.retry_plan = ALARM_PLAN if options.selection.alarms else WEBHOOK_PLAN
        self._options = options
        self._secrets = keys
        self._bodies = bodies
        self._log_id = log_id
        self._now = now
        self._is_this_hub = is_this_hub
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        #: The last attempts, the newest last.
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

    async def send(self, items: Sequence[Item]) -> None:
        for item in items:
            id = self._bodies.id_of(item, self._log_id)
            await self.post(id, self._bodies.body_of(item, self._log_id))

    async def test(self) -> Delivery:
        id = f"{self._log_id}-test-{secrets.token_hex(4)}"
        with suppress(Refused, TryLater, NeedsPerson):
            await self.post(id, self._bodies.test_body(self._log_id))
        return self.deliveries[-1]

    async def post(self, id: str, body: bytes) -> None:
        """Deliver one message. Raises Refused, TryLater, NeedsPerson."""
        began, at = trio.current_time(), int(self._now() * 1000)

        def note(status: int | None, reason: Reason | None = None) -> None:
            took = int((trio.current_time() - began) * 1000)
            self.deliveries.append(Delivery(id, at, took, status, reason))

        try:
            status, retry_after = await self._post(id, body)
        except (TryLater, NeedsPerson) as failure:
            note(None, failure.reason)
            raise
        if 200 <= status < 300:
            note(status)
            return
        reason = because("it answered %(status)s", status=status)
        note(status, reason)
        if status == _GONE:
            raise NeedsPerson("it answered 410: this address no longer exists")
        if status in _REFUSALS:
            raise Refused(reason)
        raise TryLater(reason, _seconds_of(retry_after, self._now()))

    async def aclose(self) -> None:
        if (client := self._client) is not None:
            self._client = None
            await client.aclose()

    async def _post(self, id: str, body: bytes) -> tuple[int, str]:
        """Return the status and the header Retry-After.

        Raises TryLater without an answer, NeedsPerson if the address is not known.
        """
        import httpx  # most hubs have no target, and it takes memory

        address = whole_address(self._options, self._secrets)
        with trio.move_on_after(_TIMEOUT_SECONDS):
            # Each time: a name may lead elsewhere than when the target was added.
            if await self._is_this_hub():
                raise TryLater("the address leads to this hub")
            try:
                client = await self._open_client()
                async with client.stream(
                    "POST", address, content=body, headers=self._headers(id, body)
                ) as answer:
                    await _read_short(answer)
                    return answer.status_code, answer.headers.get("Retry-After", "")
            # UnicodeError: a name that cannot be looked up.
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ssl.SSLError) as error:
                reason = reason_of(error, lambda text: without_address(text, address))
                raise TryLater(reason) from error
        # The connection may hold half an answer.
        await self.aclose()
        seconds = int(_TIMEOUT_SECONDS)
        raise TryLater("it did not answer within %(seconds)s s", seconds=seconds)

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        from standardwebhooks import Webhook

        moment = datetime.fromtimestamp(int(self._now()), UTC)
        text = body.decode()
        signatures = [Webhook(key).sign(id, moment, text) for key in self._keys()]
        return {
            "Content-Type": "application/json",
            "User-Agent": "sitehub",
            "webhook-id": id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _keys(self) -> list[str]:
        keys = self._secrets
        is_changing = keys.previous and keys.previous_until > self._now() * 1000
        return [keys.secret, *([keys.previous] if is_changing else [])]

    async def _open_client(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            # In a thread: it reads all authorities that this computer knows.
            tls = await trio.to_thread.run_sync(tls_of, self._options)
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(_TIMEOUT_SECONDS),
                follow_redirects=False,
                trust_env=False,
                verify=tls,
                transport=self._transport,
                limits=httpx.Limits(max_connections=1),
            )
        return self._client


async def _read_short(answer: httpx.Response) -> None:
    """Read an answer to its end if it says that it is short, and comes at once."""
    import httpx

    length = "0" if answer.status_code == _NO_CONTENT else answer.headers.get("Content-Length", "")
    if not (length.isdecimal() and len(length) < 12 and int(length) <= _ANSWER_BYTES):
        return
    with trio.move_on_after(_ANSWER_SECONDS), suppress(httpx.HTTPError, httpx.StreamError):
        async for _ in answer.aiter_raw():
            pass


def tls_of(options: TargetOptions) -> ssl.SSLContext:
    """Return what checks the certificate. Raises TryLater if the authority cannot be used."""
    context = ssl.create_default_context()
    if options.ca:
        try:
            context.load_verify_locations(cadata=options.ca)
        except ssl.SSLError as error:
            why = str(error)
            raise TryLater("the certificate of the authority: %(why)s", why=why) from error
    return context


def _seconds_of(retry_after: str, now: float) -> float:
    """Return the seconds that Retry-After asks for; 0 if it says nothing usable."""
    if retry_after.strip().isdecimal():
        return float(retry_after[:12])
    try:
        moment = parsedate_to_datetime(retry_after)
    # OverflowError: a year or a zone that no date can have.
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
