from __future__ import annotations

from sys import getsizeof

import pytest
import trio

from hub.live.frame_ring import (
    MAX_DEVICE_RING_BYTES,
    MAX_STRANGER_LENGTH,
    MAX_STRANGER_RING_BYTES,
    MAX_WHOLE_LENGTH,
    ConnectionEnded,
    FrameRing,
    Shortened,
    TracedUpload,
)
from hub.live.frame_trace import (
    MAX_ATTEMPTS,
    MAX_FRAMES,
    MAX_PENDING,
    MAX_UPLOADS,
    FrameTraces,
)
from tests.support.clock import NOON
from tests.support.traces import new_traces

ADDRESS = "192.168.1.20"
UPLOAD = TracedUpload("POST", "/api/v1/vehicle/capture", 200, 200, "OK", 0.01, 9)


@pytest.fixture
def traces() -> FrameTraces:
    return new_traces()


def kept(traces: FrameTraces, sn: str = "SN1", address: str = "") -> list[object]:
    return [entry.kept for entry in traces.entries(sn, address)]


def weight(ring: FrameRing) -> int:
    """Bytes of memory for the frames alone."""
    kept = [entry.kept for entry in ring.entries()]
    return sum(getsizeof(one.text if isinstance(one, Shortened) else one) for one in kept)


def test_the_last_frames_of_both_directions_are_kept_in_order(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    ring.received("a")
    ring.sent("b")
    assert [(e.direction, e.kept, e.at) for e in traces.entries("SN1", "")] == [
        ("in", "a", NOON),
        ("out", "b", NOON),
    ]
    for number in range(MAX_FRAMES):
        ring.received(str(number))
    assert kept(traces) == [str(number) for number in range(MAX_FRAMES)]


def test_frames_before_the_serial_number_are_found_by_it(traces: FrameTraces) -> None:
    ring = traces.open()
    ring.received("garbage")
    assert kept(traces) == []
    traces.attempted(ring, "SN1")
    ring.sent("refused")
    assert kept(traces) == ["garbage", "refused"]
    assert traces.admitted(ring, "SN1") is not ring
    assert kept(traces) == ["garbage", "refused"]


def test_frames_before_the_serial_number_are_new_to_a_follower(traces: FrameTraces) -> None:
    early, watched = traces.open(), traces.admitted(traces.open(), "SN1")
    early.received("garbage")
    watched.received("a")
    place = traces.entries("SN1", "")[-1].number
    traces.attempted(early, "SN1")
    assert [e.kept for e in traces.entries("SN1", "") if e.number > place] == ["garbage"]


def test_a_device_keeps_its_frames_over_its_connections(traces: FrameTraces) -> None:
    first = traces.admitted(traces.open(), "SN1")
    first.received("a")
    traces.ended(first, "the peer left")
    second = traces.open()
    second.received("b")
    traces.attempted(second, "SN1")
    assert traces.admitted(second, "SN1") is first
    assert kept(traces) == ["a", ConnectionEnded("the peer left"), "b"]


def test_a_stranger_with_its_serial_number_pushes_no_frame_of_a_device_out(
    traces: FrameTraces,
) -> None:
    traces.admitted(traces.open(), "SN1").received("own")
    for _ in range(3):
        stranger = traces.open()
        traces.attempted(stranger, "SN1")
        for number in range(2 * MAX_ATTEMPTS):
            stranger.received(f"attempt {number}")
        traces.ended(stranger, "refused")
    assert kept(traces)[0] == "own"
    assert len(kept(traces)) == 1 + MAX_ATTEMPTS


def test_open_connections_with_one_serial_number_are_limited(
    traces: FrameTraces,
) -> None:
    rings = [traces.open() for _ in range(MAX_PENDING + 4)]
    for number, ring in enumerate(rings):
        ring.received(f"attempt {number}")
        traces.attempted(ring, "SN1")
    rings[0].received("not followed any more")
    assert kept(traces) == [f"attempt {number}" for number in range(len(rings))]
    traces.ended(rings[0], "it left")
    assert traces.admitted(rings[1], "SN1").entries() == []


def test_no_burst_of_uploads_pushes_a_frame_out(traces: FrameTraces) -> None:
    traces.admitted(traces.open(), "SN1").received("own")
    for _ in range(2 * MAX_UPLOADS):
        traces.add_upload("SN1", UPLOAD)
    assert kept(traces)[0] == "own"
    assert len(kept(traces)) == 1 + MAX_UPLOADS


def test_an_upload_without_a_device_is_shown_with_all_at_its_address(traces: FrameTraces) -> None:
    traces.admitted(traces.open(), "SN1").received("a")
    traces.add_upload_from(ADDRESS, UPLOAD)
    assert kept(traces, address=ADDRESS) == ["a", UPLOAD]
    assert kept(traces, "SN2", ADDRESS) == [UPLOAD]
    assert kept(traces, "SN2", "10.0.0.1") == []
    for number in range(2000):
        traces.add_upload_from(f"10.0.{number // 250}.{number % 250}", UPLOAD)
    assert kept(traces, "SN2", ADDRESS) == []


def test_a_connection_that_names_another_serial_number_takes_its_frames_along(
    traces: FrameTraces,
) -> None:
    ring = traces.open()
    traces.attempted(ring, "SN1")
    ring.received("a")
    traces.attempted(ring, "SN2")
    assert (kept(traces, "SN1"), kept(traces, "SN2")) == ([], ["a"])


def test_a_connection_admitted_as_another_device_leaves_the_first_ones_frames(
    traces: FrameTraces,
) -> None:
    first = traces.admitted(traces.open(), "SN1")
    first.received("a")
    second = traces.admitted(first, "SN2")
    second.received("b")
    assert (kept(traces, "SN1"), kept(traces, "SN2")) == (["a"], ["b"])


def test_the_oldest_pending_serial_number_makes_room() -> None:
    traces = new_traces(max_pending=3)
    for number in range(5):
        ring = traces.open()
        traces.attempted(ring, f"SN{number}")
        ring.received("a")
    assert [kept(traces, f"SN{number}") for number in range(5)] == [[], [], ["a"], ["a"], ["a"]]


def test_a_flood_of_serial_numbers_does_not_push_out_a_listed_one() -> None:
    traces = new_traces(listed={"SN1"}, max_pending=3)
    ring = traces.open()
    ring.received("looked for")
    traces.attempted(ring, "SN1")
    for number in range(100):
        traces.attempted(traces.open(), f"FLOOD{number}")
    assert kept(traces) == ["looked for"]


def test_cameras_that_are_admitted_push_out_nothing() -> None:
    traces = new_traces(max_pending=2)
    ring = traces.open()
    ring.received("looked for")
    traces.attempted(ring, "SN1")
    for number in range(5):
        camera = traces.open()
        traces.attempted(camera, f"CAMERA{number}")
        traces.admitted(camera, f"CAMERA{number}")
    assert kept(traces) == ["looked for"]


def test_if_all_are_listed_the_oldest_makes_room() -> None:
    traces = new_traces(listed={f"SN{number}" for number in range(5)}, max_pending=3)
    for number in range(5):
        ring = traces.open()
        ring.received("a")
        traces.attempted(ring, f"SN{number}")
    assert [kept(traces, f"SN{number}") for number in range(5)] == [[], [], ["a"], ["a"], ["a"]]


def test_a_serial_number_that_made_room_returns_with_its_next_connect() -> None:
    traces = new_traces(max_pending=1)
    ring = traces.open()
    traces.attempted(ring, "SN1")
    traces.attempted(traces.open(), "SN2")
    traces.attempted(ring, "SN1")
    ring.received("a")
    assert kept(traces, "SN1") == ["a"]


def test_a_forgotten_device_starts_empty(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    ring.received("a")
    traces.add_upload("SN1", UPLOAD)
    traces.forget("SN1")
    ring.received("b")
    traces.ended(ring, "the device was removed")
    assert kept(traces) == []
    pending = traces.open()
    traces.attempted(pending, "SN1")
    pending.received("c")
    assert kept(traces) == ["c"]
    traces.forget("SN1")
    assert kept(traces) == []
    traces.forget("SN1")


def test_a_long_frame_is_shortened_and_its_size_kept(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    ring.received('{"msgid": "1", "photo": "' + "é" * (MAX_WHOLE_LENGTH + 1) + '"}')
    (entry,) = ring.entries()
    size = 2 * MAX_WHOLE_LENGTH + 29
    assert entry.kept == Shortened('{"msgid": "1", "photo": "[8.2 KB]"}', size)


def test_only_the_beginning_of_a_strangers_long_frame_is_redacted() -> None:
    looked_at: list[str | bytes] = []
    traces = FrameTraces(
        lambda: NOON,
        lambda frame: str(looked_at.append(frame)),
        is_listed=lambda sn: False,
        max_pending=1,
    )
    ring = traces.open()
    for frame in ("{" * 60_000, b"{" * 60_000):
        ring.received(frame)
    assert looked_at == ["{" * MAX_STRANGER_LENGTH, b"{" * MAX_STRANGER_LENGTH]
    assert [entry.kept for entry in ring.entries()] == [Shortened("None", 60_000)] * 2
    traces.admitted(ring, "SN1").received("{" * 60_000)
    assert looked_at[-1] == "{" * 60_000


def test_a_medium_frame_is_kept_unchanged(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    frame = "a" * MAX_WHOLE_LENGTH
    for _ in range(MAX_FRAMES):
        ring.sent(frame)
    kept = [entry.kept for entry in ring.entries()]
    assert all(one is frame for one in kept)
    assert 0 < len(kept) * MAX_WHOLE_LENGTH <= MAX_DEVICE_RING_BYTES


def test_long_frames_are_limited_by_their_memory(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    for _ in range(MAX_FRAMES):
        ring.received('{"a": "中文 b", ' * 1000)
    assert 0 < weight(ring) <= MAX_DEVICE_RING_BYTES


def test_refused_uploads_with_long_methods_are_limited_by_their_memory(
    traces: FrameTraces,
) -> None:
    for number in range(20):
        method = f"{number:016000}"
        traces.add_upload_from(ADDRESS, TracedUpload(method, "/", 404, 404, "", 0.01, 0))
    methods = [one.method for one in kept(traces, "", ADDRESS) if isinstance(one, TracedUpload)]
    assert methods[-1] == f"{19:016000}"
    assert sum(map(getsizeof, methods)) <= MAX_STRANGER_RING_BYTES


def test_the_devices_used_least_recently_make_room_for_the_others() -> None:
    traces = new_traces(max_bytes=500_000)
    rings = {f"SN{number}": traces.admitted(traces.open(), f"SN{number}") for number in range(8)}
    for sn in rings:
        traces.add_upload(sn, UPLOAD)
    for ring in rings.values():
        for _ in range(MAX_FRAMES):
            ring.received("a" * 300)
        rings["SN0"].sent("still here")
    numbers = [len(kept(traces, sn)) for sn in rings]
    assert numbers[0] > MAX_FRAMES
    assert numbers[1] == 0
    assert len(rings["SN7"].entries()) == MAX_FRAMES
    assert sum(map(weight, rings.values())) < 500_000
    rings["SN1"].received("again")
    assert kept(traces, "SN1") == ["again"]


def test_no_flood_of_a_stranger_takes_room_from_a_device() -> None:
    traces = new_traces(max_bytes=100_000)
    traces.admitted(traces.open(), "SN1").received("own")
    for number in range(100):
        stranger = traces.open()
        traces.attempted(stranger, f"SN{number}")
        for _ in range(100):
            stranger.received("a" * 4000)
    assert kept(traces)[0] == "own"


def test_a_removed_device_leaves_its_room_to_others() -> None:
    traces = new_traces(max_bytes=100_000)
    for number in range(100):
        ring = traces.admitted(traces.open(), f"SN{number}")
        ring.received("a" * 4000)
        traces.forget(f"SN{number}")
        traces.ended(ring, "the device was removed")
    ring = traces.admitted(traces.open(), "SN")
    for _ in range(20):
        ring.received("a" * 4000)
    assert len(kept(traces, "SN")) == 20


def test_numbers_continue_after_a_restart() -> None:
    before = new_traces(lambda: NOON)
    ring = before.admitted(before.open(), "SN1")
    for _ in range(100):
        ring.received("a")
    after = new_traces(lambda: NOON + 1)
    after.admitted(after.open(), "SN1").received("b")
    assert after.entries("SN1", "")[0].number > before.entries("SN1", "")[-1].number


async def test_a_follower_is_woken_by_the_next_entry(traces: FrameTraces) -> None:
    ring = traces.admitted(traces.open(), "SN1")
    with traces.watch("SN1", ADDRESS) as first, traces.watch("SN1") as second:
        traces.admitted(traces.open(), "SN2").received("not this")
        assert not first.is_set()
        ring.received("a")
        assert (first.is_set(), second.is_set()) == (True, True)
    with traces.watch("SN1", ADDRESS) as third, trio.fail_after(30):
        traces.add_upload_from(ADDRESS, UPLOAD)
        await third.wait()
    assert traces.watched == {}
