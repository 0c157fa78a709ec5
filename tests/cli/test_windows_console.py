"""A console of Windows that is closed under a hub, and sessions that end under a service."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

if sys.platform != "win32":
    pytest.skip("Windows alone tells it in this way", allow_module_level=True)

from hub.cli.run import windows_console

_C, _BREAK, _CLOSE, _LOGOFF, _SHUTDOWN = 0, 1, 2, 5, 6


def test_a_window_that_is_closed_has_the_hub_end_in_order_and_waits_for_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGBREAK, lambda number, frame: heard.append(number))
    try:
        asked = threading.Thread(target=windows_console.end_in_order, args=(_CLOSE,), daemon=True)
        asked.start()
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGBREAK, before)
    assert heard == [signal.SIGBREAK]
    # Windows ends the process as soon as this returns.
    assert asked.is_alive()


@pytest.mark.parametrize("event", [_C, _BREAK])
def test_keys_are_left_to_the_c_library(event: int) -> None:
    assert not windows_console.end_in_order(event)
    assert not windows_console.stay(event)


@pytest.mark.parametrize("event", [_LOGOFF, _SHUTDOWN])
def test_a_service_stays_when_somebody_signs_off(event: int) -> None:
    assert windows_console.stay(event)
