"""GET /stream: the record log as server-sent events; readers resume without gaps or repeats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Annotated

import msgspec
import trio
from msgspec import Meta, Struct
from quart import Response, request

from hub.errors import CannotStoreNow, NoSuchResource, TooManyRequests
from hub.live.feed import keys_of
from hub.services import Services
from hub.services.audit import Actor
from hub.services.rounds import News
from hub.store.alarms.alarm import AlarmChange
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.users import User
from hub.wire.uploads.records import Record, RecordKind
from web import auth
from web.api.alarms.answers import alarm_event
from web.api.devices.answers import RemovedDevice, device_fields
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing, Seq
from web.api.jobs import job_fields
from web.api.people.answers import sync_fields
from web.api.records.job_events import JobEvents
from web.api.records.records import LOG_HEADER
from web.api.records.shown import Render, renderer
from web.api.routes import Call, Routes, seq_of
from web.live_events import MayRead, open_live_events, refuse_too_many


class StreamQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Seq | None,
        Meta(description="records after this seq; the header Last-Event-ID takes precedence"),
    ] = None
    kind: Annotated[RecordKind | None, Meta(description="only records of this kind")] = None
    did: Annotated[Did | None, Meta(description="only of this device")] = None

    def wants(self, record: Record) -> bool:
        return self.kind in (None, record.kind) and self.did in (None, record.did)


#: Before an alarm's record is asked for again.
_BUSY_SECONDS = 0.5
#: Devices whose numbers are counted for a reader before records are looked for again.
_MAX_COUNTED = 16

STREAM = Endpoint(
    method="GET",
    path=f"{PREFIX}/stream",
    tag="Records",
    summary="Records and changes as they happen",
    description=(
        "Server-sent events. `record`: `id:` is its seq, `data:` the record. `device`: `data:` is "
        'the device as it is now, or `{"did", "state": "removed"}`. `alarm`: `data:` is the alarm '
        "as in GET /alarms, with `change`: raised, repeated, acknowledged, escalated, over (what "
        "it tells of has passed) or closed; repeats of one commit are one event. `sync`: `data:` "
        "is "
        "how far the people on a device are: GET /devices/{did}/people without its rows. `job`: "
        "`data:` is the job as in GET /jobs, at most once a second for each, and its last state; "
        "none with `did`. Viewers get neither `sync` nor `job`. Only "
        "`record` has an id and is replayed. A reader that reconnects with `Last-Event-ID` "
        "(browsers send it by themselves) or `?after=` misses no record and gets none twice; "
        "without either, the stream starts with the next record. The header `Sitehub-Log` is the "
        "`log` of GET /records. A comment every 15 s shows that the connection is alive."
    ),
    query=StreamQuery,
    media_type="text/event-stream",
    answer_example=(
        'id: 4711\nevent: record\ndata: {"seq":4711,"kind":"face","did":"12",...}\n\n'
        'event: device\ndata: {"did":"12","state":"online",...}\n\n'
        'event: alarm\ndata: {"seq":4711,"state":"new","count":1,"change":"raised",...}\n\n'
        'event: sync\ndata: {"did":"12","state":"managed","should":200,"is":180,...}\n\n'
        'event: job\ndata: {"id":7,"kind":"import","state":"running","total":50,"done":20,...}\n\n'
        ":\n\n"
    ),
    query_example="after=4710",
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    async def stream(call: Call[StreamQuery, Nothing]) -> Response:
        if request.method == "HEAD":
            return _events(b"", services)
        by = call.caller.actor
        refuse_too_many(by)
        after = _last_event_id()
        frames = _frames(
            services,
            call.query,
            call.query.after if after is None else after,
            by=by,
            render=renderer(call.caller),
            may_see_people=call.caller.may("guard"),
            may_read=_may_read(services, call.caller),
        )
        return _events(frames, services)

    routes.add(STREAM, stream)


def _events(body: bytes | AsyncIterator[bytes], services: Services) -> Response:
    response = Response(body, content_type="text/event-stream")
    response.headers[LOG_HEADER] = services.records.log.log_id
    return response


async def _frames(
    services: Services,
    query: StreamQuery,
    after: int | None,
    *,
    by: Actor,
    render: Render,
    may_see_people: bool,
    may_read: MayRead,
) -> AsyncIterator[bytes]:
    moved: dict[str, None] = {}
    jobs = JobEvents(services.jobs)
    sees_jobs = may_see_people and query.did is None
    with open_live_events(services, by, after, may_read) as live:
        yield b"retry: 2000\n\n"
        while (news := await live.next(jobs.next_at)) is not None:
            for tell in (_records_and_devices, _alarms):
                told = partial(tell, services, query, render, news)
                # Most readers get the same.
                if data := await news.shared((tell, query.kind, query.did, render), told):
                    yield data
            if sees_jobs:
                jobs.note(news.changes)
                for job in await jobs.take():
                    yield b"event: job\n" + _data(msgspec.json.encode(job_fields(job)))
            # Counted, so they come after what is urgent, and not all at once.
            if may_see_people:
                moved.update(dict.fromkeys(_dids(services, "sync", news)))
            for did in list(moved)[:_MAX_COUNTED]:
                del moved[did]
                if query.did in (None, did):
                    sync = partial(_sync, services, did)
                    if data := await news.shared((_sync, did), sync):
                        yield data


async def _records_and_devices(
    services: Services, query: StreamQuery, render: Render, news: News
) -> bytes:
    frames = []
    for record in filter(query.wants, news.records):
        encode = partial(_record, record, render)
        frames.append(await news.shared((_record, record.seq, render), encode))
    frames += [
        b"event: device\n" + _data(_device(services, did))
        for did in _dids(services, "device", news)
        if query.did in (None, did)
    ]
    if news.beat:
        frames.append(b":\n\n")
    return b"".join(frames)


async def _alarms(services: Services, query: StreamQuery, render: Render, news: News) -> bytes:
    frames = []
    for change in news.alarms:
        if query.did is None or query.did in change.alarm.dids:
            encode = partial(_alarm, services, change, render)
            frames.append(await news.shared((_alarm, id(change), render), encode))
    return b"".join(frames)


async def _record(record: Record, render: Render) -> bytes:
    return b"id: %d\nevent: record\n%b" % (record.seq, _data(render(record)))


def _dids(services: Services, kind: str, news: News) -> list[str]:
    """The devices that have changed, in the order of the devices if that may be all."""
    dids = keys_of(kind, news.changes)
    return [view.did for view in services.cameras.devices.list()] if dids is None else sorted(dids)


def _data(json: bytes) -> bytes:
    return b"data: %b\n\n" % json


def _device(services: Services, did: str) -> bytes:
    try:
        return msgspec.json.encode(device_fields(services.cameras.devices.get(did)))
    except NoSuchResource:
        return msgspec.json.encode(RemovedDevice(did))


async def _sync(services: Services, did: str) -> bytes:
    """How far the people on a device are; empty if it was removed, or cannot be read now."""
    with suppress(NoSuchResource, CannotStoreNow, TooManyRequests):
        fields = sync_fields(await services.people.sync.of_device(did))
        return b"event: sync\n" + _data(msgspec.json.encode(fields))
    return b""


async def _alarm(services: Services, change: AlarmChange, render: Render) -> bytes:
    """An alarm with its record, which is asked for again while too many others ask."""
    while True:
        with suppress(TooManyRequests):
            event = await alarm_event(services, change, render)
            return b"event: alarm\n" + _data(msgspec.json.encode(event))
        await trio.sleep(_BUSY_SECONDS)


def _last_event_id() -> int | None:
    header = request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return None
    return seq_of(header, "Last-Event-ID")


def _may_read(services: Services, caller: auth.Caller) -> MayRead:
    who = caller.who
    if isinstance(who, User):
        return auth.remains(services, who)

    async def has_key() -> bool:
        return not isinstance(who, ApiKey) or services.access.api_keys.get(who.appid) is not None

    return has_key
