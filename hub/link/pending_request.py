"""One request to a device, from the moment it is sent until the device has finished with it."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from hub import metrics
from hub.live.registry import DeviceAnswer
from hub.net.deadlines import Deadlines
from hub.wire.envelope import Response
from hub.wire.session import PendingRequests, RequestOutcome


class PendingRequest:
    """A pending request. The caller waits for `done`, then reads `outcome` or abandons the request.

    A caller that gives up early does not free the device: a slow device may still be at work on
    the request. So an abandoned request stays in the table until the answer comes, the connection
    ends, or a further period of grace is over. Only then is `on_free` called, exactly once.

    `deadline` is on trio's clock and watched by hub.net.deadlines, which calls expire().
    """

    __slots__ = (
        "_deadlines",
        "_is_abandoned",
        "_msgid",
        "_on_answer",
        "_on_free",
        "_table",
        "deadline",
        "done",
        "outcome",
    )

    def __init__(
        self,
        msgid: str,
        table: PendingRequests,
        deadlines: Deadlines,
        *,
        on_answer: Callable[[DeviceAnswer], None] | None,
        on_free: Callable[[], None] | None,
    ) -> None:
        """`on_answer` and `on_free`: as in hub.live.registry.Link.request()."""
        #: Set when the caller need not wait any longer: answered, ended or timed out.
        self.done = trio.Event()
        #: The response, or the error that replaces it; None after a time-out or when abandoned.
        self.outcome: RequestOutcome | None = None
        #: Ends the caller's wait or, once abandoned, the grace. Infinite until the request is sent.
        self.deadline = math.inf
        self._msgid = msgid
        self._table = table
        self._deadlines = deadlines
        self._on_answer = on_answer
        self._on_free = on_free
        self._is_abandoned = False

    def start_timeout(self, deadline: float) -> None:
        """Call when the request has been sent: sets `done` at `deadline` at the latest."""
        self.deadline = deadline
        if not self.done.is_set():
            self._deadlines.add(self)

    def abandon(self, grace_seconds: float) -> None:
        """Give up waiting. The device stays busy until the deadline plus `grace_seconds`."""
        was_sent = self.deadline < math.inf
        if was_sent and self._on_free is not None:
            self.deadline += grace_seconds
            self._is_abandoned = True
        else:
            self._forget()

    def expire(self) -> None:
        """Called when the deadline has passed."""
        if self._is_abandoned:
            self._forget()
        else:
            self.done.set()

    def finish(self, outcome: RequestOutcome) -> None:
        """Called with the answer, or with the error that means that none will come."""
        if not self._is_abandoned:
            self.outcome = outcome
            if self._on_answer is not None and isinstance(outcome, Response):
                self._on_answer(answer_of(outcome))
        elif isinstance(outcome, Response):
            metrics.stray_answers.inc()
        self.done.set()
        self._free()

    def _forget(self) -> None:
        self._table.forget(self._msgid)
        self._free()

    def _free(self) -> None:
        self._deadlines.discard(self)
        on_free, self._on_free = self._on_free, None
        if on_free is not None:
            on_free()


def answer_of(response: Response) -> DeviceAnswer:
    """A response as services see it."""
    return DeviceAnswer(response.code, response.msg, response.result)
