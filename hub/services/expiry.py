"""When something that was given for a limited time is still valid.

Most of it is counted by a clock that cannot be set (hub.services.clock.expiry_clock). The
checks hold for one that can.
"""

from __future__ import annotations

#: Corrections of the clock up to this end nothing early, in milliseconds.
TOLERANCE_MS = 3_600_000


def is_current(expires_at: int, now: int, lifetime: int) -> bool:
    """Whether what ends at `expires_at` is valid at `now`; all in milliseconds.

    What would be valid for longer than its whole lifetime was given by a clock that was ahead:
    once that is set back, nobody knows how old it is.
    """
    return now < expires_at <= now + lifetime + TOLERANCE_MS


def is_from_now(created_at: int, now: int) -> bool:
    """Whether a time of the past, in milliseconds, is not in the future of a clock set back."""
    return created_at <= now + TOLERANCE_MS
