"""Requests that are signed (三) at the time they are sent: their targets end in `@{signed}`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from hub.wire.signing import body_md5, sign_params

MARK = b"@{signed}"


def sign(data: bytes, values: Mapping[str, str]) -> bytes:
    """Replace the mark of a request by the parameters that sign it, as an integrator does.

    `values` has `appid` and `appsecret`. The parameters are those of the query, read as the hub
    reads them; of two with one name the last one is signed.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    path, _, query = rest.partition(b" ")[0].partition(b"?")
    told = query.replace(MARK, b"").decode("latin-1")
    params = dict(parse_qsl(told, keep_blank_values=True, errors="replace"))
    further = {"appid": values["appid"], "ts": str(int(time.time()))}
    if body:
        further["body_md5"] = body_md5(body)
    if method not in (b"GET", b"HEAD"):
        further |= {"method": method.decode("latin-1"), "path": unquote(path.decode("latin-1"))}
    signature = sign_params({**params, **further}, values["appsecret"])
    added = [f"{name}={value}" for name, value in {**further, "sign": signature}.items()]
    return data.replace(MARK, "&".join(added).encode("latin-1", "replace"), 1)
