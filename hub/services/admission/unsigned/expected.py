"""Approvals of cameras that are not connected at that moment: they wait for a few minutes (D12).

Only in memory, because they have codes of labels. Synchronous methods only.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from msgspec import Struct

from hub.errors import TooManyRequests
from hub.services.audit import Actor
from hub.store.tables.devices import NewDevice

#: A camera in quarantine connects again after a minute, one that is restarted after a few.
WINDOW_SECONDS = 600.0
#: Other codes that are looked at in this time: more end it.
MAX_WRONG_CODES = 20
#: Cameras that are expected at the same time.
MAX_EXPECTED = 200


class ExpectedCamera(Struct, eq=False):
    """A camera that `by` has approved, by the code of its label, before it connects again.

    `replaces`: the did of a broken camera whose place it takes. `until`: by trio's clock.
    """

    new: NewDevice
    replaces: str | None
    by: Actor
    until: float
    wrong_codes: int = 0

    def __repr__(self) -> str:
        return f"ExpectedCamera({self.new.sn!r})"


class ExpectedCameras:
    """Those whose time has not passed yet, by SN. `now`: seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._now = now
        self._cameras: dict[str, ExpectedCamera] = {}

    def add(self, new: NewDevice, replaces: str | None, by: Actor) -> None:
        """Expect a camera from now on; of the same SN, only this one. Raises TooManyRequests."""
        now = self._now()
        self._cameras = {sn: one for sn, one in self._cameras.items() if one.until > now}
        if new.sn not in self._cameras and len(self._cameras) >= MAX_EXPECTED:
            raise TooManyRequests("too many cameras are expected: let some connect first")
        self._cameras[new.sn] = ExpectedCamera(new, replaces, by, now + WINDOW_SECONDS)

    def find(self, sn: str) -> ExpectedCamera | None:
        """Return the camera with this SN, if it is expected now."""
        camera = self._cameras.get(sn)
        return camera if camera is not None and camera.until > self._now() else None

    def seconds_left(self, sn: str) -> float:
        """Return how long the camera with this SN is expected; 0 if it is not."""
        camera = self.find(sn)
        return camera.until - self._now() if camera is not None else 0.0

    def note_wrong_code(self, camera: ExpectedCamera) -> None:
        """Note that something with this SN has another code. Whoever guesses ends it at last."""
        camera.wrong_codes += 1
        if camera.wrong_codes >= MAX_WRONG_CODES:
            self.remove(camera)

    def remove(self, camera: ExpectedCamera) -> None:
        if self._cameras.get(camera.new.sn) is camera:
            del self._cameras[camera.new.sn]
