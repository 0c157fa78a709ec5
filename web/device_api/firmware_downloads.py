"""Firmware downloads for devices: a file, or a range of it, by its link.

There is no login: the link itself authorises (hub.services.firmware.downloads).
"""

from __future__ import annotations

import logging

import trio
from hypercorn.typing import ASGISendCallable, HTTPScope

from hub import metrics
from hub.errors import NoSuchPath
from hub.log import limited
from hub.services import Services
from hub.services.firmware.downloads import PATH, Transfer
from web.http.ranges import FilePart, part_of, whole

log = logging.getLogger(__name__)

#: A step (256 KB) that takes longer ends the download, since others may wait for its place.
STEP_SECONDS = 20.0


class FirmwareDownloads:
    """Answers GET and HEAD below PATH. Raises HubError, but only before anything is sent."""

    def __init__(self, services: Services) -> None:
        self._downloads = services.firmware.downloads
        self._closing = services.core.closing

    async def __call__(self, scope: HTTPScope, path: str, send: ASGISendCallable) -> None:
        token, _, name = path.removeprefix(PATH).partition("/")
        if scope["method"] not in ("GET", "HEAD") or not name or "/" in name:
            raise NoSuchPath(f"no such path: {scope['method']} {path}")
        transfer = self._downloads.find(token)
        if scope["method"] == "HEAD":
            await _begin(send, transfer, None)
            await _end(send)
            return
        part = part_of(scope, transfer.file.size, _etag(transfer))
        if part is None:
            await _refuse_range(send, transfer)
            return
        with transfer, metrics.firmware_downloads.track_inprogress():
            await _begin(send, transfer, part)
            if await self._send_part(send, transfer, part):
                await _end(send)

    async def _send_part(self, send: ASGISendCallable, transfer: Transfer, part: FilePart) -> bool:
        """Send `part`. False: it was cut short; the connection is closed without the rest."""
        at = part.start
        while at < part.end and not self._closing.is_set():
            data = await transfer.read(at, part.end)
            if not data or not await _send_step(send, data):
                _report_cut_short(transfer, at)
                return False
            await transfer.sent(at, len(data))
            metrics.firmware_bytes.inc(len(data))
            at += len(data)
        return at == part.end


async def _send_step(send: ASGISendCallable, data: bytes) -> bool:
    with trio.move_on_after(STEP_SECONDS) as time_limit:
        await send({"type": "http.response.body", "body": data, "more_body": True})
    return not time_limit.cancelled_caught


async def _begin(send: ASGISendCallable, transfer: Transfer, part: FilePart | None) -> None:
    """Send the head of an answer with `part` of the file; None: the whole file (HEAD)."""
    size = transfer.file.size
    part = part or whole(size)
    headers = [
        *_common_headers(transfer),
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % (part.end - part.start)),
    ]
    if part.is_range:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.end - 1, size)))
    status = 206 if part.is_range else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _end(send: ASGISendCallable) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse_range(send: ASGISendCallable, transfer: Transfer) -> None:
    headers = [
        *_common_headers(transfer),
        (b"content-range", b"bytes */%d" % transfer.file.size),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 416, "headers": headers})
    await _end(send)


def _common_headers(transfer: Transfer) -> list[tuple[bytes, bytes]]:
    return [
        (b"accept-ranges", b"bytes"),
        (b"etag", _etag(transfer)),
        (b"cache-control", b"private"),
    ]


def _etag(transfer: Transfer) -> bytes:
    return b'"%s"' % transfer.file.sha256.encode()


def _report_cut_short(transfer: Transfer, at: int) -> None:
    metrics.limits_reached.labels("firmware").inc()
    limited(
        log,
        logging.WARNING,
        f"firmware {transfer.did}",
        "the download of %s by device %s was cut short at %d of %d bytes",
        transfer.file.sha256[:12],
        transfer.did,
        at,
        transfer.file.size,
    )
