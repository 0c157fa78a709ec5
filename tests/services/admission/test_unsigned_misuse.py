"""Copied tokens are reported for an hour, and those who copy cannot fill the memory (D12)."""

from __future__ import annotations

from hub.net.rate_limits import TABLE_SIZE
from hub.services.admission.unsigned.misuse import REPORTED_SECONDS, Misuse


def test_it_is_reported_for_an_hour_after_the_last_time() -> None:
    now = [0.0]
    misuse = Misuse(lambda: now[0])
    misuse.note("1")
    misuse.note("2")
    now[0] = 60.0
    misuse.note("1")
    now[0] = REPORTED_SECONDS
    assert misuse.devices() == ["1"]
    now[0] += 60
    assert misuse.devices() == []


def test_the_devices_are_bounded_and_the_latest_are_kept() -> None:
    misuse = Misuse(lambda: 0.0)
    for number in range(TABLE_SIZE + 2):
        misuse.note(str(number))
    assert misuse.devices() == [str(number) for number in range(2, TABLE_SIZE + 2)]
