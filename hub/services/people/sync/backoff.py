"""When what a device did not take is tried again (D10). Pure."""

from __future__ import annotations

#: After the first, second, third and fourth attempt in vain; then REGULAR.
PAUSES = (5.0, 15.0, 60.0, 300.0)
REGULAR = 900.0
#: The most by which a regular pause differs, so that devices do not all try at the same time.
JITTER = 0.1


def pause_after(attempts: int, share: float) -> float:
    """Return the seconds until the next try. `share`: a random number from 0 to 1."""
    if attempts <= len(PAUSES):
        return PAUSES[max(0, attempts - 1)]
    return REGULAR * (1 + JITTER * (2 * share - 1))
