"""Requests to every route of the web port, with every method and role: the API and the pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import trio
from msgspec import Struct

from hub.simulator.identity import CameraIdentity
from tests.fuzz import mutation
from tests.fuzz.case import Case
from tests.fuzz.hub import USERS, FuzzHub
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from web.app import create_app

#: Mostly who may do it.
_PAGE_ROLES = (*("admin",) * 5, *("guard", "viewer") * 2, "", "key")
_API_ROLES = (*("key",) * 5, *("signer",) * 2, "reader", "admin", "guard", "viewer", "")
_API = re.compile("/(api|media|openapi|docs|metrics)")
_USERS = tuple(USERS.values())
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
#: What would end the fuzz, change the hub under it, or wait for 20 s if it were done. Only those
#: who may not do it try.
_SPARED = re.compile(
    r"^/(sign-out|account/sign-out-everywhere|site/settings|site/backups/run|site/backups/download"
    r"|site/update/install|cameras/(waiting/)?\{\w+\}/trace/news|site/users/(role|disable|sign-out|password|remove)|site/api-keys/remove)"
)
_DEVICES = "/api/hub/v1/devices"
_COMMAND = "/api/hub/v1/devices/{did}/commands"
_SETTLED_IDS = ("1", "2", "0", "99", "9" * 18, "9" * 30, "-1", "1.0", "x", "%D9%A1", "%00", "a%2Fb")
_SNS = ("Y3CA9PGDTKM0001", "x", "%2E%2E", "%E4%B8%AD", "%00", "a" * 100, "%F0%9F%92%A9", "a%0D%0Ab")
_DAYS = ("2026-11-26", "2026-02-30", "0000-00-00", "x", "9999-12-31", "1-1-1")
#: Names of query parameters and fields of forms that the pages know, beside those of the API.
_NAMES = (
    "after", "before", "limit", "did", "kind", "type", "since", "until", "order", "name", "plate",
    "uuid", "category", "day", "month", "page", "q", "sn", "code", "key", "state", "next", "from",
    "to", "role", "action", "who", "id", "appid", "ts", "sign", "body_md5", "lang", "seq", "seqs",
    "reason", "source", "password", "title", "note", "text", "file", "value", "minutes", "zone",
)  # fmt: skip


class Route(Struct, frozen=True):
    method: str
    #: With placeholders in braces.
    path: str
    parameters: tuple[str, ...] = ()
    #: Examples of a body in JSON.
    bodies: tuple[Any, ...] = ()
    media_type: str = ""
    #: The fields of a form that the page has, with their values.
    fields: tuple[tuple[str, str], ...] = ()


def read_routes() -> list[tuple[str, str]]:
    """Method and path of each route of the web application, which is made for that alone."""

    async def read() -> list[tuple[str, str]]:
        with TemporaryDirectory() as directory:
            async with open_hub_services(Path(directory), FrozenClock()) as hub:
                rules = list(create_app(hub.services).url_map.iter_rules())
        return [
            (method, re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule))
            for rule in rules
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        ]

    return sorted(trio.run(read))


def describe(routes: list[tuple[str, str]], document: Any, forms: dict[str, Any]) -> list[Route]:
    """The routes with what openapi.json and the forms of the pages tell of them."""
    found = []
    for method, path in [*routes, ("POST", _COMMAND)]:
        call = document["paths"].get(path, {}).get(method.lower(), {})
        content = call.get("requestBody", {}).get("content", {})
        bodies: list[Any] = []
        for one in content.values():
            bodies += [one["example"]] if "example" in one else []
            bodies += [example["value"] for example in one.get("examples", {}).values()]
        found.append(
            Route(
                method,
                path,
                tuple(p["name"] for p in call.get("parameters", []) if p["in"] == "query"),
                tuple(bodies),
                next(iter(content), ""),
                tuple(forms.get(_anonymous(path), {}).items()) if method == "POST" else (),
            )
        )
    return found


def read_forms(hub: FuzzHub, routes: list[tuple[str, str]]) -> dict[str, Any]:
    """The fields of the forms on the administrator's pages, by the path of the form."""
    forms: dict[str, dict[str, str]] = {}
    cookie, _ = hub.session("ada")
    with hub.client() as client:
        did = hub.dids[hub.fodder[0].sn]
        for method, path in routes:
            if method != "GET" or "stream" in path or "{" in path.replace("{did}", ""):
                continue
            page = client.get(path.replace("{did}", did), headers={"Cookie": cookie})
            for action, inner in re.findall(
                r'<form[^>]*action="([^"?]*)[^"]*"[^>]*>(.*?)</form>', page.text, re.DOTALL
            ):
                fields = forms.setdefault(_anonymous(action.replace(did, "{did}")), {})
                for tag in re.findall(r"<(?:input|select|textarea|button)[^>]*>", inner):
                    name = re.search(r' name="([^"]+)"', tag)
                    value = re.search(r' value="([^"]*)"', tag)
                    if name and name[1] != "csrf_token":
                        fields[name[1]] = value[1] if value else ""
    return forms


def _anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


class Requests:
    """Makes requests to the routes, for one hub."""

    def __init__(
        self, routes: list[Route], fodder: dict[str, CameraIdentity], protected: tuple[str, ...]
    ) -> None:
        """`fodder`: by their dids."""
        self._routes = routes
        self._fodder = fodder
        #: Names of users and keys that fuzzing needs.
        self._protected = protected

    def make(self, rng: Random) -> Case:
        route = rng.choice(self._routes)
        method = route.method if rng.random() < 0.85 else rng.choice(_METHODS)
        role = rng.choice(_API_ROLES if _API.match(route.path) else _PAGE_ROLES)
        if _SPARED.match(route.path) and role in ("admin", "key", "signer"):
            role = rng.choice(("", "viewer", "guard", "reader"))
        if _SPARED.match(route.path) and route.path.startswith("/account"):
            role = ""
        if route.path == "/sign-out":
            role = ""
        target = self._target(rng, route)
        if role == "signer":
            target += ("&" if "?" in target else "?") + "@{signed}"
        fields, body = self._body(rng, route, method)
        lines = [f"{method} {target} HTTP/1.1", rng.choice(("Host: hub",) * 9 + ("Host: a.b:1",))]
        lines += self._credentials(rng, role)
        lines += [f"Content-Type: {fields}"] if fields else []
        lines += self._further(rng)
        is_chunked = body and rng.random() < 0.1
        if is_chunked:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif body or method not in ("GET", "HEAD"):
            lines.append("Content-Length: @{length}")
        data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        case = Case("requests", "web", f"{method} {route.path}", data.decode("latin-1"))
        case.role, case.answers = role, 1
        if is_chunked or rng.random() < 0.05:
            case.cuts = [rng.randrange(len(data))]
        if role == "admin" and any(name in case.data for name in self._protected):
            case.role = ""
            case.data = case.data.replace("Cookie: @{cookie}\r\n", "")
        return case

    def _target(self, rng: Random, route: Route) -> str:
        path = re.sub(r"\{(\w+)\}", lambda found: self._in_path(rng, found[1]), route.path)
        if rng.random() < 0.03:
            path = rng.choice((path + "/", "/" + path, path + "/x", path.replace("a", "%61", 1)))
        names = list(route.parameters) * 6 + list(_NAMES)
        if _API.match(path) and rng.random() < 0.8:
            # Unknown ones are refused before anything else is read.
            names = list(route.parameters)
        query = []
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 8)) if names else 0):
            value = str(mutation.value(rng)) if rng.random() < 0.7 else rng.choice(_SETTLED_IDS)
            query.append((rng.choice(names), value[:2000]))
        text = urlencode(query, errors="replace")
        if query and rng.random() < 0.15:
            text = quote(mutation.flip(rng, text.encode()), safe="%&=+;/?:@,!$'()*~[]")
        return f"{path}?{text}" if text else path

    def _in_path(self, rng: Random, name: str) -> str:
        match name:
            case "did":
                return rng.choice((*self._fodder, *_SETTLED_IDS[2:], "7300000"))
            case "sn":
                return rng.choice(_SNS)
            case "day":
                return rng.choice(_DAYS)
            case "name":
                return rng.choice(("face", "background", "site.css", "x", "..%2F..%2Fx", "%00"))
            case "extension":
                return rng.choice(("jpg", "png", "x", "%00"))
            case "sha256":
                return rng.choice(("a" * 64, "x", "%00"))
            case _:
                return rng.choice(_SETTLED_IDS)

    def _credentials(self, rng: Random, role: str) -> list[str]:
        if role in ("key", "reader"):
            return ["Authorization: @{bearer}"]
        if role not in _USERS:
            return []
        # Without it, or with another site's origin, nothing may be changed.
        token = ["X-CSRF-Token: @{csrf}"] if rng.random() < 0.85 else []
        return ["Cookie: @{cookie}", *token]

    def _further(self, rng: Random) -> list[str]:
        lines = []
        if rng.random() < 0.2:
            lines.append(f"Accept: {rng.choice(('text/html', '*/*', 'application/json', 'x'))}")
        if rng.random() < 0.1:
            lines.append(f"Accept-Language: {rng.choice(('zh-CN', 'en;q=0', '*', 'x-y-z', ';;'))}")
        if rng.random() < 0.05:
            lines.append(f"Range: bytes={rng.choice(('0-', '-5', '5-2', 'x', '0-0,1-1'))}")
        if rng.random() < 0.05:
            lines.append(f"Origin: {rng.choice(('https://hub', 'https://evil', 'null'))}")
        if rng.random() < 0.05:
            lines.append(f"Sec-Fetch-Site: {rng.choice(('same-origin', 'cross-site', 'x'))}")
        if rng.random() < 0.05:
            lines.append("If-None-Match: " + rng.choice(("*", "W/x", '"a"')))
        return lines

    def _body(self, rng: Random, route: Route, method: str) -> tuple[str, bytes]:
        """The content type and the body."""
        if method in ("GET", "HEAD", "OPTIONS", "TRACE") and rng.random() < 0.95:
            return "", b""
        if route.bodies and rng.random() < 0.8:
            document = mutation.document(rng, rng.choice(route.bodies))
            if route.path == _DEVICES and isinstance(document, dict) and rng.random() < 0.5:
                did, camera = rng.choice(list(self._fodder.items()))
                document |= {"did": did, "sn": camera.sn, "code": camera.code}
                document.pop("key", None)
            if route.path == _COMMAND and isinstance(document, dict) and rng.random() < 0.3:
                document["param"] = mutation.value(rng)
            return "application/json", mutation.encoded(rng, document)
        if route.media_type and "json" not in route.media_type and rng.random() < 0.8:
            return route.media_type, rng.randbytes(rng.choice((0, 10, 5000)))
        fields = dict(route.fields)
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            name = rng.choice([*fields, *_NAMES]) if rng.random() < 0.8 else mutation.text(rng)
            fields[name] = str(mutation.value(rng))
        if rng.random() < 0.3:
            return _multipart(rng, fields)
        body = urlencode(fields, errors="replace").encode()
        if rng.random() < 0.15:
            body = mutation.flip(rng, body)
        if rng.random() < 0.05:
            return "application/json", json.dumps(fields).encode()
        return "application/x-www-form-urlencoded", body


def _multipart(rng: Random, fields: dict[str, str]) -> tuple[str, bytes]:
    boundary = rng.choice(("b", "x" * 60, "a b"))
    parts = []
    for name, value in fields.items():
        file = rng.choice(("", "", '; filename="a.csv"', '; filename="../x"', "; filename=a"))
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\n'
        if rng.random() < 0.2:
            head += f"Content-Type: {rng.choice(('text/csv', 'image/jpeg', 'x', ';;'))}\r\n"
        parts.append(f"--{boundary}\r\n{head}\r\n{value}\r\n")
    body = "".join([*parts, f"--{boundary}--\r\n"]).encode("utf-8", "replace")
    if rng.random() < 0.3:
        body = mutation.flip(rng, body)
    return f"multipart/form-data; boundary={rng.choice((boundary, boundary, 'other'))}", body
