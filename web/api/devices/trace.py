"""/devices/{did}/trace and /devices/waiting/{sn}/trace: frames both ways, redacted."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.services import Services
from hub.services.devices.frame_trace import TracedFrame
from hub.wire.times import format_rfc3339
from web.api.answers import Time
from web.api.endpoint import PREFIX, Endpoint, Nothing, Seq
from web.api.routes import Call, Routes


class TraceQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[Seq, Meta(description="frames after this number")] = 0
    wait: Annotated[
        int,
        Meta(
            ge=0,
            le=25,
            description="seconds to wait if there is no such frame yet; 0: answer at once",
        ),
    ] = 0


class TraceFrame(Struct, frozen=True, kw_only=True):
    """One frame, HTTP request, or end of a connection."""

    number: Annotated[Seq, Meta(description="strictly increasing, also across restarts")]
    time: Time
    direction: Annotated[Literal["in", "out"], Meta(description="`in`: the device sent it")]
    kind: Annotated[
        Literal["request", "answer", "bad", "part", "upload", "ended"],
        Meta(
            description="`bad`: not a frame of the protocol · `part`: only its beginning is "
            "kept · `upload`: an HTTP request · `ended`: the connection ended"
        ),
    ]
    size: Annotated[int, Meta(description="bytes")]
    uri: Annotated[str, Meta(description="of an upload: method and path")]
    code: int | None
    matched: Annotated[int | None, Meta(description="of an answer: the number of its request")]
    duration_ms: Annotated[
        float | None, Meta(description="time from request to answer, or of an upload")
    ]
    text: Annotated[
        str,
        Meta(
            description="the frame on one line; secrets and personal numbers are redacted, "
            "pictures are replaced by their size, long lists are cut"
        ),
    ]


class TraceList(Struct, frozen=True):
    """`next` is the `after` of the next call; a trace has no last page."""

    items: list[TraceFrame]
    next: int


_EXAMPLE = TraceList(
    [
        TraceFrame(
            number=1795593600000001,
            time="2026-11-25T08:00:00.000Z",
            direction="out",
            kind="request",
            size=131,
            uri="/person/query",
            code=None,
            matched=None,
            duration_ms=None,
            text='{"msgid": "5f3a91c2-7", "data": {"uri": "/person/query", "param": '
            '{"pid": "123456"}}, "token": "***"}',
        ),
        TraceFrame(
            number=1795593600000002,
            time="2026-11-25T08:00:00.041Z",
            direction="in",
            kind="answer",
            size=188,
            uri="/person/query",
            code=0,
            matched=1795593600000001,
            duration_ms=41.2,
            text='{"msgid": "5f3a91c2-7", "data": {"uri": "/person/query", "code": 0, "msg": "OK", '
            '"result": {"pid": "123456", "name": "Chen Wei", "phone": "***5678"}}}',
        ),
    ],
    1795593600000002,
)
_DESCRIPTION = (
    "The last 200 frames in both directions, oldest first, and the last HTTP requests; kept in "
    "memory only. To follow the trace, call again with `after` = `next` and a `wait`. For "
    "administrators and API keys, since it may contain names of people."
)

TRACE = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices/{{did}}/trace",
    tag="Devices",
    summary="Frames between a device and the hub",
    description=_DESCRIPTION,
    query=TraceQuery,
    query_example="after=1795593600000000&wait=20",
    answer_example=_EXAMPLE,
)
WAITING_TRACE = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices/waiting/{{sn}}/trace",
    tag="Devices",
    summary="Frames between a waiting device and the hub",
    description=_DESCRIPTION,
    query=TraceQuery,
    answer_example=_EXAMPLE,
)


def add(routes: Routes, services: Services) -> None:
    trace = services.cameras.trace

    async def get_trace(call: Call[TraceQuery, Nothing]) -> TraceList:
        query = call.query
        return _list(await trace.wait(call.path["did"], query.after, query.wait), query.after)

    async def get_waiting_trace(call: Call[TraceQuery, Nothing]) -> TraceList:
        query = call.query
        frames = await trace.wait_for_pending(call.path["sn"], query.after, query.wait)
        return _list(frames, query.after)

    routes.add(TRACE, get_trace)
    routes.add(WAITING_TRACE, get_waiting_trace)


def _list(frames: list[TracedFrame], after: int) -> TraceList:
    return TraceList([_fields(frame) for frame in frames], frames[-1].number if frames else after)


def _fields(frame: TracedFrame) -> TraceFrame:
    return TraceFrame(
        number=frame.number,
        time=format_rfc3339(frame.at),
        direction=frame.direction,
        kind=frame.kind,
        size=frame.size,
        uri=frame.uri,
        code=frame.code,
        matched=frame.matched,
        duration_ms=frame.duration_ms,
        text=frame.text,
    )
