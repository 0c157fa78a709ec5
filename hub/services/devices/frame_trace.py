"""Frame traces: reading the last frames of a device, in both directions, and waiting for more.

Frames are kept as received (hub.live.frame_trace); this module decodes, matches and redacts them
when they are read. The result may still contain names of people: it is for administrators only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import existing
from hub.live.frame_ring import (
    ConnectionEnded,
    Direction,
    Kept,
    Shortened,
    TracedUpload,
    TraceEntry,
)
from hub.live.presence import Presence
from hub.services.devices.directory import Devices
from hub.store.tables.devices import Device
from hub.wire.envelope import BadFrame, Response, decode_frame
from hub.wire.redaction import redact_frame, redact_text, redact_uri

if TYPE_CHECKING:
    from hub.services.core import Core

#: "request" and "answer": frames · "bad": not a frame · "part": too little of a frame was kept
#: to decode it · "upload": an HTTP request · "ended": the end of a connection.
FrameKind = Literal["request", "answer", "bad", "part", "upload", "ended"]

#: The longest that one call waits.
MAX_WAIT_SECONDS = 25.0
#: Frames that follow the first one within this time are returned with it.
_GATHER_SECONDS = 0.2
_MAX_DEPTH = 64
#: Characters of an HTTP answer that are kept; it may quote what was sent.
_MAX_MSG_LENGTH = 300


class TracedFrame(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a trace. `number` increases; `at` is UNIX milliseconds; `size` is in bytes.

    `matched`: for an answer, the number of its request; `duration_ms` is the time between the two.
    `uri`: for an upload, its method and path. `text`: the frame, redacted and shortened.
    """

    number: int
    at: int
    direction: Direction
    kind: FrameKind
    size: int
    uri: str = ""
    code: int | None = None
    matched: int | None = None
    duration_ms: float | None = None
    text: str = ""


class _Source(Struct, frozen=True):
    """A device, and the address from which its requests without a token come."""

    sn: str
    address: str


class Trace:
    """Traces of enrolled devices by did, and of pending devices by serial number."""

    def __init__(self, core: Core, presence: Presence, devices: Devices) -> None:
        self._traces = presence.traces
        self._devices = devices
        self._pending = presence.pending
        self._closing = core.closing

    def frames(self, did: str, after: int = 0) -> list[TracedFrame]:
        """Return the entries after the number `after`, oldest first. Raises NoSuchResource."""
        return self._frames_of(self._source(did), after)

    async def wait(self, did: str, after: int, seconds: float) -> list[TracedFrame]:
        """Return the same as frames(), but wait up to `seconds` for an entry if there is none.

        Raises NoSuchResource.
        """
        return await self._wait_for(self._source(did), after, seconds)

    def pending_frames(self, sn: str, after: int = 0) -> list[TracedFrame]:
        """Do what frames() does, for a pending device."""
        return self._frames_of(self._pending_source(sn), after)

    async def wait_for_pending(self, sn: str, after: int, seconds: float) -> list[TracedFrame]:
        """Do what wait() does, for a pending device."""
        return await self._wait_for(self._pending_source(sn), after, seconds)

    def add_upload(self, device: Device | None, address: str, upload: TracedUpload) -> None:
        """Record an answered HTTP request; `device` is None if its sender is unknown."""
        if len(upload.msg) > _MAX_MSG_LENGTH:
            upload = replace(upload, msg=upload.msg[:_MAX_MSG_LENGTH])
        if device is None:
            self._traces.add_upload_from(address, upload)
        else:
            self._traces.add_upload(device.sn, upload)

    def _source(self, did: str) -> _Source:
        device = self._devices.get(did)
        return _Source(device.sn, device.ip or "")

    def _pending_source(self, sn: str) -> _Source:
        waiting = existing(self._pending.find(sn), "waiting device", sn=sn)
        return _Source(sn, waiting.attempt.address)

    def _frames_of(self, source: _Source, after: int) -> list[TracedFrame]:
        entries = self._traces.entries(source.sn, source.address)
        return render_frames(entries, after)

    async def _wait_for(self, source: _Source, after: int, seconds: float) -> list[TracedFrame]:
        # The address of a device that was never online is unknown.
        with self._traces.watch(*filter(None, (source.sn, source.address))) as entry_added:
            frames = self._frames_of(source, after)
            if frames or seconds <= 0:
                await trio.lowlevel.checkpoint()
                return frames
            with trio.move_on_after(min(seconds, MAX_WAIT_SECONDS)):
                await self._entry_or_closing(entry_added)
                await trio.sleep(_GATHER_SECONDS)
        return self._frames_of(source, after)

    async def _entry_or_closing(self, entry_added: trio.Event) -> None:
        async with trio.open_nursery() as nursery:

            async def closing() -> None:
                await self._closing.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(closing)
            await entry_added.wait()
            nursery.cancel_scope.cancel()


class _ReadFrame(Struct, frozen=True):
    """A frame with its msgid as sent, which the text may show redacted."""

    frame: TracedFrame
    msgid: str = ""


def render_frames(entries: Iterable[TraceEntry], after: int = 0) -> list[TracedFrame]:
    """Return the entries after the number `after`, with answers matched to their requests.

    Earlier entries are decoded too, for the matching, but not redacted or returned.
    """
    frames: list[TracedFrame] = []
    #: (direction, msgid) -> the latest request without an answer.
    unanswered: dict[tuple[Direction, str], TraceEntry] = {}
    for entry in entries:
        is_returned = entry.number > after
        read = _read(entry, is_returned=is_returned)
        frame = read.frame
        if frame.kind in ("request", "bad"):
            unanswered[entry.direction, read.msgid] = entry
        elif frame.kind == "answer":
            other: Direction = "out" if entry.direction == "in" else "in"
            request = unanswered.pop((other, read.msgid), None)
            if request is not None:
                took = _milliseconds(entry.at - request.at)
                frame = replace(frame, matched=request.number, duration_ms=took)
        if is_returned:
            frames.append(frame)
    return frames


def _read(entry: TraceEntry, *, is_returned: bool) -> _ReadFrame:
    kept = entry.kept
    if isinstance(kept, TracedUpload):
        return _ReadFrame(_upload(entry, kept))
    if isinstance(kept, ConnectionEnded):
        return _ReadFrame(_traced(entry, "ended", text=kept.reason))
    if isinstance(kept, Shortened):
        # It was redacted when it was shortened.
        return _read_frame(entry, kept.text, kept.text, otherwise="part")
    return _read_frame(entry, kept, redact_frame(kept) if is_returned else "", otherwise="bad")


def _read_frame(
    entry: TraceEntry, sent: str | bytes, text: str, *, otherwise: FrameKind
) -> _ReadFrame:
    try:
        frame = decode_frame(sent, max_depth=_MAX_DEPTH)
    except BadFrame as error:
        return _ReadFrame(_traced(entry, otherwise, text=text), error.msgid)
    # An answer need not name a uri (D1).
    uri = redact_uri(frame.uri.rstrip("/"))
    if isinstance(frame, Response):
        traced = _traced(entry, "answer", uri=uri, code=frame.code, text=text)
    else:
        traced = _traced(entry, "request", uri=uri, text=text)
    return _ReadFrame(traced, frame.msgid)


def _traced(
    entry: TraceEntry, kind: FrameKind, *, uri: str = "", code: int | None = None, text: str = ""
) -> TracedFrame:
    return TracedFrame(
        number=entry.number,
        at=round(entry.at * 1000),
        direction=entry.direction,
        kind=kind,
        size=_size(entry.kept),
        uri=uri,
        code=code,
        text=text,
    )


def _upload(entry: TraceEntry, upload: TracedUpload) -> TracedFrame:
    frame = _traced(
        entry,
        "upload",
        uri=redact_uri(f"{upload.method} {upload.path}"),
        code=upload.code,
        text=redact_text(f"HTTP {upload.status} {upload.msg}" if upload.status else upload.msg),
    )
    return replace(frame, duration_ms=_milliseconds(upload.seconds))


def _size(kept: Kept) -> int:
    """Return the size of the entry in bytes."""
    if isinstance(kept, str):
        return len(kept.encode("utf-8", "replace"))
    if isinstance(kept, bytes):
        return len(kept)
    return 0 if isinstance(kept, ConnectionEnded) else kept.size


def _milliseconds(seconds: float) -> float:
    # Negative if the wall clock was set back between the two.
    return round(max(0.0, seconds) * 1000, 1)
