"""What devices upload over HTTP (二 and D8): bodies, their encodings and their lengths."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from tests.fuzz import mutation
from tests.fuzz.case import Case, Port

_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_PICTURE = "data:image/jpeg;base64," + base64.b64encode(_JPEG + bytes(range(200))).decode()
_PICTURES = {"face_data": _PICTURE, "body_data": _PICTURE, "bg_data": _PICTURE}
_WHO = {"did": "@{did}", "sn": "@{sn}"}
_TIME = 1764160000
_BODIES: dict[str, tuple[str, Any]] = {
    "/api/v1/adapter/lenfocus/face/capture": (
        "POST",
        {
            **_WHO,
            "time": _TIME,
            "name": "Li Lei",
            "age": 31,
            "gender": 1,
            "uuid": "a1b2",
            "category": 1,
            "data": _PICTURES,
            "score": 91.5,
        },
    ),
    "/api/v1/device/report/info": (
        "POST",
        {
            **_WHO,
            "fwVer": "1.2",
            "swVer": "3",
            "osVer": "4.9",
            "hwVer": "A",
            "devName": "Gate",
        },
    ),
    "/api/v1/ota/query": ("POST", {**_WHO, "fwVer": "1.2", "swVer": "3", "model": "x"}),
    "/api/v1/device/report/event": (
        "POST",
        {**_WHO, "type": 3, "time": _TIME * 1000, "data": {"a": 1, "bg_data": _PICTURE}},
    ),
    "/api/v1/vehicle/capture": (
        "POST",
        {
            **_WHO,
            "time": _TIME * 1000,
            "data": {
                "full_image": _PICTURE,
                "vehicle_pic": _PICTURE,
                "type": 1,
                "brand": "VW",
                "vehicle_loc": {"x": 1, "y": 2, "w": 3, "h": 4},
                "plate": {
                    "id": "京A12345",
                    "plate_type": 1,
                    "plate_pic": _PICTURE,
                    "plate_loc": {"x": 1, "y": 2, "w": 3, "h": 4},
                },
            },
        },
    ),
    "/api/v1/access/record": (
        "PUT",
        {
            "sn": "@{sn}",
            "data": [
                {
                    "did": "@{did}",
                    "rid": "7",
                    "pid": "1001",
                    "accessTime": "2026-11-26 08:00:00",
                    "type": 1,
                    "status": 0,
                    "temperature": 36.5,
                    "score": 97,
                    "faceImg": _PICTURE,
                }
            ],
        },
    ),
    "/api/v1/access/upload/base64img": ("POST", _PICTURE),
}
_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "",
)


def make(rng: Random) -> Case:
    path = rng.choice(list(_BODIES))
    method, document = _BODIES[path]
    body = _body(rng, document)
    if rng.random() < 0.05:
        method = rng.choice(("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"))
    port: Port = rng.choice(("plain_http", "plain_http", "web"))
    case = Case("uploads", port, f"upload {method} {path}", role="device")
    head = [f"{method} {_path(rng, path)} HTTP/1.1", "Host: hub"]
    head += _authorization(rng)
    if content_type := rng.choice(_TYPES[:1] * 4 + _TYPES):
        head.append(f"Content-Type: {content_type}")
        if "multipart" in content_type and rng.random() < 0.7:
            body = _multipart(rng, body)
    if rng.random() < 0.05:
        head.append("Expect: 100-continue")
    kind = rng.random()
    if kind < 0.6:
        case.answers = 1
        head.append("Content-Length: @{length}")
    elif kind < 0.8:
        case.answers = 1
        head.append("Transfer-Encoding: chunked")
        body = _chunked(rng, body)
    elif kind < 0.9:
        # As chunks, with a fault.
        case.settled = True
        head.append("Transfer-Encoding: chunked")
        body = mutation.flip(rng, _chunked(rng, body))
    else:
        # What is announced is not what comes. If more comes, the rest is another request.
        case.settled = True
        wrong = rng.choice((0, 1, max(0, len(body) - 5), len(body) + 5, 10**9, 10**15, 16 << 20))
        head.append(f"Content-Length: {wrong}")
    data = "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + body
    case.data = data.decode("latin-1")
    case.cuts = [rng.randrange(len(data)) for _ in range(rng.choice((0, 0, 0, 1, 3)))]
    return case


def _body(rng: Random, document: Any) -> bytes:
    if isinstance(document, str):
        data = document.encode()
        if rng.random() < 0.3:
            data = b'"' + data + b'"'
        return mutation.flip(rng, data) if rng.random() < 0.7 else data
    changed = mutation.document(rng, document)
    if isinstance(changed, dict) and isinstance(changed.get("data"), dict) and rng.random() < 0.3:
        names = [name for name, one in changed["data"].items() if isinstance(one, str)]
        for name in names[:1]:
            text = mutation.flip(rng, _PICTURE.encode()).decode("latin-1")
            changed["data"][name] = rng.choice((text, _PICTURE[:-1], _PICTURE * 40, _PICTURE[23:]))
    return mutation.encoded(rng, changed)


def _path(rng: Random, path: str) -> str:
    match rng.randrange(12):
        case 0:
            return "/" + path + "/"
        case 1:
            return path + "?appid=@{appid}&ts=1&sign=00&body_md5=AA"
        case 2:
            return path + "?" + "a=1&" * rng.choice((3, 70))
        case 3:
            return path.replace("api", "%61pi").replace("/", "/./", 1)
        case _:
            return path


def _authorization(rng: Random) -> list[str]:
    match rng.randrange(12):
        case 0:
            return []
        case 1:
            return ["Authorization: Bearer " + "x" * rng.choice((1, 40, 4000))]
        case 2:
            return ["Authorization: Basic QTpC"]
        case 3:
            return ["Authorization: bearer   @{token}  ", "Authorization: Bearer other"]
        case _:
            return ["Authorization: Bearer @{token}"]


def _multipart(rng: Random, body: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="face"; filename="a.jpg"\r\n\r\n'
    return part + body + rng.choice((b"\r\n--b--\r\n", b"\r\n--b--", b""))


def _chunked(rng: Random, body: bytes) -> bytes:
    size = rng.choice((1, 7, 1000, 1 << 20)) if len(body) < 3000 else 4096
    pieces = [body[place : place + size] for place in range(0, len(body), size)]
    extension = rng.choice((b"", b"", b";a=b", b';a="b"'))
    chunks = [b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces]
    return b"".join(chunks) + b"0\r\n" + rng.choice((b"", b"", b"X-A: b\r\n")) + b"\r\n"
