"""What has begun is carried through, though whoever asked for it hangs up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

#: Longer than a device has for an answer with the queue before it, and a full disk for a refusal.
_SECONDS = 100.0


@contextmanager
def shielded() -> Iterator[None]:
    """Around the steps of one change: its caller's cancellation waits until all are done."""
    with trio.fail_after(_SECONDS, shield=True):
        yield
