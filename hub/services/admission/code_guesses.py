"""Guesses of security codes, bounded for each device whatever the addresses they come from (D2).

Whoever has the key of a series can sign with any code: only the code keeps him from being a camera.
For each device a number of wrong codes is free. Beyond it, one connect is looked at in
GUESS_SECONDS, so that eight digits take longer than a site lives, and no other, not even with the
right code, or its answer would tell. The device's own address is counted apart: whoever guesses
elsewhere does not hold the camera up. Elsewhere, addresses have turns: a camera that got another
address waits GUESS_SECONDS for each address that guesses, and once more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio
from msgspec import Struct

from hub import metrics
from hub.net.networks import network_of
from hub.net.rate_limits import TABLE_SIZE
from hub.net.shared_limits import SharedLimits

#: Wrong codes that are looked at without a delay. Somebody may enter a wrong code for a camera,
#: which tries again every 20 to 60 s.
FREE_GUESSES = 40
GUESS_SECONDS = 30.0
#: How long an attack is reported after its last guess.
REPORTED_SECONDS = 3600.0


class Guessed(Struct, frozen=True):
    """Whose code is guessed, and where: at the device's own address or elsewhere.

    `changes`: another number after each change of the device, which starts afresh then.
    """

    did: str
    changes: int
    is_own: bool


class CodeGuesses:
    """Wrong codes by device. `now`: seconds of a monotonic clock, by default trio's.

    Of devices that were changed or removed nothing is left once their limits have recovered.
    """

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._now = now
        self._limits = SharedLimits(1 / GUESS_SECONDS, FREE_GUESSES, now)
        #: did -> its changes, and when a connect was held back last; the latest is last.
        self._attacked: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._limits)

    def start_afresh(self, did: str, changes: int) -> None:
        """End the report of an attack on a device that was changed since."""
        if did in self._attacked and self._attacked[did][0] != changes:
            del self._attacked[did]

    def ask(self, target: Guessed, address: str) -> float:
        """Ask to have a connect looked at. Returns how many seconds it has to wait for its turn."""
        return self._limits.ask(target, network_of(address))

    def failed(self, target: Guessed, address: str) -> None:
        """Count a wrong code."""
        self._limits.take(target, network_of(address))

    def held_back(self, target: Guessed) -> bool:
        """Note that a connect was held back. Returns whether the attack on the device is new."""
        metrics.limits_reached.labels("code_guesses").inc()
        is_new = target.did not in self.attacked()
        self._attacked[target.did] = (target.changes, self._now())
        self._attacked.move_to_end(target.did)
        if len(self._attacked) > TABLE_SIZE:
            self._attacked.popitem(last=False)
        return is_new

    def attacked(self) -> list[str]:
        """The dids of the devices whose codes are guessed, or were within the last hour."""
        since = self._now() - REPORTED_SECONDS
        while self._attacked and next(iter(self._attacked.values()))[1] <= since:
            self._attacked.popitem(last=False)
        return list(self._attacked)
