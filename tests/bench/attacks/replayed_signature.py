"""The signed query of a read, seen by somebody, is sent as changes; and a signed change again."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import msgspec

from hub.wire.signing import body_md5, sign_params
from tests.bench.attacks.attack import ATTACKER, Got, Site, Target
from tests.bench.attacks.client import ask, request_bytes

_DEVICES = "/api/hub/v1/devices"
_COUNT = 20


def prepare(site: Site) -> dict[str, Any]:
    appid, _, secret = site.hub.bearer().removeprefix("Bearer ").partition(":")
    return {"appid": appid, "secret": secret}


async def attack(target: Target, got: Got) -> None:
    appid, secret = target.prepared["appid"], target.prepared["secret"]

    def signed(**params: str) -> str:
        params = {"appid": appid, "ts": str(int(time.time() * 1000)), **params}
        return urlencode(params | {"sign": sign_params(params, secret)})

    async def send(method: str, path: str, body: bytes = b"") -> int:
        sent = request_bytes(method, path, {}, body)
        return (await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)).status

    for number in range(_COUNT):
        new = msgspec.json.encode({"sn": f"REPLAY{number:06}", "code": "AB12CD34"})
        query = signed(method="POST", path=_DEVICES, body_md5=body_md5(new))
        if await send("POST", f"{_DEVICES}?{query}", new) != 200:
            # A hub of before knows no signed method and path.
            query = signed(body_md5=body_md5(new))
            await send("POST", f"{_DEVICES}?{query}", new)
        seen = signed()
        await send("GET", f"{_DEVICES}?{seen}")
        did = await _newest(target, signed(limit="1000"))
        got[
            f"DELETE by the query of a GET: {await send('DELETE', f'{_DEVICES}/{did}?{seen}')}"
        ] += 1
        got[f"POST again: {await send('POST', f'{_DEVICES}?{query}', new)}"] += 1


async def _newest(target: Target, query: str) -> str:
    sent = request_bytes("GET", f"{_DEVICES}?{query}")
    answer = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
    items = msgspec.json.decode(answer.body).get("items", [])
    return max((item["did"] for item in items if item["sn"].startswith("REPLAY")), default="0")
