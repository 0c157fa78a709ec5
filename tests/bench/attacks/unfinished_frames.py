"""Sixty enrolled cameras each send 8 MB of a frame, and never its end."""

from __future__ import annotations

import trio

from tests.bench.attacks.attack import ATTACKER, Got, Target
from tests.bench.attacks.client import CameraLink, Refused

CAMERAS = 60
#: A little less than `devices.max_frame_kb` allows.
_ANNOUNCED = 8 * 1024 * 1024
_BEGINNING = b"\x81\xff" + _ANNOUNCED.to_bytes(8, "big") + bytes(4)
_PART = b" " * (64 * 1024)
_PAUSE_SECONDS = 0.5


async def attack(target: Target, got: Got) -> None:
    plan = target.plan
    async with trio.open_nursery() as nursery:
        for identity in plan.cameras:
            link = CameraLink(identity, plan.key, plan.code, ATTACKER)
            nursery.start_soon(_hold, target, link, got)


async def _hold(target: Target, link: CameraLink, got: Got) -> None:
    while True:
        try:
            await link.connect(target.plan.port, tls=target.plan.tls)
            await link.send(_BEGINNING)
            for _ in range(_ANNOUNCED // len(_PART) - 1):
                await link.send(_PART)
            got["frames held"] += 1
            await link.wait_for_end()
            got["closed while held"] += 1
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, Refused):
            got["cut off"] += 1
        await trio.sleep(_PAUSE_SECONDS)
