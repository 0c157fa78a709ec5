"""Measure the pages that list cameras, with few and with thousands of them online.

    python -m tests.bench.camera_pages

Processor time of a page in the median, in the process that makes it: parsing, session, template.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import open_page_site

_PAGES = ("/", "/strip", "/cameras", "/cameras?name=gate+39", "/cameras?state=offline")
_ROUNDS = 30


async def measure(count: int) -> None:
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        async with open_page_site(Path(directory), FrozenClock(), users=("admin",)) as site:
            await site.enrol_many([f"Gate {n * 7919 % count}" for n in range(count)], online=True)
            for did in range(1, count, 2):
                site.report(str(did), ip="10.0.0.7")
            admin = await Visitor.signed_in(site, "admin")
            for path in _PAGES:
                times = [await _cost(admin, path) for _ in range(_ROUNDS)]
                print(f"{count:6,} cameras  {path:24} {statistics.median(times):7.1f} ms")


async def _cost(admin: Visitor, path: str) -> float:
    start = time.process_time()
    response = await admin.get(path)
    assert response.status_code == 200
    return (time.process_time() - start) * 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cameras", type=int, nargs="+", default=[64, 1000, 4000])
    for count in arguments.parse_args().cameras:
        trio.run(measure, count)


if __name__ == "__main__":
    main()
