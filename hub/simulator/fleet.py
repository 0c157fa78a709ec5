"""A site of simulated cameras that live through a day in one nursery."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import trio

from hub.simulator.camera import UNHURRIED, Camera, Hub, Pace, Told
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.history import note
from hub.simulator.scenario.population import Cast, make_cast
from hub.simulator.scenario.schedule import Happening, Script
from hub.simulator.uploads import Sight, upload_of


def _tell_nobody(_told: Told) -> None:
    pass


async def run_site(
    identities: Sequence[CameraIdentity],
    hub: Hub,
    *,
    rate: float,
    seed: int = 0,
    quirks: Sequence[Quirks] = (FAULTLESS,),
    pace: Pace = UNHURRIED,
    now: Callable[[], float] = time.time,
    tell: Callable[[Told], None] = _tell_nobody,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the cameras until cancelled, whether the hub is there or not.

    `rate` is how many things all of them together see a second, at the busiest hour of the day.
    The cameras take `quirks` in turn. `tell` is called with what happens to them.
    """
    cast = make_cast(seed)
    # Drawing takes a processor's time: never more than one thread of it.
    pencil = trio.CapacityLimiter(1)
    mean = len(identities) / rate
    task_status.started()
    async with trio.open_nursery() as nursery:
        for number, identity in enumerate(identities):
            # What is seen follows from the seed, however often a connection has to be tried.
            chance = random.Random(f"{seed}/{number}")
            patience = random.Random(f"{seed}/{number}/patience")
            camera = Camera(
                identity,
                hub,
                cast=cast,
                now=now,
                chance=patience,
                tell=tell,
                quirks=quirks[number % len(quirks)],
                pace=pace,
                pencil=pencil,
                knows_cast=True,
            )
            nursery.start_soon(camera.run)
            nursery.start_soon(_watch, camera, cast, chance, mean, pencil)


async def _watch(
    camera: Camera, cast: Cast, chance: random.Random, mean: float, pencil: trio.CapacityLimiter
) -> None:
    """See one thing after another, and upload each."""
    script = Script(camera.identity.place, cast, chance)
    # Whoever starts a site does not want to wait for the first thing to happen, even at night.
    longest = chance.uniform(1, 5)
    try:
        await camera.wait_reported()
        while True:
            hour = datetime.fromtimestamp(camera.now()).hour
            pause, happening = script.next(hour, mean)
            await trio.sleep(min(pause, longest))
            longest = math.inf
            sight = _sight(camera, happening)
            upload = await trio.to_thread.run_sync(upload_of, sight, chance, limiter=pencil)
            await camera.upload(upload)
    finally:
        await camera.aclose()


def _sight(camera: Camera, happening: Happening) -> Sight:
    """What a camera saw just now; it keeps it in its own history too."""
    at = camera.now()
    capture = note(camera.state.history, happening, at)
    return Sight(
        identity=camera.identity,
        happening=happening,
        at=at,
        stem=capture.stem if capture else "",
        real=camera.quirks.bodies == "real",
    )
