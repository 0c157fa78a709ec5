"""What happens to a simulated camera, as reported to the code that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from hub.simulator.credentials import Credentials
from hub.simulator.identity import CameraIdentity

CameraEventKind = Literal[
    "online", "offline", "waiting", "refused", "enrolled", "sent", "not-sent", "upgraded"
]


class CameraEvent(Struct, frozen=True):
    """One event. `code` is the code of the hub's answer; 0 if there was none."""

    identity: CameraIdentity
    kind: CameraEventKind
    text: str = ""
    code: int = 0


class EventReporter:
    """Passes one camera's events on to `on_event`, with its identity at that time."""

    def __init__(self, credentials: Credentials, on_event: Callable[[CameraEvent], None]) -> None:
        self._credentials = credentials
        self._on_event = on_event
        self._last_state: tuple[CameraEventKind, str] | None = None

    def report(self, kind: CameraEventKind, text: str = "", code: int = 0) -> None:
        self._on_event(CameraEvent(self._credentials.identity, kind, text, code))

    def report_state(self, kind: CameraEventKind, text: str = "", code: int = 0) -> None:
        """Report the state of the connection, unless it is the one reported last."""
        if self._last_state != (kind, text):
            self._last_state = kind, text
            self.report(kind, text, code)
