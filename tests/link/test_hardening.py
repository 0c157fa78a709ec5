"""Hostile and broken peers: silence, floods, half and huge frames, no reading; our own faults."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, wait_all_tasks_blocked
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from hub import metrics
from hub.errors import DeviceLeft, DeviceSilent
from hub.link.connection import DeviceLink
from hub.net.connection import Peer
from hub.net.connection_slots import ConnectionSlots, Limits
from hub.net.socket_stream import SocketStream
from tests.support.gate import ADDRESS, online
from tests.support.plug import Port, connected_camera, device_port

pytestmark = pytest.mark.jumping_clock

UPGRADE = (
    b"GET /any HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """All bytes until the hub closes the connection."""
    received = b""
    try:
        while chunk := await stream.receive_some():
            received += chunk
    except trio.BrokenResourceError:
        pass
    return received


async def upgraded(port: Port) -> trio.StapledStream:
    """A raw stream after the WebSocket upgrade."""
    stream = port.plug()
    await stream.send_all(UPGRADE)
    received = await stream.receive_some()
    assert received.startswith(b"HTTP/1.1 101")
    return stream


def limits_reached(limit: str) -> float:
    sample = metrics.REGISTRY.get_sample_value("sitehub_limits_reached_total", {"limit": limit})
    return sample or 0.0


def close_code(received: bytes) -> int:
    """The code of the close frame at the end."""
    at = received.rindex(b"\x88")
    return int.from_bytes(received[at + 2 : at + 4], "big")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHos", UPGRADE, UPGRADE + b"\x81"])
async def test_a_connection_without_a_frame_in_time_is_closed(begun: bytes) -> None:
    async with device_port(first_message_seconds=10) as port:
        stream = port.plug()
        if begun:
            await stream.send_all(begun)
        await everything(stream)
        assert trio.current_time() == pytest.approx(10, abs=2.1)


async def test_a_frame_sent_together_with_the_upgrade_is_handled() -> None:
    async with device_port() as port:
        stream = port.plug()
        (frame,) = fragments('{"msgid": "early", "data": {}}')
        await stream.send_all(UPGRADE + frame[:9])
        await stream.send_all(frame[9:])
        received = b""
        while b"early" not in received:
            received += await stream.receive_some()
        assert received.startswith(b"HTTP/1.1 101")


async def test_a_close_frame_without_a_code_is_answered_with_1000() -> None:
    async with device_port() as port:
        stream = await upgraded(port)
        await stream.send_all(b"\x88\x80mask")
        assert close_code(await everything(stream)) == 1000


async def test_half_a_frame_does_not_extend_the_deadline() -> None:
    async with device_port(first_message_seconds=10) as port:
        stream = await upgraded(port)
        await stream.send_all(b"\x81\xff")
        await everything(stream)
        assert trio.current_time() == pytest.approx(10, abs=2.1)


async def test_one_byte_a_second_does_not_extend_the_deadline() -> None:
    async with device_port(first_message_seconds=10) as port:
        stream = port.plug()

        async def trickle() -> None:
            for at in range(len(UPGRADE)):
                await stream.send_all(UPGRADE[at : at + 1])
                await trio.sleep(1)

        with pytest.raises(trio.BrokenResourceError):
            await trickle()
        assert trio.current_time() < 13


async def test_the_time_for_the_first_frame_begins_at_the_tcp_accept() -> None:
    async with device_port(first_message_seconds=10) as port:
        await trio.sleep(8)  # as a TLS handshake would take
        ours, theirs = trio.testing.memory_stream_pair()
        link = DeviceLink(
            ours,
            Peer(ADDRESS, 1, 0.0),
            port.site.config,
            port.deadlines,
            port.messages,
            trace=port.traces.open(),
            handle=port.dispatch.handle,
            on_ended=port.dispatch.on_ended,
        )
        port.nursery.start_soon(link.run)
        await everything(theirs)
        assert trio.current_time() == pytest.approx(10)


async def test_a_thousand_silent_connections_are_all_closed() -> None:
    async with device_port(first_message_seconds=10) as port:
        await port.site.enrol()
        streams = [port.plug() for _ in range(1000)]
        camera = await port.camera()
        assert (await camera.connect())["code"] == 200
        for stream in streams:
            await everything(stream)
        assert trio.current_time() < 13
        assert (await camera.ask("/heartbeat"))["code"] == 200


async def test_no_extension_is_accepted_so_nothing_inflates() -> None:
    async with device_port() as port:
        stream = port.plug()
        await stream.send_all(UPGRADE)
        assert b"extensions" not in (await stream.receive_some()).lower()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 3\r\n\r\nabc",
        b"\xff\xff\xff\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.Random(1).randbytes(64),
        UPGRADE.replace(b"Version: 13", b"Version: 8"),
        UPGRADE.replace(b"Host: hub", b"Host: h\xff\xfeb"),
        UPGRADE.replace(b"Host: hub", b"Host: xn--\xc3\xa4..b"),
        UPGRADE.replace(b"GET /any", b"GET /\xc3\xa4"),
        UPGRADE.replace(b"permessage-deflate", b"\xff\xfe"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        UPGRADE.replace(b"Connection: Upgrade", b"Connection: close"),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    ],
)
async def test_an_invalid_upgrade_is_refused_and_others_still_connect(request_head: bytes) -> None:
    async with device_port() as port:
        await port.site.enrol()
        stream = port.plug()
        await stream.send_all(request_head)
        received = await everything(stream)
        assert received == b"" or received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 101"))
        camera = await port.camera()
        assert (await camera.connect())["code"] == 200


@pytest.mark.parametrize(
    ("origin", "any_origin", "status"),
    [
        (b"https://evil.example", False, b"403"),
        (b"http://localhost:8080", False, b"403"),
        (b"http://[", False, b"403"),
        (b"null", False, b"403"),
        (b"https://evil.example", True, b"101"),
        # Of a page of the hub itself, and of libraries that put there whom they connect to.
        (b"https://HUB:8443", False, b"101"),
        (b"hub:8444", False, b"101"),
    ],
)
async def test_a_page_of_another_site_opens_no_websocket(
    origin: bytes, any_origin: bool, status: bytes
) -> None:
    async with device_port(any_origin=any_origin) as port:
        stream = port.plug()
        await stream.send_all(UPGRADE.replace(b"Host: hub", b"Host: hub\r\nOrigin: " + origin))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        # A name of somebody else whose address became the hub's own.
        (b"evil.example", b"403"),
        (b"evil.example:8444", b"403"),
        (b"site.example", b"403"),
        (b"hub.evil.example", b"403"),
        # Addresses belong to nobody else, and names of the hub's certificate are its own.
        (b"10.0.0.5:8444", b"101"),
        (b"[fd00::5]:8444", b"101"),
        (b"Hub:8444", b"101"),
        (b"cameras.site.example", b"101"),
    ],
)
async def test_a_page_reaches_the_hub_by_no_name_that_is_not_its_own(
    host: bytes, status: bytes
) -> None:
    async with device_port() as port:
        stream = port.plug()
        sent = b"Host: " + host + b"\r\nOrigin: http://" + host
        await stream.send_all(UPGRADE.replace(b"Host: hub", sent))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 " + status)


async def test_a_peer_that_leaves_before_it_is_refused_is_no_fault_of_the_hub() -> None:
    async with device_port() as port:
        await port.site.enrol()
        stream = port.plug()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        await stream.aclose()
        await wait_all_tasks_blocked()  # A fault would end the port.
        camera = await port.camera()
        assert (await camera.connect())["code"] == 200


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # no such opcode
        (b"\xc1\x80\0\0\0\0", 1002),  # a reserved bit: compressed
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in fragments
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # text that is not UTF-8
        (b"\x88\x81\0\0\0\0\x03", 1002),  # half a close code
        (b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002),  # a ping too long
    ],
)
async def test_a_frame_that_breaks_websocket_ends_the_connection_with_its_code(
    frame: bytes, code: int
) -> None:
    async with device_port() as port:
        stream = await upgraded(port)
        await stream.send_all(frame)
        assert close_code(await everything(stream)) == code


async def test_a_text_that_is_not_utf_8_gets_a_plain_reason() -> None:
    async with device_port() as port:
        stream = await upgraded(port)
        text = "门口".encode("gbk")
        await stream.send_all(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
        assert b"a text message must be UTF-8" in await everything(stream)


async def test_large_frames_are_accepted_only_after_a_good_connect() -> None:
    async with connected_camera(max_first_frame_kb=4, max_frame_kb=64) as (port, _, camera):
        assert (await camera.ask("/no/such", {"photo": "x" * 60_000}))["code"] == 404
        await camera.send("x" * 65_537)
        assert (await camera.ended())[0] == 1009
        stranger = await port.camera()
        await stranger.send(json.dumps({"photo": "x" * 4096}))
        assert (await stranger.ended())[0] == 1009


async def test_a_peer_cut_off_at_a_limit_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = limits_reached("frame"), limits_reached("first_message")
    async with device_port(max_first_frame_kb=4, first_message_seconds=10) as port:
        stranger = await port.camera()
        await stranger.send("x" * 4097)
        await stranger.ended()
        await everything(port.plug())
    assert limits_reached("frame") == before[0] + 1
    assert limits_reached("first_message") == before[1] + 1
    assert (
        f"a device at {ADDRESS} was disconnected: a message may have at most 4096 bytes"
        in caplog.text
    )
    assert f"a device at {ADDRESS} was disconnected: no frame came within 10 s" in caplog.text


async def test_the_limit_of_a_frame_is_in_bytes_not_in_characters() -> None:
    async with device_port(max_first_frame_kb=4) as port:
        camera = await port.camera()
        await camera.send("中" * 2000)
        assert (await camera.ended())[0] == 1009


async def test_a_frame_that_only_claims_to_be_large_takes_no_memory() -> None:
    async with device_port(max_first_frame_kb=4) as port:
        stream = await upgraded(port)
        await stream.send_all(b"\x81\xff" + (2**40).to_bytes(8, "big") + bytes(4) + b"x" * 5000)
        assert close_code(await everything(stream)) == 1009


@pytest.mark.parametrize("kind", ["a request", "half of JSON"])
@pytest.mark.jumping_clock(False)
async def test_a_large_frame_is_answered_like_a_small_one(kind: str) -> None:
    async with connected_camera() as (_, _, camera):
        photo = "x" * 300_000
        if kind == "a request":
            assert (await camera.ask("/no/such", {"photo": photo}))["code"] == 404
        else:
            await camera.send('{"msgid": "7", "data": {"photo": "' + photo)
            assert (await camera.receive())["data"]["code"] == 420
        assert (await camera.ask("/heartbeat"))["code"] == 200


@pytest.mark.parametrize("uri", ["/connect", "/token/update", "/heartbeat"])
async def test_a_request_of_the_protocol_may_have_64_kb(uri: str) -> None:
    async with connected_camera() as (_, _, camera):
        answer = await camera.ask(uri, {"more": "x" * 65_536})
        assert answer["code"] == 420
        assert answer["msg"].startswith("data.param: at most 65536 bytes")
        assert (await camera.ask("/heartbeat"))["code"] == 200


def fragments(*parts: str | bytes) -> list[bytes]:
    """A message as a client sends it, in one frame for each part."""
    client = Connection(ConnectionType.CLIENT)
    last = len(parts) - 1
    return [
        client.send(
            TextMessage(part, message_finished=at == last)
            if isinstance(part, str)
            else BytesMessage(part, message_finished=at == last)
        )
        for at, part in enumerate(parts)
    ]


async def test_a_message_in_fragments_is_one_message() -> None:
    async with device_port() as port:
        stream = await upgraded(port)
        text = json.dumps({"msgid": "中文", "data": {}}, ensure_ascii=False)
        for frame in fragments("", text[:12], "", text[12:], ""):
            for byte in frame:
                await stream.send_all(bytes([byte]))
        received = b""
        while b"}}" not in received:
            received += await stream.receive_some()
        assert json.loads(received[received.index(b"{") :])["msgid"] == "中文"


async def test_a_message_with_a_64_bit_length_may_come_in_two_pieces() -> None:
    """The first piece is as long as a frame of 127 bytes: its second byte has a 127 too."""
    async with device_port(max_first_frame_kb=128) as port:
        stream = await upgraded(port)
        text = json.dumps({"msgid": "whole", "data": {}}).encode().ljust(70_000)
        frame = b"\x81\xff" + len(text).to_bytes(8, "big") + bytes(4) + text
        await stream.send_all(frame[:133])
        await wait_all_tasks_blocked()
        await stream.send_all(frame[133:])
        received = await stream.receive_some()
        assert json.loads(received[received.index(b"{") :])["msgid"] == "whole"


async def test_endless_fragments_are_limited_in_memory_and_size() -> None:
    async with device_port(max_first_frame_kb=4) as port:
        stream = await upgraded(port)
        start, middle, *_ = fragments("", "", "")
        await stream.send_all(start + middle * 100)
        await wait_all_tasks_blocked()
        assert not port.links[0]._socket._fragments
        _, some, _ = fragments("x", "y" * 200, "z")
        await stream.send_all(some * 21)
        assert close_code(await everything(stream)) == 1009


async def test_a_device_beyond_its_rate_limit_is_slowed_not_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with device_port(max_requests_per_second=10, heartbeat_interval=60) as port:
        await port.site.enrol()
        await port.site.enrol("NEIGHBOUR")
        camera = await port.camera()
        await camera.connect()
        for _ in range(110):
            assert (await camera.ask("/heartbeat"))["code"] == 200
        assert trio.current_time() == pytest.approx(10, abs=0.2)
        started = trio.current_time()
        await (await port.camera("NEIGHBOUR")).connect()
        assert trio.current_time() == started
        assert sum("is slowed down" in line for line in caplog.messages) == 1


async def test_a_flood_of_pings_is_slowed() -> None:
    async with connected_camera(max_requests_per_second=10) as (_, _, camera):
        for _ in range(50):
            await camera.socket.ping()
        assert trio.current_time() >= 4


@pytest.mark.parametrize(
    "frame",
    [b"\x8a\x80\0\0\0\0", b"\x00\x80\0\0\0\0", b"\x00\x81\0\0\0\0x"],
    ids=["pongs", "empty fragments", "fragments of a byte"],
)
async def test_a_flood_of_empty_frames_is_slowed(
    frame: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with device_port(max_requests_per_second=10, first_message_seconds=10) as port:
        stream = await upgraded(port)
        # The close frame at the end is not reached in time.
        await stream.send_all(b"\x01\x80\0\0\0\0" + frame * 500 + b"\x88\x80\0\0\0\0")
        await everything(stream)
        assert trio.current_time() >= 10
        assert sum("is slowed down" in line for line in caplog.messages) == 1


async def unread(port: Port) -> tuple[DeviceLink, trio.abc.Stream]:
    """A link and the device's end of it; each send waits until the other end reads."""
    ours, theirs = lockstep_stream_pair()
    link = port.serve(ours)
    await theirs.send_all(UPGRADE)
    await theirs.receive_some()
    return link, theirs


async def test_a_device_that_does_not_read_its_answers_is_closed() -> None:
    async with device_port(max_requests_per_second=10) as port:
        await port.site.enrol()
        link, theirs = await unread(port)
        await theirs.send_all(fragments("not json")[0])
        # Half an answer was sent: no close frame follows.
        received = await everything_late(theirs, 25)
        assert b"\x88" not in received
        assert link._overdue.reason == "it did not read its answer in time"


async def test_a_device_that_does_not_read_a_request_is_closed() -> None:
    async with device_port() as port:
        link, theirs = await unread(port)
        with pytest.raises(DeviceLeft, match="did not read the request"):
            await link.request("/x", {}, seconds=60)
        assert trio.current_time() == pytest.approx(10)
        assert b"\x88" not in await everything(theirs)


async def test_a_request_cancelled_when_half_sent_closes_the_connection() -> None:
    async with device_port() as port:
        link, theirs = await unread(port)
        with trio.move_on_after(3):
            await link.request("/x", {}, seconds=60)
        # Nothing follows half a frame, not even a close frame.
        assert b"\x88" not in await everything(theirs)
        assert trio.current_time() < 10
        assert link._closing is not None


async def test_a_request_cancelled_while_another_is_sent_does_no_harm() -> None:
    async with device_port() as port, trio.open_nursery() as nursery:
        link, theirs = await unread(port)

        async def ask_for_photo() -> None:
            with pytest.raises(DeviceSilent):
                await link.request("/photo", {"photo": "x" * 1000}, seconds=1)

        nursery.start_soon(ask_for_photo)
        await wait_all_tasks_blocked()
        with trio.move_on_after(3):
            await link.request("/x", {}, seconds=60)
        assert link._closing is None
        assert b"photo" in await theirs.receive_some()


async def test_requests_through_a_small_socket_buffer_arrive_complete(
    mock_clock: MockClock,
) -> None:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with ours, theirs:
        async with device_port() as port, trio.open_nursery() as nursery:
            camera = SocketStream(theirs)
            link = port.serve(SocketStream(ours))
            await camera.send_all(UPGRADE)
            assert (await camera.receive_some()).startswith(b"HTTP/1.1 101")
            sizes = {"/1": 3000, "/2": 9000, "/3": 10, "/4": 40_000, "/5": 10, "/6": 3000}
            for uri, size in sizes.items():
                nursery.start_soon(partial(link.request, uri, "x" * size, seconds=60))
            await wait_all_tasks_blocked()
            reader, received = Connection(ConnectionType.CLIENT), ""
            while received.count("msgid") < len(sizes) or not received.endswith("}}"):
                reader.receive_data(await camera.receive_some(1000))
                received += "".join(
                    event.data for event in reader.events() if hasattr(event, "data")
                )
            asked = [json.loads(frame)["data"] for frame in re.findall(r"{.*?}}", received)]
            assert {one["uri"]: len(one["param"]) for one in asked} == sizes
            nursery.cancel_scope.cancel()


async def test_nothing_is_sent_after_half_a_request() -> None:
    async with device_port() as port, trio.open_nursery() as nursery:
        link, theirs = await unread(port)

        async def ask_too() -> None:
            with pytest.raises(DeviceLeft):
                await link.request("/too", {}, seconds=60)

        with trio.move_on_after(3):
            nursery.start_soon(ask_too)
            await link.request("/photo", {}, seconds=60)
        assert b"/too" not in await everything(theirs)


async def everything_late(stream: trio.abc.ReceiveStream, seconds: float) -> bytes:
    await trio.sleep(seconds)
    return await everything(stream)


async def test_a_peer_that_does_not_answer_the_close_is_not_waited_for() -> None:
    async with device_port() as port:
        stream = await upgraded(port)
        port.links[0].close("enough")
        await everything(stream)
        assert trio.current_time() <= 2


async def test_a_fault_in_a_handler_ends_only_its_own_connection() -> None:
    async with device_port() as port:
        await port.site.enrol()
        neighbour = await port.camera()
        await neighbour.connect()
        ours, theirs = trio.testing.memory_stream_pair()

        async def faulty(link: DeviceLink, message: Any) -> None:
            raise KeyError("a bug")

        async def take(link: DeviceLink) -> None:
            with pytest.raises(ExceptionGroup) as caught:
                await link.run()
            assert caught.group_contains(KeyError)
            ended.set()

        ended = trio.Event()
        peer = Peer(ADDRESS, 1, trio.current_time())
        port.nursery.start_soon(
            take,
            DeviceLink(
                ours,
                peer,
                port.site.config,
                port.deadlines,
                port.messages,
                trace=port.traces.open(),
                handle=faulty,
                on_ended=port.dispatch.on_ended,
            ),
        )
        await theirs.send_all(UPGRADE)
        await theirs.receive_some()
        await theirs.send_all(fragments("{}")[0])
        await ended.wait()
        assert (await neighbour.ask("/heartbeat"))["code"] == 200


async def test_pending_devices_beyond_the_limit_replace_each_other() -> None:
    async with device_port(max_waiting=10) as port:
        legitimate = await port.camera("LEGITIMATE", address="10.0.0.7")
        await legitimate.connect()
        flood = [await port.camera(f"FLOOD{n}", address="10.6.6.6") for n in range(12)]
        for camera in flood:
            await camera.send_connect()
        for camera in flood[:2]:
            await camera.ended()
        await trio.sleep(100)
        waiting = [row.sn for row in port.site.enrolment.waiting()]
        assert len(waiting) == 10
        assert "LEGITIMATE" in waiting
        assert legitimate.socket.closed is None


async def test_enrolled_cameras_without_a_did_do_not_count_as_pending() -> None:
    """All cameras of a site may connect for the first time at once; each gets its parameters."""
    async with device_port(max_waiting=10, require_did="auto") as port:
        cameras = []
        for number in range(30):
            await port.site.enrol(f"SN{number}")
            cameras.append(await port.camera(f"SN{number}"))
        for camera in cameras:
            assert (await camera.connect())["code"] == 421
        for camera in cameras:
            offer = await camera.receive()
            await camera.send({"msgid": offer["msgid"], "data": {"code": 404}})
            assert (await camera.connect())["code"] == 200
        assert online(port.site) == 30


async def test_random_bytes_never_raise_from_a_link() -> None:
    """Random bytes after the upgrade raise no error of the hub."""
    async with device_port() as port:
        for size in (1, 2, 7, 50, 300, 5000):
            for _ in range(20):
                stream = await upgraded(port)
                await stream.send_all(os.urandom(size))
                await stream.aclose()
        await wait_all_tasks_blocked()
        camera = await port.camera()
        assert (await camera.connect())["code"] == 421


async def test_a_camera_that_connects_again_and_again_keeps_one_place() -> None:
    """Its earlier connections take 2 s each to end if it does not answer their close frames."""
    slots = ConnectionSlots(Limits(connections=4, per_address=4))
    async with device_port() as port:
        await port.site.enrol()
        kept = []
        for _ in range(3):
            camera = await port.camera()
            kept.append(slots.take(ADDRESS, lambda: None))
            camera.link._slot = kept[-1]
            assert (await camera.connect())["code"] == 200
            # From now on it is deaf.
            camera.socket._stream.receive_stream.close()
        assert [slot.is_kept for slot in kept] == [False, False, True]
