"""Heads of requests as bytes: targets, hosts, origins, and framings that two parsers may differ in.

Each is sent on a connection of its own, followed by a request in order.
"""

from __future__ import annotations

from random import Random

from tests.fuzz import mutation
from tests.fuzz.case import Case, Port

_HOSTS = (
    "hub", "hub:8443", "127.0.0.1", "[::1]:8443", "a..b", ".", "..", "", " ", "a" * 64,
    "a" * 64 + ".example", "a." * 127, "x" * 300, "http://[", "[", "]", "[::1", "[::g]:80",
    "hub:", "hub:abc", "hub:99999999", "hub:-1", "user@hub", "hub/path", "hub?x", "hub#x",
    "hub,hub", "hub hub", "xn--", "xn--a", "xn--" + "a" * 70, "\xff\xfe", "\xe4\xb8\xad", "*.hub",
    "a_b", "-a-", "0x7f.1", "%00", "%2e%2e", "hub\t", "\x7f", "'\"<>", "{}", "a:b:c",
    "xn--zckzah.xn--", "\u00df".encode("latin-1").decode("latin-1"),
)  # fmt: skip
_ORIGINS = (
    "http://[", "http://]", "https://[::1", "null", "", " ", "https://", "://", "http://a..b",
    "https://hub", "https://hub:99999", "https://hub:x", "javascript:alert(1)", "https://\xff",
    "https://" + "a" * 70, "https://evil.example", "file://", "https://hub, https://hub", "//hub",
)  # fmt: skip
_TARGETS = (
    "/", "/healthz", "/sign-in", "/cameras", "/records/1", "/media/1/face.jpg", "/openapi.json",
    "/api/hub/v1/devices", "/api/hub/v1/records?limit=1", "/api/v1/server/time", "/static/x/a.css",
    "/api/v1/ota/query", "*", "http://hub/healthz", "https://hub:1/", "http://[/", "hub:443", "",
    "//", "///a", "/%", "/%zz", "/%00", "/%ff%fe", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..", "/a b",
    "/\xff", "/?" + "a=" * 50, "/#x", "/" + "a" * 15000, "/" + "a" * 17000, "/cameras/1%0d%0aX:y",
    "/cameras/99999999999999999999999", "/records/-1", "/records/%D9%A1", "/static/../../app.py",
    "/static/x/..%2f..%2fapp.py", "/setup/x", "/cameras/waiting/%00/trace", "/?%ff=%ff",
    "/healthz;a=b", "/sign-in?next=//evil.example", "/sign-in?next=%0d%0aX:y", "/?lang=%00",
    "ftp://x/", "http:///", "/\u0000",
)  # fmt: skip
_METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PRI",
    "PROPFIND", "G\xcbT", "", "GET GET", "A" * 300, "M-SEARCH",
)  # fmt: skip
_VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/11", "")
_FIELDS = (
    "Cookie: __Host-sitehub_session=x", "Cookie: sitehub_session=\xff", "Cookie: " + "a=b; " * 500,
    "Accept-Language: " + "zh," * 300, "Accept-Language: \xff;q=nan", "Accept: */*;q=1e999",
    "Range: bytes=0-", "Range: bytes=-1,0-0", "Range: bytes=9999999999999999999999-", "Range: x=1",
    "If-None-Match: *", "If-None-Match: W/\"", "If-Modified-Since: Thu, 99 Foo 99999",
    "Last-Event-ID: 99999999999999999999999", "Last-Event-ID: -1", "Last-Event-ID: \xff",
    "Authorization: Bearer", "Authorization: Bearer a:b", "Authorization: Digest a=\"b", "X: \x00",
    "Authorization: Bearer \xff:\xff", "Connection: close, keep-alive",
    "Connection: Upgrade, close", "Upgrade: websocket", "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQAAP__", "Expect: 100-continue",
    "Expect: 200-ok", "Content-Type: \xff", "Content-Type: multipart/form-data; boundary=",
    "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.example", "Forwarded: for=x",
    "TE: trailers",
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Accept-Encoding: gzip;q=-1",
    "Content-Length: 0", "Content-Length: 00", "Content-Length: +1", "Content-Length: 1e3",
    "Content-Length: 18446744073709551617", "Trailer: X", "X" * 200 + ": a", ": a", "a", " a: b",
    "a : b", "a:\rb", "a:\nb", "X-CSRF-Token: \xff", "Origin: https://hub",
)  # fmt: skip
_BARE = "GET /api/v1/%s HTTP/1.1\r\nHost: hub\r\n\r\n"
#: Framings in which one reader sees the canary as a request, and another one as a body. `%s`: the
#: canary as a request; `@{length}` counts it as body. In each of them it must not be answered.
_PAIRS = (
    "Content-Length: @{length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\nContent-Length: @{length}\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding: gzip\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Content-Length: @{length}\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n%s",
    "Transfer-Encoding: \r\nContent-Length: @{length}\r\n\r\n%s",
    "Content-Length: 0\r\nContent-Length: @{length}\r\n\r\n%s",
    "Content-Length: @{length}\r\nContent-Length: 0\r\n\r\n%s",
    "Content-Length: 0, @{length}\r\n\r\n%s",
    "Content-Length: +0\r\n\r\n%s",
    "Content-Length: -1\r\n\r\n%s",
    "Content-Length: 0x0\r\n\r\n%s",
    "Content-Length: 0 @{length}\r\n\r\n%s",
    "Content-Length:\r\n 0\r\n\r\n%s",
    "Content-Length: @{length}\r\nContent_Length: 0\r\n\r\n%s",
    "Content-Length: \xb2\r\n\r\n%s",
    "Content-Length: @{length}\nContent-Length: 0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n ;x\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n1\r\nAB0\r\n\r\n%s",
    "Transfer-Encoding: chunked\r\n\r\n_0\r\n\r\n%s",
    "Connection: Content-Length\r\nContent-Length: @{length}\r\n\r\n%s",
    "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: @{length}\r\n\r\n%s",
    "Expect: 100-continue\r\nContent-Length: @{length}\r\n\r\n%s",
)  # fmt: skip
_PAIR_LINES = (
    "POST /api/v1/device/report/info HTTP/1.1",
    "POST /sign-in HTTP/1.1",
    "GET /healthz HTTP/1.1",
    "POST /api/hub/v1/devices HTTP/1.1",
    "DELETE /api/hub/v1/devices/0 HTTP/1.1",
    "POST /api/v1/device/report/info HTTP/1.0",
    "OPTIONS * HTTP/1.1",
)


def make(rng: Random) -> Case:
    port: Port = rng.choice(("web", "web", "plain_http"))
    if rng.random() < 0.12:
        port = rng.choice(("device", "plain_ws"))
    case = Case("heads", port, "head", settled=True)
    if rng.random() < 0.3:
        return _pair(rng, case)
    method = rng.choice(("GET",) * 8 + ("POST",) * 3 + _METHODS)
    target = rng.choice(_TARGETS)
    version = rng.choice(("HTTP/1.1",) * 12 + _VERSIONS)
    lines = [" ".join((method, target, version))]
    lines += ["Host: " + rng.choice(_HOSTS) for _ in range(rng.choice((1, 1, 1, 1, 0, 2)))]
    if rng.random() < 0.4:
        lines.append("Origin: " + rng.choice(_ORIGINS))
    lines += [rng.choice(_FIELDS) for _ in range(rng.choice((0, 0, 1, 2, 5)))]
    if rng.random() < 0.3:
        lines.append(rng.choice(("Authorization: @{bearer}", "Cookie: @{cookie}")))
        case.role = "admin" if "Cookie" in lines[-1] else "key"
    if rng.random() < 0.02:
        lines += ["X-%d: y" % number for number in range(rng.choice((90, 3000)))]  # noqa: UP031
    end = rng.choice(("\r\n",) * 12 + ("\n", "\r"))
    data = (end.join(lines) + end * 2).encode("latin-1", "replace")
    kind = rng.random()
    if kind < 0.35:
        spared = data.replace(b"@{cookie}", b"").replace(b"@{bearer}", b"")
        data = mutation.flip(rng, spared)
        case.label = "head, bytes changed"
    elif kind < 0.4:
        # It may be waited for.
        data, case.settled = data[: rng.randrange(len(data) + 1)], False
        case.label = "half a head"
    case.data = data.decode("latin-1")
    case.cuts = [rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 0, 1, 4)))]
    return case


def _pair(rng: Random, case: Case) -> Case:
    case.canary = f"canary-{rng.randrange(10**12)}"
    framing = rng.choice(_PAIRS)
    case.label = "pair " + repr(framing.partition("%s")[0])[1:-1][:80]
    canary = _BARE % case.canary
    case.data = f"{rng.choice(_PAIR_LINES)}\r\nHost: hub\r\n" + framing % canary
    if rng.random() < 0.2:
        case.cuts = [rng.randrange(len(case.data))]
    return case
