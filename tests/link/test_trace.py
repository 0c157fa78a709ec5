"""The frames that a device link traces."""

from __future__ import annotations

import pytest
import trio

from hub.live.frame_ring import ConnectionEnded, TraceEntry
from hub.wire.redaction import redact_frame
from tests.support.gate import SN
from tests.support.plug import Port, connected_camera, device_port

pytestmark = pytest.mark.jumping_clock


def traced(port: Port, sn: str = SN) -> list[str]:
    """Each frame as its direction and its uri or code."""
    return [_named(entry) for entry in port.traces.entries(sn, "")]


def _named(entry: TraceEntry) -> str:
    if isinstance(entry.kept, ConnectionEnded):
        return f"ended: {entry.kept.reason}"
    assert isinstance(entry.kept, str | bytes)
    text = redact_frame(entry.kept)
    what = text.partition('"code": ')[2][:3] or text.partition('"uri": "')[2].partition('"')[0]
    return f"{entry.direction} {what}"


async def test_everything_is_kept_both_ways() -> None:
    async with connected_camera() as (port, device, camera):
        await camera.ask("/heartbeat")
        link = port.site.registry.get(device.did)
        assert link is not None
        port.nursery.start_soon(_ask, link)
        request = await camera.receive()
        await camera.send({"msgid": request["msgid"], "data": {"code": 0}})
        await camera.ask("/heartbeat", token="nonsense")
        assert traced(port) == [
            *("in /connect", "out 200"),
            *("in /heartbeat", "out 200"),
            *("out /person/query", "in 0}}"),
            *("in /heartbeat", "out 401"),
        ]


async def _ask(link: object) -> None:
    await link.request("/person/query", {"pid": "1"}, seconds=5)  # type: ignore[attr-defined]


async def test_the_trace_continues_over_connections_and_has_the_reason_of_each_end() -> None:
    async with device_port() as port:
        await port.site.enrol()
        first = await port.camera()
        await first.connect()
        second = await port.camera()
        await second.connect()
        await first.ended()
        assert sorted(traced(port)) == sorted(
            [
                *("in /connect", "out 200") * 2,
                "ended: the device connected again",
            ]
        )


async def test_frames_of_a_refused_device_are_kept_when_it_is_admitted() -> None:
    async with device_port() as port:
        camera = await port.camera()
        await camera.send("garbage")
        await camera.receive()
        assert (await camera.connect())["code"] == 421
        assert traced(port) == ["in ", "out 420", "in /connect", "out 421"]
        await port.site.enrol()
        assert (await camera.connect())["code"] == 200
        assert traced(port)[-4:] == ["in /connect", "out 421", "in /connect", "out 200"]


async def test_a_connect_with_only_a_serial_number_is_found_by_it() -> None:
    async with device_port() as port:
        camera = await port.camera()
        assert (await camera.ask("/connect", {"sn": SN, "sign": ["?"]}))["code"] == 420
        assert traced(port) == ["in /connect", "out 420"]
        assert (await camera.ask("/connect", {"sn": ["?"]}))["code"] == 420
        assert traced(port)[2:] == ["in /connect", "out 420"]


async def test_a_frame_is_traced_before_its_answer_is_delayed() -> None:
    async with device_port() as port:
        await port.site.enrol()
        camera = await port.camera()
        for _ in range(5):
            await camera.connect(code="WRONG")
        await camera.send_connect(code="1")
        await trio.sleep(0.5)
        assert traced(port)[-2:] == ["out 423", "in /connect"]
