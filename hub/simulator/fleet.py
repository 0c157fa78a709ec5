"""A fleet of simulated cameras in one nursery, which upload what they see over the day."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import trio

from hub.simulator.camera import DEFAULT_TIMING, Camera, Timing
from hub.simulator.device.history import record_sighting
from hub.simulator.endpoint import Endpoint
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.simulator.scenario.schedule import Schedule, Sighting
from hub.simulator.uploads import Observation, upload_of


def _ignore(_event: CameraEvent) -> None:
    pass


async def run_fleet(
    identities: Sequence[CameraIdentity],
    endpoint: Endpoint,
    *,
    rate: float,
    seed: int = 0,
    quirks: Sequence[Quirks] = (FAULTLESS,),
    timing: Timing = DEFAULT_TIMING,
    now: Callable[[], float] = time.time,
    on_event: Callable[[CameraEvent], None] = _ignore,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the cameras until cancelled, whether or not the hub can be reached.

    `rate` is the number of sightings per second of all cameras together, in the busiest hour. The
    elements of `quirks` are assigned to the cameras in turn. `on_event` is called with each event
    of the cameras.
    """
    population = make_population(seed)
    # Drawing is CPU-bound: use one thread at most.
    drawing_limiter = trio.CapacityLimiter(1)
    mean_seconds = len(identities) / rate
    task_status.started()
    async with trio.open_nursery() as nursery:
        for number, identity in enumerate(identities):
            # Two generators, so that sightings depend on the seed and not on reconnects.
            sighting_rng = random.Random(f"{seed}/{number}")
            camera_rng = random.Random(f"{seed}/{number}/patience")
            camera = Camera(
                identity,
                endpoint,
                population=population,
                now=now,
                rng=camera_rng,
                on_event=on_event,
                quirks=quirks[number % len(quirks)],
                timing=timing,
                drawing_limiter=drawing_limiter,
                preload_faces=True,
            )
            schedule = Schedule(identity.place, population, sighting_rng)
            nursery.start_soon(camera.run)
            nursery.start_soon(
                _watch, camera, schedule, sighting_rng, mean_seconds, drawing_limiter
            )


async def _watch(
    camera: Camera,
    schedule: Schedule,
    rng: random.Random,
    mean_seconds: float,
    drawing_limiter: trio.CapacityLimiter,
) -> None:
    """Upload one sighting after another."""
    # The first sighting comes soon, so that a new fleet shows something even at night.
    max_pause = rng.uniform(1, 5)
    try:
        await camera.wait_reported()
        while True:
            hour = datetime.fromtimestamp(camera.now()).hour
            pause, sighting = schedule.next(hour, mean_seconds)
            await trio.sleep(min(pause, max_pause))
            max_pause = math.inf
            observation = _observe(camera, sighting)
            upload = await trio.to_thread.run_sync(
                upload_of, observation, rng, limiter=drawing_limiter
            )
            await camera.upload(upload)
    finally:
        await camera.aclose()


def _observe(camera: Camera, sighting: Sighting) -> Observation:
    """Let the camera observe a sighting now, and keep it in its own history."""
    observed_at = camera.now()
    capture = record_sighting(camera.state.history, sighting, observed_at)
    return Observation(
        identity=camera.identity,
        sighting=sighting,
        observed_at=observed_at,
        picture_stem=capture.stem if capture else "",
        is_real_format=camera.quirks.bodies == "real" or camera.quirks.edition > 1,
        edition=camera.quirks.edition,
    )
