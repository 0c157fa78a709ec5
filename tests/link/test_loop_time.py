"""No message of a device keeps the event loop for 20 ms, in a whole link and in a whole upload.

`tests/wire/test_message_cost.py` tries all kinds of messages on the functions alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
from wsproto.events import BytesMessage, TextMessage

from hub.config import WebConfig
from hub.services.records.ingest import Ingest
from hub.store.opening import open_store
from hub.store.tables.devices import NewDevice
from tests.support.best_of_tries import Tries
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.device_call import Call
from tests.support.hostile_messages import KB, contents, message, places
from tests.support.known_abilities import KnownAbilities
from tests.support.loop_steps import measured_steps
from tests.support.plug import connected_camera
from tests.support.web import services
from tests.wire.test_message_cost import MOST_SECONDS
from web.device_api.uploads import device_api
from web.http.bodies import Bodies

PLACES = places()
SHAPES = ("plain", "backslashes", "escaped quotes", "no UTF-8", "three bytes", "colons", "rows")
HEARTBEAT = {"uri": "/heartbeat", "param": {}}
_PART_BYTES = 64 * KB


async def check(name: str, send: Callable[[], Awaitable[None]]) -> None:
    """Check that the tasks of this name take no long step while something is sent."""
    tries = Tries(MOST_SECONDS)
    while tries.go_on():
        with measured_steps(name) as steps:
            await send()
        assert steps.longest > 0
        tries.add(steps.longest)
    assert tries.is_within_bound, tries


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_message_of_the_largest_size_keeps_the_loop(shape: str) -> None:
    place = PLACES["frame, msg"]
    sent = message(place, contents()[shape], place.largest * KB)
    event = BytesMessage if shape == "no UTF-8" else TextMessage
    async with connected_camera() as (_, _, camera):
        data: Any = sent if event is BytesMessage else sent.decode()

        async def send() -> None:
            await camera.socket._send(event(data))
            await camera.send({"msgid": "end", "token": camera.token, "data": HEARTBEAT})
            while (await camera.receive())["msgid"] != "end":
                pass  # The hub may have refused the message.

        await check("DeviceLink", send)


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_upload_of_the_largest_size_keeps_the_loop(
    tmp_path: Path, clock: FrozenClock, shape: str
) -> None:
    place = PLACES["face, extra field"]
    sent = message(place, contents()[shape], place.largest * KB)
    async with open_store(tmp_path, now=clock, on_records=lambda records: None) as store:
        (gate,) = await store.devices.add([NewDevice(sn="SN1", code="a", name="Gate")])
        parts: Any = services()
        parts.cameras.authentication.tokens["good"] = gate
        site: Any = SimpleNamespace(zone=lambda: ZoneInfo("Asia/Shanghai"))
        nothing: Any = None
        core = core_of(store, clock, site=site)
        parts.records.ingest = Ingest(core, nothing, nothing, nothing, KnownAbilities())
        api = device_api(parts, Bodies(WebConfig()))
        await check("upload_of", partial(upload_of, api, sent))


async def upload_of(api: Any, sent: bytes) -> None:
    async def upload_of() -> None:
        await api(call.scope, receive, call.send)

    async def receive() -> Any:
        await trio.lowlevel.checkpoint()
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    left = [sent[at : at + _PART_BYTES] for at in range(0, len(sent), _PART_BYTES)]
    call = Call(length=len(sent))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upload_of)
    assert call.status in (200, 400)
