"""The trace of a device: its last frames, both ways, masked, and whoever waits for the next.

Frames are kept as they came (hub.live.frame_trace) and read, matched and masked here, when somebody
looks. What is shown holds names all the same: it is for administrators.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.live.frame_ring import ConnectionEnded, Direction, Kept, Shortened, TraceEntry
from hub.live.frame_ring import TracedUpload as TracedUpload
from hub.live.frame_trace import MAX_FRAMES as MAX_FRAMES
from hub.live.frame_trace import FrameTraces
from hub.live.pending_devices import PendingDevices
from hub.services.devices.directory import Device, Devices
from hub.wire.envelope import BadFrame, Response, decode_frame
from hub.wire.redaction import redact_frame, redact_text, redact_uri

#: A frame; one that is none, or of which too little was kept; a request over HTTP; the end of a
#: connection.
Kind = Literal["request", "answer", "bad", "part", "upload", "ended"]

#: The longest that one call waits.
LONGEST_WAIT = 25.0
#: What comes within so many seconds after the first is told along with it.
_GATHERED_SECONDS = 0.2
_MAX_DEPTH = 64
#: Of what a request over HTTP was answered, as far as it is kept: it may name what was sent.
_LONGEST_MSG = 300


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame, or what stands in for one. `number` grows; `at` is UNIX milliseconds.

    `matched`: of an answer, the number of its request, and `duration_ms` the time between. An
    upload tells its method and path as `uri`. `text`: the frame, masked and shortened.
    """

    number: int
    at: int
    direction: Direction
    kind: Kind
    size: int
    uri: str = ""
    code: int | None = None
    matched: int | None = None
    duration_ms: float | None = None
    text: str = ""


class _Source(Struct, frozen=True):
    """Whose frames: `address` is where its requests come from that tell no token."""

    sn: str
    address: str


class Trace:
    """By did, and by serial number for what knocks and is not enrolled."""

    def __init__(
        self, traces: FrameTraces, devices: Devices, room: PendingDevices, closing: trio.Event
    ) -> None:
        self._traces = traces
        self._devices = devices
        self._room = room
        self._closing = closing

    def frames(self, did: str, after: int = 0) -> list[Frame]:
        """What is kept and comes after that number, oldest first. Raises NoSuchResource."""
        return self._frames_of(self._device(did), after)

    async def wait(self, did: str, after: int, seconds: float) -> list[Frame]:
        """The same, as soon as there is something; nothing where that takes too long."""
        return await self._wait_for(self._device(did), after, seconds)

    def waiting_frames(self, sn: str, after: int = 0) -> list[Frame]:
        """As frames(), of a device that waits for enrolment. Raises NoSuchResource."""
        return self._frames_of(self._waiting(sn), after)

    async def wait_for_waiting(self, sn: str, after: int, seconds: float) -> list[Frame]:
        """As wait(), of a device that waits for enrolment. Raises NoSuchResource."""
        return await self._wait_for(self._waiting(sn), after, seconds)

    def uploaded(self, device: Device | None, address: str, upload: TracedUpload) -> None:
        """A request over HTTP was answered; without a device, none is known that sent it."""
        if len(upload.msg) > _LONGEST_MSG:
            upload = replace(upload, msg=upload.msg[:_LONGEST_MSG])
        if device is None:
            self._traces.add_upload_from(address, upload)
        else:
            self._traces.add_upload(device.sn, upload)

    def _device(self, did: str) -> _Source:
        device = self._devices.get(did)
        return _Source(device.sn, device.ip or "")

    def _waiting(self, sn: str) -> _Source:
        waiting = self._room.find(sn)
        if waiting is None:
            raise NoSuchResource(f"no device with sn {sn} is waiting")
        return _Source(sn, waiting.attempt.address)

    def _frames_of(self, source: _Source, after: int) -> list[Frame]:
        entries = self._traces.entries(source.sn, source.address)
        return rendered(entries, after)

    async def _wait_for(self, source: _Source, after: int, seconds: float) -> list[Frame]:
        # No address is known of one that was never in; so many connections have no name yet.
        with self._traces.watch(*filter(None, (source.sn, source.address))) as news:
            frames = self._frames_of(source, after)
            if frames or seconds <= 0:
                await trio.lowlevel.checkpoint()
                return frames
            with trio.move_on_after(min(seconds, LONGEST_WAIT)):
                await self._news_or_closing(news)
                await trio.sleep(_GATHERED_SECONDS)
        return self._frames_of(source, after)

    async def _news_or_closing(self, news: trio.Event) -> None:
        async with trio.open_nursery() as nursery:

            async def closing() -> None:
                await self._closing.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(closing)
            await news.wait()
            nursery.cancel_scope.cancel()


class _Read(Struct, frozen=True):
    """A frame with the msgid that was sent, which need not be the one that is shown."""

    frame: Frame
    msgid: str = ""


def rendered(entries: Iterable[TraceEntry], after: int = 0) -> list[Frame]:
    """The entries after that number as frames, answers matched with their requests."""
    frames: list[Frame] = []
    #: (direction, msgid) -> the latest request that is not answered yet, and when it came.
    unanswered: dict[tuple[Direction, str], TraceEntry] = {}
    for entry in entries:
        is_told = entry.number > after
        read = _read(entry, is_told=is_told)
        frame = read.frame
        if frame.kind in ("request", "bad"):
            unanswered[entry.direction, read.msgid] = entry
        elif frame.kind == "answer":
            other: Direction = "out" if entry.direction == "in" else "in"
            request = unanswered.pop((other, read.msgid), None)
            if request is not None:
                took = _milliseconds(entry.at - request.at)
                frame = replace(frame, matched=request.number, duration_ms=took)
        if is_told:
            frames.append(frame)
    return frames


def _read(entry: TraceEntry, *, is_told: bool) -> _Read:
    """What is not told is matched with what is, and not masked for that."""
    kept = entry.kept
    if isinstance(kept, TracedUpload):
        return _Read(_upload(entry, kept))
    if isinstance(kept, ConnectionEnded):
        return _Read(_plain(entry, "ended", text=kept.reason))
    if isinstance(kept, Shortened):
        # It was masked along with that.
        return _read_frame(entry, kept.text, kept.text, otherwise="part")
    return _read_frame(entry, kept, redact_frame(kept) if is_told else "", otherwise="bad")


def _read_frame(entry: TraceEntry, sent: str | bytes, text: str, *, otherwise: Kind) -> _Read:
    try:
        frame = decode_frame(sent, max_depth=_MAX_DEPTH)
    except BadFrame as error:
        return _Read(_plain(entry, otherwise, text=text), error.msgid)
    # An answer need not name a uri (D1).
    uri = redact_uri(frame.uri.rstrip("/"))
    if isinstance(frame, Response):
        told = _plain(entry, "answer", uri=uri, code=frame.code, text=text)
    else:
        told = _plain(entry, "request", uri=uri, text=text)
    return _Read(told, frame.msgid)


def _plain(
    entry: TraceEntry, kind: Kind, *, uri: str = "", code: int | None = None, text: str = ""
) -> Frame:
    return Frame(
        number=entry.number,
        at=round(entry.at * 1000),
        direction=entry.direction,
        kind=kind,
        size=_size(entry.kept),
        uri=uri,
        code=code,
        text=text,
    )


def _upload(entry: TraceEntry, upload: TracedUpload) -> Frame:
    frame = _plain(
        entry,
        "upload",
        uri=redact_uri(f"{upload.method} {upload.path}"),
        code=upload.code,
        text=redact_text(f"HTTP {upload.status} {upload.msg}" if upload.status else upload.msg),
    )
    return replace(frame, duration_ms=_milliseconds(upload.seconds))


def _size(kept: Kept) -> int:
    """In bytes."""
    if isinstance(kept, str):
        return len(kept.encode("utf-8", "replace"))
    if isinstance(kept, bytes):
        return len(kept)
    return 0 if isinstance(kept, ConnectionEnded) else kept.size


def _milliseconds(seconds: float) -> float:
    # The wall clock may have been set back meanwhile.
    return round(max(0.0, seconds) * 1000, 1)
