"""250 connections of one address, with 5 keys, read lists of 1,000 records at 9 KB/s."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.bench import bodies
from tests.bench.attacks.attack import Got, Site, Target
from tests.bench.attacks.slow_reader import KEYS, read_slowly
from tests.bench.hub_process import HOST

CAMERAS = 8
_RECORDS = 1000
_DATA_BYTES = 12_000


def prepare(site: Site) -> dict[str, Any]:
    scheme = "https" if site.hub.tls else "http"
    base = f"{scheme}://{HOST}:{site.hub.web_port}"
    now = int(time.time() * 1000)
    with httpx.Client(base_url=base, verify=False, timeout=30) as client:
        for number in range(_RECORDS):
            token = {"Authorization": f"Bearer {site.tokens[number % len(site.tokens)]}"}
            event = b'{"did":"","type":1,"time":%d,"data":{"n":%d,"x":"%b"}}' % (
                now,
                number,
                b"x" * _DATA_BYTES,
            )
            client.post(bodies.EVENT_PATH, content=event, headers=token).raise_for_status()
    return {"keys": [site.hub.bearer(read_only=True) for _ in range(KEYS)]}


async def attack(target: Target, got: Got) -> None:
    path = f"/api/hub/v1/records?limit={_RECORDS}"
    await read_slowly(target, got, path, target.prepared["keys"])
