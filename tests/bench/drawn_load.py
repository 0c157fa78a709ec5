"""Captures of simulated cameras at a steady rate, drawn before the first is sent.

Run as `python -m tests.bench.drawn_load` with a `DrawnLoad` on stdin; prints "ready" when all are
drawn, and begins when it reads another line. Sending them costs a fifth of what drawing them
costs, so that a measurement beside it has the processor for itself.
"""

from __future__ import annotations

import itertools
import random
import sys
import time

import msgspec
import trio

from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.simulator.scenario.schedule import HOURLY_ACTIVITY, Schedule
from hub.simulator.uploads import Observation, UploadRequest, upload_of
from tests.bench.steady_load import Load, Sender, open_connection

_BUSIEST_HOUR = HOURLY_ACTIVITY.index(max(HOURLY_ACTIVITY))


class DrawnLoad(msgspec.Struct):
    """`rate` captures per second for `seconds`, spread over the devices.

    `tokens`: of each device, by its serial number.
    """

    host: str
    port: int
    tokens: dict[str, str]
    rate: float
    seconds: float


def draw(load: DrawnLoad) -> list[UploadRequest]:
    """Draw what the cameras will see. The times are the present one and later ones."""
    identities = [
        msgspec.structs.replace(made, sn=sn)
        for made, sn in zip(make_cameras(len(load.tokens), one_key=True), load.tokens, strict=True)
    ]
    population = make_population(0)
    schedules = [Schedule(one.place, population, random.Random(one.sn)) for one in identities]
    rng = random.Random(0)
    began = time.time()
    cameras = itertools.cycle(zip(identities, schedules, strict=True))
    return [
        _draw(identity, schedule, began + number / load.rate, rng)
        for number, (identity, schedule) in zip(
            range(int(load.rate * load.seconds)), cameras, strict=False
        )
    ]


def _draw(
    identity: CameraIdentity, schedule: Schedule, at: float, rng: random.Random
) -> UploadRequest:
    _, sighting = schedule.next(_BUSIEST_HOUR, 1)
    return upload_of(Observation(identity, sighting, at), rng)


async def send(load: DrawnLoad, uploads: list[UploadRequest]) -> None:
    """Send each when it is due, whether or not those of other devices are answered.

    Raises RuntimeError if the hub refuses one.
    """
    tokens = list(load.tokens.values())
    steady = Load(load.host, load.port, True, tokens, 0, 0, load.seconds)
    senders = [Sender(await open_connection(steady), token) for token in tokens]

    async def post(sender: Sender, upload: UploadRequest) -> None:
        if not await sender.upload(upload.path, upload.body):
            raise RuntimeError(f"the hub refused an upload to {upload.path}")

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number, (upload, sender) in enumerate(
            zip(uploads, itertools.cycle(senders), strict=False)
        ):
            await trio.sleep_until(started + number / load.rate)
            nursery.start_soon(post, sender, upload)


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.readline(), type=DrawnLoad)
    uploads = draw(load)
    print("ready", flush=True)
    sys.stdin.buffer.readline()
    trio.run(send, load, uploads)


if __name__ == "__main__":
    main()
