"""Guesses of security codes, bounded for each device whatever the addresses they come from (D2).

Whoever has the key of a series can sign with any code: only the code keeps him from being a camera.
For each device a number of wrong codes is free. Beyond it, one connect is looked at in
GUESS_SECONDS, so that eight digits take longer than a site lives, and no other, not even with the
right code, or its answer would tell. The device's own addresses are counted apart: whoever guesses
elsewhere does not hold the camera up.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from hub import metrics
from hub.net.rate_limits import TokenBucket

#: Wrong codes that are looked at without a delay. Somebody may enter a wrong code for a camera,
#: which tries again every 20 to 60 s.
FREE_GUESSES = 40
GUESS_SECONDS = 30.0
#: How long an attack is reported after its last guess.
REPORTED_SECONDS = 3600.0


class CodeGuesses:
    """Wrong codes by device. `now`: seconds of a monotonic clock, by default trio's."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._now = now
        #: did -> what was guessed at its own addresses, and elsewhere.
        self._own: dict[str, TokenBucket] = {}
        self._elsewhere: dict[str, TokenBucket] = {}
        #: did -> when a connect was held back last.
        self._attacked: dict[str, float] = {}
        #: did -> the address of the last good connect.
        self._good: dict[str, str] = {}
        self._changes: dict[str, int] = {}

    def start_afresh(self, did: str, changes: int) -> None:
        """Forget the guesses of a device that was changed since: `changes` is another number."""
        if self._changes.get(did, changes) != changes:
            for table in (self._own, self._elsewhere, self._attacked, self._good):
                table.pop(did, None)
        self._changes[did] = changes

    def is_good_address(self, did: str, address: str) -> bool:
        """Whether the last good connect of the device came from there, since the start."""
        return self._good.get(did) == address

    def wait_seconds(self, did: str, *, own: bool) -> float:
        """How long a connect has to wait before it is looked at; 0 if it need not."""
        bucket = self._of(own).get(did)
        return 0.0 if bucket is None else bucket.wait_seconds(self._now())

    def failed(self, did: str, *, own: bool) -> None:
        """Count a wrong code."""
        buckets = self._of(own)
        bucket = buckets.get(did)
        if bucket is None:
            bucket = buckets[did] = TokenBucket(1 / GUESS_SECONDS, burst=FREE_GUESSES)
        bucket.take(self._now())

    def held_back(self, did: str) -> bool:
        """Note that a connect was held back. Returns whether the attack on the device is new."""
        metrics.limits_reached.labels("code_guesses").inc()
        is_new = did not in self.attacked()
        self._attacked[did] = self._now()
        return is_new

    def succeeded(self, did: str, address: str) -> None:
        """Note the address of a good connect, which goes first from now on."""
        self._good[did] = address

    def attacked(self) -> list[str]:
        """The dids of the devices whose codes are guessed, or were within the last hour."""
        since = self._now() - REPORTED_SECONDS
        self._attacked = {did: at for did, at in self._attacked.items() if at > since}
        return list(self._attacked)

    def _of(self, own: bool) -> dict[str, TokenBucket]:
        return self._own if own else self._elsewhere
