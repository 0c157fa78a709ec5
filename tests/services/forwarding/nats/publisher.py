"""A hub that gets records all the time and forwards them to NATS, until it is killed.

    python -m tests.services.forwarding.nats.publisher DIRECTORY URL [--until-current]

Prints a line when it has begun. With `--until-current` it gets no records, and ends when all that
it has is forwarded.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import trio

from hub.services.audit import COMMAND_LINE
from hub.store.targets.target import Selection
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

HUB, STREAM = "site-1", "SITEHUB_3"
_AT_A_TIME = 8


async def main(data: Path, url: str, *, until_current: bool) -> None:
    async with open_hub_services(data, FrozenClock(time.time())) as hub:
        targets = hub.services.forwarding.targets
        if not targets.list():
            selection = Selection(alarms=False, pictures="all")
            await targets.add(
                "nats",
                url,
                hub=HUB,
                partition=3,
                selection=selection,
                begin="beginning",
                by=COMMAND_LINE,
            )
        async with trio.open_nursery() as nursery:
            await nursery.start(targets.run)
            print("begun", flush=True)
            if not until_current:
                for _ in range(_AT_A_TIME):
                    nursery.start_soon(_add_records, hub)
            while not until_current or targets.list()[0].state != "current":
                if targets.list()[0].state == "held":
                    sys.exit(str(targets.list()[0].reason))
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


async def _add_records(hub: HubServices) -> None:
    number = 0
    while True:
        number += 1
        # Some with a picture.
        await hub.add_faces(f"n{number}", pictures=number % 10 == 0)


if __name__ == "__main__":
    asked = sys.argv[1:]
    trio.run(lambda: main(Path(asked[0]), asked[1], until_current=asked[2:] == ["--until-current"]))
