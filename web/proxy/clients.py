"""The clients of trusted reverse proxies, as the rest of the hub sees and limits them."""

from __future__ import annotations

import logging
from collections import Counter

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from hub import metrics
from hub.errors import TooManyRequests
from hub.log import limited
from hub.net.connection_slots import KnownAddresses
from hub.net.networks import Networks
from web.error_responses import refuse
from web.http.hosts import address_of
from web.proxy.forwarded import seen_through

log = logging.getLogger(__name__)


def for_clients(
    app: ASGIFramework, trusted: Networks, known: KnownAddresses, most: int
) -> ASGIFramework:
    """Return `app` as it sees the clients that trusted proxies name, not the proxies.

    A client has at most `most` requests in progress; further ones are refused. Its connections
    cannot be limited, since they are those of the proxy (hub.net.connection_slots).
    """
    in_progress = Counter[str]()

    async def seeing_clients(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http" or not trusted.include(address_of(scope)):
            await app(scope, receive, send)
            return
        # In place: the exchange, which has the same scope, counts its answer for the client.
        scope.update(seen_through(scope, trusted))
        client = known.source_of(address_of(scope))
        if in_progress[client] >= most:
            _note_refusal(client, most)
            await refuse(send, TooManyRequests("too many requests at once from this address"))
            return
        in_progress[client] += 1
        try:
            await app(scope, receive, send)
        finally:
            in_progress[client] -= 1
            if not in_progress[client]:
                del in_progress[client]

    return seeing_clients


def _note_refusal(client: str, most: int) -> None:
    metrics.limits_reached.labels("proxied_requests").inc()
    limited(
        log,
        logging.WARNING,
        f"proxied {client}",
        "refused a request of %s through a proxy: %d of its requests are in progress",
        client,
        most,
    )
