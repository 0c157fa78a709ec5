"""50 addresses try passwords as fast as they can; a PC that signed in before wants to sign in."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlencode

import trio

from tests.bench.attacks.attack import Got, Site, Target
from tests.bench.attacks.client import Answer, ask, request_bytes

_ADDRESSES = 50
_PC = "127.0.2.9"
_FAULTS = (OSError, trio.BrokenResourceError, ValueError)


def prepare(site: Site) -> dict[str, Any]:
    name, password = site.hub.administrator()
    browser = Browser(site.hub.web_port, site.hub.tls, _PC)
    status = trio.run(browser.sign_in, name, password)
    if status != 303:
        raise SystemExit(f"sign-in: {status}")
    return {"name": name, "password": password, "cookies": browser.cookies}


class Browser:
    def __init__(self, port: int, tls: bool, source: str) -> None:
        self.cookies: dict[str, str] = {}
        self._port, self._tls, self._source = port, tls, source
        self._token = ""

    async def sign_in(self, name: str, password: str) -> int:
        if not self._token:
            page = await self._ask(request_bytes("GET", "/sign-in", self._headers()))
            found = re.search(rb'name="csrf_token" value="([^"]+)"', page.body)
            self._token = found.group(1).decode() if found else ""
        fields = {"name": name, "password": password, "csrf_token": self._token}
        body = urlencode(fields).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._ask(request_bytes("POST", "/sign-in", self._headers() | kind, body))
        return answer.status

    def forget_session(self) -> None:
        self.cookies = {k: v for k, v in self.cookies.items() if "session" not in k}
        self._token = ""

    def _headers(self) -> dict[str, str]:
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": pairs} if pairs else {}

    async def _ask(self, sent: bytes) -> Answer:
        answer = await ask(self._port, sent, tls=self._tls, source=self._source)
        for name, value in re.findall(rb"(?i)\r\nset-cookie: ([^=]+)=([^;\r]*)", answer.head):
            self.cookies[name.decode()] = value.decode()
        return answer


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(_ADDRESSES):
            source = f"127.0.{100 + number // 10}.{number + 1}"
            nursery.start_soon(_guess, target, got, source, number)
        nursery.start_soon(_use_pc, target, got)


async def _guess(target: Target, got: Got, source: str, number: int) -> None:
    browser, tries = Browser(target.web_port, target.tls, source), 0
    while True:
        tries += 1
        try:
            status = await browser.sign_in(f"user{number}-{tries}", "a wrong password")
            got[f"guess {status}"] += 1
        except _FAULTS:
            got["guess broken"] += 1
        await trio.sleep(0.05)


async def _use_pc(target: Target, got: Got) -> None:
    name, password = target.prepared["name"], target.prepared["password"]
    browser = Browser(target.web_port, target.tls, _PC)
    browser.cookies = dict(target.prepared["cookies"])
    while True:
        browser.forget_session()
        started = time.monotonic()
        try:
            status = await browser.sign_in(name, password)
            got[f"known PC {status}"] += 1
            taken = int((time.monotonic() - started) * 1000)
            got["known PC slowest ms"] = max(got["known PC slowest ms"], taken)
        except _FAULTS:
            got["known PC broken"] += 1
        await trio.sleep(0.3)
