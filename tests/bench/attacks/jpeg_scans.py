"""A camera sends a JPEG of 12,000 scans, and a guard looks at small pictures of its neighbours."""

from __future__ import annotations

import base64
import time
from typing import Any

import httpx
import msgspec
import trio

from tests.bench import bodies
from tests.bench.attacks.attack import ATTACKER, Got, Site, Target
from tests.bench.attacks.client import Refused, ask, request_bytes
from tests.bench.hub_process import HOST
from tests.support.pictures import jpeg_of_scans

CAMERAS = 1
_SCANS = 12_000
_NEWEST = "/api/hub/v1/records?order=desc&limit=1"
_FAULTS = (OSError, trio.BrokenResourceError, Refused, ValueError)


def prepare(site: Site) -> dict[str, Any]:
    picture = base64.b64encode(jpeg_of_scans(4000, _SCANS))
    body = b'{"did":"","time":%d,"name":"","data":{"face_data":"%b"}}' % (int(time.time()), picture)
    scheme = "https" if site.hub.tls else "http"
    base = f"{scheme}://{HOST}:{site.hub.web_port}"
    key = site.hub.bearer(read_only=True)
    with httpx.Client(base_url=base, verify=False, timeout=30) as client:
        token = {"Authorization": f"Bearer {site.tokens[0]}"}
        client.post(bodies.CAPTURE_PATH, content=body, headers=token).raise_for_status()
        answer = client.get(
            "/api/hub/v1/records?order=desc&limit=1", headers={"Authorization": key}
        )
        images = answer.json()["items"][0]["images"]
    return {"path": next(iter(images.values())), "key": key}


async def attack(target: Target, got: Got) -> None:
    headers = {"Authorization": target.prepared["key"]}

    async def get(path: str) -> bytes:
        sent = request_bytes("GET", path, headers)
        answer = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
        if answer.status != 200:
            raise Refused(f"status {answer.status}")
        return answer.body

    async def look(path: str, whose: str) -> None:
        started = trio.current_time()
        try:
            await get(f"{path}?size=small")
            taken = int((trio.current_time() - started) * 1000)
            got[f"{whose} slowest ms"] = max(got[f"{whose} slowest ms"], taken)
            got[whose] += 1
        except _FAULTS:
            got[f"{whose} broken"] += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, target.prepared["path"], "its picture")
        while True:
            newest = await get(_NEWEST)
            for path in msgspec.json.decode(newest)["items"][0]["images"].values():
                if path != target.prepared["path"]:
                    await look(path, "a neighbour's")
            await trio.sleep(0.2)
