"""Complete a change that has begun, even if its client hangs up.

The edges use it: requests to Quart, device commands of the API, and the control channel. Services
do not shield their own work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio

#: Longer than a device takes to answer behind a full queue, or a full disk to refuse a write.
_LIMIT_SECONDS = 100.0


class Shield:
    """The shield around a change; see shielded()."""

    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Allow cancellation, and suspend the time limit, while the change waits for its input.

        May be nested: the outermost block restores the shield.
        """
        if not self._scope.shield:
            yield
            return
        self._scope.shield, self._scope.deadline = False, math.inf
        try:
            yield
        finally:
            self._scope.shield = True
            self._scope.deadline = trio.current_time() + _LIMIT_SECONDS


@contextmanager
def shielded() -> Iterator[Shield]:
    """Delay cancellation from outside until the block ends.

    Raises trio.TooSlowError if the block takes longer than 100 s.
    """
    with trio.fail_after(_LIMIT_SECONDS, shield=True) as scope:
        yield Shield(scope)
