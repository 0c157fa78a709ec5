"""250 connections of one address, with 5 read-only keys, read a picture of 11 MB at 9 KB/s."""

from __future__ import annotations

import base64
import random
import time
from typing import Any

import httpx

from tests.bench import bodies
from tests.bench.attacks.attack import Got, Site, Target
from tests.bench.attacks.slow_reader import KEYS, read_slowly
from tests.bench.hub_process import HOST

CAMERAS = 1
_PICTURE_BYTES = 11_000_000


def prepare(site: Site) -> dict[str, Any]:
    picture = b"\xff\xd8\xff\xe0" + random.Random(0).randbytes(_PICTURE_BYTES)
    body = b'{"did":"","time":%d,"name":"Large","data":{"bg_data":"%b"}}' % (
        int(time.time()),
        base64.b64encode(picture),
    )
    scheme = "https" if site.hub.tls else "http"
    base = f"{scheme}://{HOST}:{site.hub.web_port}"
    keys = [site.hub.bearer(read_only=True) for _ in range(KEYS)]
    with httpx.Client(base_url=base, verify=False, timeout=30) as client:
        token = {"Authorization": f"Bearer {site.tokens[0]}"}
        client.post(bodies.CAPTURE_PATH, content=body, headers=token).raise_for_status()
        answer = client.get(
            "/api/hub/v1/records?order=desc&limit=1", headers={"Authorization": keys[0]}
        )
        images = answer.json()["items"][0]["images"]
    return {"path": next(iter(images.values())), "keys": keys}


async def attack(target: Target, got: Got) -> None:
    await read_slowly(target, got, target.prepared["path"], target.prepared["keys"])
