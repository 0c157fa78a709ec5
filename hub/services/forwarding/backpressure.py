"""Backpressure: how a target that catches up leaves the hub to uploads."""

from __future__ import annotations

#: What it costs about to send some records, in seconds of a processor, with and without each.
_COST, _COST_OF_RECORD = 0.002, 0.00006
#: So many writes wait for the disk when uploads come as fast as they are taken. A few are always
#: there: each target saves its cursor.
_BUSY_WRITES = 4
#: Then a target works for about 2 % of the time.
_PAUSES = 50.0


def backoff_for_uploads(records: int, waiting_writes: int) -> float:
    """Return for how many seconds a target pauses after it got `records`; 0.0 if few wait.

    `waiting_writes`: writes that wait for the disk now.
    """
    if waiting_writes < _BUSY_WRITES:
        return 0.0
    return _PAUSES * (_COST + records * _COST_OF_RECORD)
