"""The device HTTP interface: the table of D5 row by row, with fakes of admission and ingest."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub import metrics
from hub.errors import (
    BadParameter,
    CannotStoreNow,
    ClientTooOld,
    DeviceNotRegistered,
    HubError,
    InvalidAppId,
    NoSuchResource,
    NotAuthorised,
    UnknownEventType,
    WrongSignature,
)
from hub.net.byte_budget import SENDER_DIVISOR
from hub.services.admission.unsigned.paths import hash_path
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.users import User
from hub.wire.signing import body_md5
from tests.support.clock import NOON
from tests.support.device_call import FACE, Call, ask
from tests.support.web import GATE, Device, services
from web.auth.api import Caller
from web.device_api.uploads import MAX_WAIT_SECONDS, device_api, is_of_devices, on_plain_port
from web.http import budget
from web.http.bodies import Bodies
from web.http.budget import BodySender

PATHS = {
    ("POST", FACE): "face",
    ("POST", "/api/v1/device/report/info"): "device_info",
    ("POST", "/api/v1/ota/query"): "ota_query",
    ("POST", "/api/v1/device/report/event"): "event",
    ("POST", "/api/v1/vehicle/capture"): "vehicle",
    ("POST", "/api/v1/adapter/lenfocus/vehicle/capture"): "vehicle",
    ("POST", "/api/v1/face/capture"): "face",
    ("PUT", "/api/v1/access/record"): "access",
    ("POST", "/api/v1/access/record"): "access",
    ("POST", "/api/v1/access/upload/base64img"): "base64img",
}


@pytest.fixture
def parts() -> Any:
    return services()


@pytest.fixture
def api(parts: Any) -> Any:
    return device_api(parts, Bodies(parts.config.web))


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_each_path_of_the_specification_and_of_d8_is_served(
    api: Any, parts: Any, method: str, path: str
) -> None:
    call = await ask(api, b'{"a": 1}', method=method, path=path)
    assert call.outcome == (200, 200)
    assert parts.records.ingest.taken == [(PATHS[method, path], GATE, b'{"a": 1}')]


@pytest.mark.parametrize(
    "path", [FACE + "/", "/" + FACE, "//api/v1//adapter/lenfocus/face/capture"]
)
async def test_extra_slashes_in_a_path_are_ignored(api: Any, path: str) -> None:
    assert (await ask(api, path=path)).outcome == (200, 200)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", FACE), ("PUT", FACE), ("POST", "/api/v1/x"), ("POST", "/api/v1/server/time")],
)
async def test_any_other_path_or_method_is_404_in_the_protocols_form(
    api: Any, method: str, path: str
) -> None:
    call = await ask(api, method=method, path=path, token=None)
    assert call.outcome == (404, 404)
    assert path in call.json["msg"]
    assert not call.wanted


async def test_the_address_of_a_camera_with_a_token_is_known(api: Any, parts: Any) -> None:
    await ask(api, token="bad")
    assert "10.0.0.8" not in parts.access.known_addresses
    await ask(api)
    assert "10.0.0.8" in parts.access.known_addresses


async def test_the_secret_of_an_unsigned_camera_stands_for_a_token_and_is_not_traced(
    api: Any, parts: Any
) -> None:
    secret = "/c/" + 22 * "k"
    parts.cameras.authentication.by_paths[hash_path(secret), "10.0.0.8"] = GATE
    for path in (f"{secret}{FACE}", f"/{secret}/{FACE}/"):
        assert is_of_devices(path)
        assert (await ask(api, path=path, token=None)).outcome == (200, 200)
    assert [kind for kind, _, _ in parts.records.ingest.taken] == ["face", "face"]
    assert 22 * "k" not in repr(parts.cameras.trace.uploads)
    for path in (f"/c/{22 * 'x'}{FACE}", f"/c/{21 * 'k'}{FACE}"):
        assert (await ask(api, path=path, token="good")).outcome in ((401, 401), (404, 404))
    other = await ask(api, path=f"{secret}{FACE}", token=None, address="10.0.0.9")
    assert other.outcome == (401, 401)
    assert len(parts.records.ingest.taken) == 2


async def test_d8_the_time_needs_no_token(api: Any) -> None:
    call = Call("GET", "/api/v1/server/time", token=None)
    await api(call.scope, call.receive, call.send)
    assert call.status == 200
    assert call.json == {"code": 200, "msg": "OK", "data": {"time": int(NOON)}}


@pytest.mark.parametrize("token", [None, "", "bad", "good good", "gut\xe9"])
async def test_d5_authentication_without_a_valid_token_is_401_and_no_body_is_read(
    api: Any, parts: Any, token: str | None
) -> None:
    call = await ask(api, token=token)
    assert call.outcome == (401, 401)
    assert not call.wanted
    assert parts.records.ingest.taken == []


@pytest.mark.parametrize("header", [b"bearer good", b"BEARER  good", b"Bearer good "])
async def test_the_scheme_bearer_is_case_insensitive(api: Any, header: bytes) -> None:
    call = Call(token=None, length=2)
    call.scope["headers"] = [(b"authorization", header), (b"content-length", b"2")]
    call.body(b"{}")
    await api(call.scope, call.receive, call.send)
    assert call.outcome == (200, 200)


async def test_another_scheme_is_not_a_token(api: Any) -> None:
    call = Call(token=None)
    call.scope["headers"] = [(b"authorization", b"Basic good")]
    await api(call.scope, call.receive, call.send)
    assert call.outcome == (401, 401)


async def test_d5_authentication_by_the_signature_of_three(api: Any, parts: Any) -> None:
    seen: list[dict[str, str]] = []

    def by_sign(query: dict[str, str]) -> Any:
        seen.append(query)
        return GATE

    parts.cameras.authentication.on_signature = by_sign
    body = b'{"a": 1}'
    query = f"appid=A%2B1&ts=1&empty=&sign=S&body_md5={body_md5(body)}"
    assert (await ask(api, body, token=None, query=query)).outcome == (200, 200)
    assert seen == [
        {"appid": "A+1", "ts": "1", "empty": "", "sign": "S", "body_md5": body_md5(body)}
    ]


async def test_d5_body_md5_must_match_the_body(api: Any, parts: Any) -> None:
    parts.cameras.authentication.on_signature = lambda query: GATE
    query = f"appid=A&ts=1&sign=S&body_md5={body_md5(b'other')}"
    call = await ask(api, token=None, query=query)
    assert call.outcome == (200, 423)
    assert "body_md5" in call.json["msg"]
    assert parts.records.ingest.taken == []


@pytest.mark.parametrize("required", [True, False])
async def test_a_signed_upload_without_tls_signs_its_body_unless_a_setting_says_otherwise(
    required: bool,
) -> None:
    parts = services(devices={"plain_body_md5": required})
    parts.cameras.authentication.on_signature = lambda query: GATE
    api = device_api(parts, Bodies(parts.config.web))
    query = "appid=A&ts=1&sign=S"
    assert (await ask(api, token=None, query=query)).outcome == (200, 200)
    call = await ask(on_plain_port(api), token=None, query=query)
    assert call.outcome == ((200, 423) if required else (200, 200))
    assert not required or "body_md5" in call.json["msg"]
    signed = f"{query}&body_md5={body_md5(b'{}')}"
    assert (await ask(on_plain_port(api), token=None, query=signed)).outcome == (200, 200)
    assert (await ask(on_plain_port(api))).outcome == (200, 200)


async def test_d5_an_appid_without_a_sign_is_423(api: Any) -> None:
    for query in ("appid=A&ts=1", "appid=A&ts=1&sign="):
        call = await ask(api, token=None, query=query)
        assert call.outcome == (200, 423)
        assert "sign" in call.json["msg"]


@pytest.mark.parametrize("error", [InvalidAppId(), WrongSignature()])
async def test_d6_errors_of_admission_about_a_signature_are_answered(
    api: Any, parts: Any, error: HubError
) -> None:
    def refuse(query: dict[str, str]) -> Any:
        raise error

    parts.cameras.authentication.on_signature = refuse
    call = await ask(api, token=None, query="appid=A&ts=1&sign=S")
    assert call.outcome == (200, error.code)
    assert not call.wanted


async def test_a_flood_of_query_parameters_is_420(api: Any) -> None:
    call = await ask(api, query="&".join(f"a{i}=1" for i in range(100)))
    assert call.outcome == (200, 420)


async def test_d8_token_alone_is_the_default(api: Any, parts: Any) -> None:
    parts.cameras.authentication.online_from[GATE.sn, "10.0.0.8"] = GATE
    assert (await ask(api, b'{"sn": "%s"}' % GATE.sn.encode(), token=None)).outcome == (401, 401)


class TestTokenOrAddress:
    """D8: `devices.http_auth = "token-or-address"`."""

    @pytest.fixture
    def parts(self) -> Any:
        parts = services(devices={"http_auth": "token-or-address"})
        parts.cameras.authentication.online_from[GATE.sn, "10.0.0.8"] = GATE
        return parts

    @pytest.mark.parametrize("token", [None, "expired"])
    async def test_the_sn_of_an_online_device_at_that_address_suffices(
        self, api: Any, parts: Any, token: str | None
    ) -> None:
        body = b' {"time": 1, "sn": "%s"}' % GATE.sn.encode()
        assert (await ask(api, body, token=token)).outcome == (200, 200)
        assert parts.records.ingest.taken == [("face", GATE, body)]

    @pytest.mark.parametrize(
        "body", [b"{}", b'{"sn": "other"}', b'{"sn": ""}', b'{"sn": []}', b"data:image/jpeg;", b""]
    )
    async def test_a_body_without_the_sn_of_such_a_device_is_401(
        self, api: Any, body: bytes
    ) -> None:
        assert (await ask(api, body, token=None)).outcome == (401, 401)

    async def test_an_unknown_did_is_421(self, api: Any, parts: Any) -> None:
        body = b'{"sn": "%s", "did": "nobody"}' % GATE.sn.encode()
        assert (await ask(api, body, token=None)).outcome == (200, 421)
        assert not parts.records.ingest.taken

    async def test_no_body_is_read_from_an_address_without_devices(self, api: Any) -> None:
        call = await ask(api, b'{"sn": "%s"}' % GATE.sn.encode(), token=None, address="10.0.0.9")
        assert call.outcome == (401, 401)
        assert not call.wanted

    async def test_a_device_named_like_an_address_has_no_part_in_its_quota(
        self, autojump_clock: MockClock
    ) -> None:
        parts = services(devices={"http_auth": "token-or-address", "max_requests_per_second": 8})
        parts.cameras.authentication.online_from[GATE.sn, "10.0.0.8"] = GATE
        parts.cameras.authentication.tokens["named"] = Device("10.0.0.8", "SN9")
        api = device_api(parts, Bodies(parts.config.web))
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(partial(ask, api, token="named", address="10.0.0.66"))
            await wait_all_tasks_blocked()
            body = b'{"sn": "%s"}' % GATE.sn.encode()
            assert (await ask(api, body, token=None)).outcome == (200, 200)
            assert trio.current_time() == 0

    async def test_deep_nesting_is_420(self, api: Any) -> None:
        assert (await ask(api, b"[" * 100_000, token=None)).outcome == (200, 420)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadParameter("a number is expected", field="time"), 200),
        (DeviceNotRegistered(), 200),
        (InvalidAppId(), 200),
        (WrongSignature(), 200),
        (UnknownEventType(), 200),
        (ClientTooOld(), 200),
        (NoSuchResource(), 200),
        (NotAuthorised(), 401),
        (CannotStoreNow("the disk is full", retry_after=7), 503),
    ],
)
async def test_d5_http_status_of_errors_of_ingest(
    api: Any, parts: Any, error: HubError, status: int
) -> None:
    async def refuse() -> None:
        raise error

    parts.records.ingest.before = refuse
    call = await ask(api)
    assert call.outcome == (status, error.code)
    assert call.json["msg"] == error.message
    assert call.headers.get(b"retry-after") == (b"7" if status == 503 else None)


async def test_d5_200_comes_only_after_the_commit(api: Any, parts: Any) -> None:
    committed = trio.Event()
    parts.records.ingest.before = committed.wait
    call = Call(length=2)
    call.body(b"{}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api, call.scope, call.receive, call.send)
        await wait_all_tasks_blocked()
        assert call.status == 0
        committed.set()
    assert call.outcome == (200, 200)


async def test_hanging_up_after_the_body_does_not_disturb_the_commit(api: Any, parts: Any) -> None:
    committed = trio.Event()
    parts.records.ingest.before = committed.wait
    call = Call(length=2)
    call.body(b"{}")
    call.hang_up()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api, call.scope, call.receive, call.send)
        await wait_all_tasks_blocked()
        committed.set()
    assert [kind for kind, _, _ in parts.records.ingest.taken] == ["face"]


async def test_a_body_over_the_limit_is_413_before_it_is_sent(api: Any) -> None:
    call = Call(length=16 * 1024 * 1024 + 1)
    await api(call.scope, call.receive, call.send)
    assert call.outcome == (413, 420)
    assert "body" in call.json["msg"]
    assert call.headers[b"connection"] == b"close"
    assert not call.wanted


@pytest.mark.parametrize("path", ["/api/v1/device/report/info", "/api/v1/ota/query"])
@pytest.mark.parametrize("slashes", ["", "/"])
async def test_a_report_of_versions_may_have_64_kb(
    api: Any, parts: Any, path: str, slashes: str
) -> None:
    too_long = Call(path=path + slashes, length=64 * 1024 + 1)
    await api(too_long.scope, too_long.receive, too_long.send)
    assert too_long.outcome == (413, 420)
    assert not too_long.wanted
    assert (await ask(api, bytes(64 * 1024), path=path + slashes)).outcome == (200, 200)


@pytest.mark.parametrize(
    ("length", "limit", "message"),
    [
        (16 * 1024 * 1024 + 1, "body", "longer than"),
        (9, "body_seconds", "not complete within 60 s"),
    ],
)
async def test_reaching_a_limit_is_counted_and_logged(
    api: Any,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: MockClock,
    length: int,
    limit: str,
    message: str,
) -> None:
    counter = metrics.limits_reached.labels(limit)
    before = counter._value.get()
    call = Call(length=length)
    await api(call.scope, call.receive, call.send)
    assert counter._value.get() == before + 1
    assert f"refused an upload from 10.0.0.8: body: {message}" in caplog.text


async def test_a_chunked_body_is_413_as_soon_as_it_is_over_the_limit() -> None:
    parts = services(web={"max_body_mb": 1})
    api = device_api(parts, Bodies(parts.config.web))
    call = Call(chunked=True)
    for _ in range(3):
        call.body(bytes(512 * 1024), more=True)
    await api(call.scope, call.receive, call.send)
    assert call.outcome == (413, 420)
    assert parts.records.ingest.taken == []


async def test_a_body_in_many_pieces_is_joined(api: Any, parts: Any) -> None:
    call = Call(chunked=True)
    for piece in (b"a", b"", b"bc"):
        call.body(piece, more=True)
    call.body(b"")
    await api(call.scope, call.receive, call.send)
    assert parts.records.ingest.taken == [("face", GATE, b"abc")]


async def test_nothing_is_stored_of_a_sender_that_vanishes(api: Any, parts: Any) -> None:
    call = Call(length=100)
    call.body(b"half", more=True)
    call.hang_up()
    await api(call.scope, call.receive, call.send)
    assert call.status == 0
    assert parts.records.ingest.taken == []
    assert metrics.uploads_in_flight._value.get() == 0


async def test_a_body_that_never_ends_times_out(
    api: Any, parts: Any, autojump_clock: MockClock
) -> None:
    call = Call(chunked=True)
    call.body(b"half", more=True)
    await api(call.scope, call.receive, call.send)
    assert call.outcome == (408, 420)
    assert trio.current_time() == pytest.approx(60)
    assert call.headers[b"connection"] == b"close"
    assert parts.records.ingest.taken == []
    assert metrics.uploads_in_flight._value.get() == 0


class Uploads:
    """Uploads whose handlers wait until the test releases them."""

    def __init__(self, api: Any, nursery: trio.Nursery) -> None:
        self._api = api
        self._nursery = nursery
        self._count = 0

    def run(self, call: Call) -> None:
        self._nursery.start_soon(self._api, call.scope, call.receive, call.send)

    async def begin(self, **how: Any) -> Call:
        """Begin an upload, each of another device unless `token` is given.

        With a length, so much of it has arrived, and only b"{}" is missing. `wanted`: it has room,
        and waits for the rest.
        """
        self._count += 1
        arrived = how.get("length", 0)
        if arrived:
            how["length"] = arrived + 2
        call = Call(**{"token": str(self._count), **how})
        if arrived:
            call.body(bytes(arrived), more=True)
        self.run(call)
        await wait_all_tasks_blocked()
        return call


@pytest.fixture
async def small(nursery: trio.Nursery) -> Any:
    """Uploads to a hub with a budget of one megabyte."""
    parts = services(web={"upload_budget_mb": 1})
    return Uploads(device_api(parts, Bodies(parts.config.web)), nursery)


MEGABYTE = 1024 * 1024


async def test_a_sender_waits_for_the_budget_and_then_continues(small: Any) -> None:
    first = await small.begin(length=900_000)
    second = await small.begin(length=900_000)
    assert first.wanted
    assert not second.wanted
    first.body(b"{}")
    await wait_all_tasks_blocked()
    assert first.outcome == (200, 200)
    assert second.wanted
    second.body(b"{}")
    await wait_all_tasks_blocked()
    assert second.outcome == (200, 200)
    assert metrics.uploads_in_flight._value.get() == 0


async def test_bodies_that_are_announced_and_not_sent_take_no_room(small: Any) -> None:
    silent = []
    for number in range(16):
        call = Call(token=str(number % 4), length=16 * MEGABYTE)
        small.run(call)
        silent.append(call)
    await wait_all_tasks_blocked()
    assert metrics.uploads_in_flight._value.get() == 0
    other = await small.begin(length=900_000)
    assert other.wanted
    for call in (*silent, other):
        call.hang_up()


async def test_a_body_that_stops_arriving_loses_its_room_to_others(
    small: Any, mock_clock: MockClock
) -> None:
    stalled = await small.begin(length=900_000)
    other = await small.begin(length=900_000)
    mock_clock.jump(budget.STALL_SECONDS / 2)
    await wait_all_tasks_blocked()
    assert not other.wanted
    mock_clock.jump(budget.STALL_SECONDS)
    await wait_all_tasks_blocked()
    assert stalled.outcome == (503, 503)
    assert other.wanted
    other.body(b"{}")
    await wait_all_tasks_blocked()
    assert other.outcome == (200, 200)
    assert metrics.uploads_in_flight._value.get() == 0


async def test_a_body_that_stops_arriving_keeps_its_room_while_nobody_needs_it(
    small: Any, mock_clock: MockClock
) -> None:
    slow = await small.begin(length=900_000)
    mock_clock.jump(30)
    other = await small.begin(length=1000)
    assert other.wanted
    slow.body(b"{}")
    await wait_all_tasks_blocked()
    assert slow.outcome == (200, 200)
    other.hang_up()


async def test_a_sender_that_gets_no_room_in_time_is_asked_to_retry(
    small: Any, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STALL_SECONDS", 60.0)
    first = await small.begin(length=900_000)
    second = await small.begin(length=900_000)
    mock_clock.jump(budget.WAIT_SECONDS)
    await wait_all_tasks_blocked()
    assert second.outcome == (503, 503)
    assert b"retry-after" in second.headers
    assert not second.wanted
    first.body(b"{}")
    await wait_all_tasks_blocked()
    assert first.outcome == (200, 200)
    assert metrics.uploads_in_flight._value.get() == 0


async def test_a_body_larger_than_the_whole_budget_takes_all_of_it(small: Any) -> None:
    large = await small.begin(length=8 * MEGABYTE)
    other = await small.begin(length=10)
    assert large.wanted
    assert not other.wanted
    large.body(b"{}")
    await large.answered.wait()  # A thread joins its parts.
    assert large.outcome == (200, 200)
    await wait_all_tasks_blocked()
    assert other.wanted
    other.hang_up()


async def test_growing_chunked_bodies_do_not_deadlock(small: Any, mock_clock: MockClock) -> None:
    first = await small.begin(chunked=True)
    second = await small.begin(chunked=True)
    for call in (first, second):
        call.body(bytes(600_000), more=True)
    await wait_all_tasks_blocked()
    mock_clock.jump(budget.WAIT_SECONDS)
    await wait_all_tasks_blocked()
    assert sorted([first.status, second.status]) == [0, 503]
    for call in (first, second):
        call.hang_up()
    await wait_all_tasks_blocked()
    third = await small.begin(length=MEGABYTE)
    assert third.wanted
    third.hang_up()
    await wait_all_tasks_blocked()
    assert metrics.uploads_in_flight._value.get() == 0


async def test_a_body_that_has_begun_gets_room_first(small: Any) -> None:
    growing = await small.begin(chunked=True)
    holding = await small.begin(length=budget.INITIAL_BYTES)
    waiting = await small.begin(length=budget.INITIAL_BYTES)
    growing.body(bytes(600_000), more=True)
    await wait_all_tasks_blocked()
    holding.body(b"{}")
    await wait_all_tasks_blocked()
    growing.body(b"")
    await wait_all_tasks_blocked()
    assert growing.outcome == (200, 200)
    assert waiting.wanted
    waiting.hang_up()


async def test_the_queue_for_the_budget_is_bounded(small: Any) -> None:
    first = await small.begin(length=MEGABYTE)
    waiting = [await small.begin(length=1) for _ in range(budget.MAX_WAITING)]
    assert (await small.begin(length=1)).outcome == (503, 503)
    first.hang_up()
    for call in waiting:
        call.hang_up()


async def test_slow_bodies_without_a_length_take_the_room_that_they_need(small: Any) -> None:
    slow = []
    for at in range(60):
        slow.append(await small.begin(token=str(1 + at % 30), chunked=True))
        slow[-1].body(b"[1,", more=True)
    await wait_all_tasks_blocked()
    assert metrics.uploads_in_flight._value.get() <= MEGABYTE // 4
    other = await small.begin(length=300_000)
    assert other.wanted
    for call in (*slow, other):
        call.hang_up()


async def test_one_sender_may_use_a_part_of_the_budget(small: Any) -> None:
    part = MEGABYTE // SENDER_DIVISOR
    slow = [await small.begin(token="good", length=part // 2 - 2) for _ in range(2)]
    assert all(call.wanted for call in slow)
    third = await small.begin(token="good", length=10)
    assert not third.wanted
    other = await small.begin(length=part)
    assert other.wanted
    slow[0].body(b"{}")
    await wait_all_tasks_blocked()
    assert third.wanted
    for call in (slow[1], third, other):
        call.hang_up()


async def test_users_keys_and_devices_of_the_same_name_are_different_senders(
    nursery: trio.Nursery,
) -> None:
    room = budget.BodyBudget(100)
    key = ApiKey("12", "erp", False, 0)
    senders = (
        Caller(key, "10.0.0.1").sender,
        Caller(User("12", "guard", "hash", 0), "10.0.0.2").sender,
        BodySender("device", "12"),
        BodySender("address", "12"),
    )

    async def hold(sender: BodySender) -> None:
        async with room.share(20, sender, has_arrived=True):
            await trio.sleep_forever()

    for sender in senders:
        nursery.start_soon(hold, sender)
    await wait_all_tasks_blocked()
    assert room.used == 80
    nursery.cancel_scope.cancel()


async def test_large_bodies_of_one_sender_go_one_after_the_other(small: Any) -> None:
    calls = [await small.begin(token="good", length=900_000) for _ in range(3)]
    for index, call in enumerate(calls):
        assert [c.wanted for c in calls[index:]] == [True, *[False] * (2 - index)]
        call.body(b"{}")
        await wait_all_tasks_blocked()
        assert call.outcome == (200, 200)


async def test_one_sender_may_use_a_part_of_the_queue(small: Any) -> None:
    calls = [
        await small.begin(token="good", length=900_000)
        for _ in range(1 + budget.MAX_WAITING // SENDER_DIVISOR)
    ]
    assert (await small.begin(token="good", length=900_000)).outcome == (503, 503)
    other = await small.begin(length=1000)
    assert other.wanted
    for call in (*calls, other):
        call.hang_up()


async def test_a_waiter_that_gives_up_no_longer_blocks_the_queue(nursery: trio.Nursery) -> None:
    room = budget.BodyBudget(100)
    impatient = trio.CancelScope()

    async def want(size: int, did: str, scope: trio.CancelScope) -> None:
        with scope:
            async with room.share(size, BodySender("device", did), has_arrived=True):
                await trio.sleep_forever()

    nursery.start_soon(want, 90, "12", trio.CancelScope())
    await wait_all_tasks_blocked()
    nursery.start_soon(want, 50, "13", impatient)
    await wait_all_tasks_blocked()
    nursery.start_soon(want, 5, "14", trio.CancelScope())
    await wait_all_tasks_blocked()
    assert room.used == 90
    impatient.cancel()
    await wait_all_tasks_blocked()
    assert room.used == 95
    nursery.cancel_scope.cancel()


async def test_a_cancelled_upload_releases_its_room() -> None:
    room = budget.BodyBudget(100)
    async with room.share(100, BodySender("device", "12"), has_arrived=True):
        with trio.move_on_after(0):
            async with room.share(50, BodySender("device", "13"), has_arrived=True):
                pass
        assert room.used == 100
    assert room.used == 0
    async with room.share(100, BodySender("device", "13"), has_arrived=True):
        pass


async def test_background_work_gives_way_to_an_upload_that_has_arrived(
    api: Any, parts: Any, nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    may_store = trio.Event()
    parts.records.ingest.before = may_store.wait
    call = Call(chunked=True)
    call.body(b"{", more=True)
    nursery.start_soon(api, call.scope, call.receive, call.send)
    await wait_all_tasks_blocked()
    await (
        parts.cameras.upload_priority.yield_to_uploads()
    )  # a body that is being received holds up nobody
    call.body(b"}")
    await wait_all_tasks_blocked()
    nursery.start_soon(parts.cameras.upload_priority.yield_to_uploads)
    await wait_all_tasks_blocked()
    assert len(nursery.child_tasks) == 2
    may_store.set()
    await wait_all_tasks_blocked()
    assert not nursery.child_tasks


async def test_a_body_in_very_many_pieces_is_joined(api: Any, parts: Any) -> None:
    call = Call(chunked=True)
    for number in range(90):
        call.body(bytes([number]), more=True)
    call.body(b"")
    await api(call.scope, call.receive, call.send)
    assert parts.records.ingest.taken == [("face", GATE, bytes(range(90)))]


async def test_a_device_that_exceeds_its_rate_is_slowed_and_then_refused(
    autojump_clock: MockClock,
) -> None:
    parts = services(devices={"max_requests_per_second": 8})
    api = device_api(parts, Bodies(parts.config.web))
    statuses: list[int] = []

    async def upload() -> None:
        statuses.append((await ask(api)).status)

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(upload)
    # The requests of one second pass at once, those of two more are delayed, the rest is refused.
    assert trio.current_time() == pytest.approx(MAX_WAIT_SECONDS)
    assert statuses.count(200) == 24
    assert statuses.count(503) == 16
