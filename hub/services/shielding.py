"""Finish a change that has begun, though the client that asked for it hangs up meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio

#: Longer than a device may take to answer with the queue before it, or a full disk to refuse.
_LIMIT_SECONDS = 100.0


class Shield:
    """The shield around a change."""

    def __init__(self, scope: trio.CancelScope) -> None:
        self._scope = scope

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let cancellation through and stop the clock, while the change still waits for input."""
        self._scope.shield, self._scope.deadline = False, math.inf
        try:
            yield
        finally:
            self._scope.shield = True
            self._scope.deadline = trio.current_time() + _LIMIT_SECONDS


@contextmanager
def shielded() -> Iterator[Shield]:
    """Delay cancellation from outside until the block ends.

    Raises trio.TooSlowError when the block takes longer than _LIMIT_SECONDS.
    """
    with trio.fail_after(_LIMIT_SECONDS, shield=True) as scope:
        yield Shield(scope)
