"""Console events of Windows: a closed window, and users who sign off."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

if sys.platform != "win32":
    pytest.skip("only Windows has console events", allow_module_level=True)

from hub.cli.run import windows_console

_C, _BREAK, _CLOSE, _LOGOFF, _SHUTDOWN = 0, 1, 2, 5, 6


def test_closing_the_window_stops_the_hub_and_waits_for_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGBREAK, lambda number, frame: heard.append(number))
    try:
        asked = threading.Thread(target=windows_console.stop_and_wait, args=(_CLOSE,), daemon=True)
        asked.start()
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGBREAK, before)
    assert heard == [signal.SIGBREAK]
    # Windows ends the process when this returns.
    assert asked.is_alive()


@pytest.mark.parametrize("event", [_C, _BREAK])
def test_key_events_are_left_to_the_c_library(event: int) -> None:
    assert not windows_console.stop_and_wait(event)
    assert not windows_console.ignore_session_end(event)


@pytest.mark.parametrize("event", [_LOGOFF, _SHUTDOWN])
def test_a_service_stays_when_a_user_signs_off(event: int) -> None:
    assert windows_console.ignore_session_end(event)
