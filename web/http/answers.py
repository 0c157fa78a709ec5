"""The budget for the bytes of all answers that their peers have not read yet.

An answer in memory holds room until it is sent. Its sender, in terms of the budget, is the address
that reads it, or the network of that address (hub.net.networks).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub import metrics
from hub.log import limited
from hub.net.byte_budget import ByteBudget, Share
from hub.net.networks import network_of

log = logging.getLogger(__name__)

#: The socket takes an answer of this size, or a part of one, at once: it needs no room.
FREE_BYTES = 16 * 1024
#: An extension of the ASGI scope: the budget of answers.
ANSWERS = "sitehub.answers"
#: Seconds after which a refused client may try again.
RETRY_SECONDS = 2


class AnswerBudget(ByteBudget):
    """Room for answers, taken with the addresses that read them."""

    def take(self, size: int, sender: str, cut: Callable[[], None]) -> Share | None:
        return super().take(size, network_of(sender), cut)

    def has_room(self, size: int, sender: str) -> bool:
        return super().has_room(size, network_of(sender))

    def on_used(self, used: int) -> None:
        metrics.answers_in_flight.set(used)

    def on_cut(self, sender: str) -> None:
        metrics.limits_reached.labels("answers").inc()
        limited(
            log,
            logging.WARNING,
            "answer cut",
            "cut off an answer to %s, which reads slowly and holds most of the %d bytes of answers",
            sender,
            self.total,
        )

    def on_refused(self, sender: str, reason: str) -> None:
        metrics.limits_reached.labels("answers").inc()
        limited(
            log,
            logging.WARNING,
            "answer refused",
            "refused an answer to %s (%s): answers of %d bytes wait to be read, of at most %d",
            sender,
            reason,
            self.used,
            self.total,
        )
