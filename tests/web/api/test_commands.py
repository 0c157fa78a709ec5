"""POST /devices/{did}/commands: validated first, then answered by the device."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw, Struct
from trio.testing import wait_all_tasks_blocked

from hub.errors import CannotStoreNow, DeviceBusy, DeviceLeft, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.services.audit import COMMAND_LINE
from hub.services.commands.sender import CHANGING
from hub.store.people.person_rows import PersonChange
from hub.store.tables.devices import NewDevice
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    PERSON_HISTORY,
    PERSON_SEARCH,
    Command,
)
from hub.wire.commands.params import encode_param
from hub.wire.signing import body_md5, sign_params
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.pictures import JPEG
from web.api.devices.commands import COMMAND, commands_api
from web.http.bodies import MAX_SHORT_BODY_BYTES, Bodies

PATH = "/api/hub/v1/devices/1/commands"
QUERY = {"uri": "/person/query", "param": {"pid": "1001"}}
REBOOT = {"uri": "/system/maintain/reboot", "param": {"delay_ms": 0}}


class ApiResponse(Struct):
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """The application, a key for it, and an online device that answers by `reply`."""

    def __init__(self, hub: HubServices, bearer: dict[str, str]) -> None:
        self.hub = hub
        self.bearer = bearer
        self.passed_on: list[tuple[str, str]] = []
        self.link = AskedLink("1", reply=lambda uri, param: answer(0))
        hub.registry.attach(self.link)
        self._app = commands_api(hub.services, Bodies(hub.services.config.web), self._others)

    async def ask(
        self,
        body: object,
        headers: dict[str, str] | None = None,
        *,
        path: str = PATH,
        query: str = "",
        method: str = "POST",
        chunked: bool = False,
    ) -> ApiResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = dict(self.bearer if headers is None else headers)
        fields |= {"Transfer-Encoding": "chunked"} if chunked else {}
        fields |= {} if chunked else {"Content-Length": str(len(data))}
        scope: Any = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path,
            "query_string": query.encode(),
            "headers": [(n.lower().encode(), v.encode()) for n, v in fields.items()],
            "client": ("10.0.0.9", 1234),
            "server": ("hub", 8443),
        }
        received: Any = [{"type": "http.request", "body": data, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return received.pop(0) if received else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start, end = sent
        return ApiResponse(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            end["body"],
        )

    async def audited(self) -> list[tuple[str, str]]:
        entries = await self.hub.services.core.audit.newest()
        return [(e.who, e.target) for e in entries if e.action == "device.command"]

    async def _others(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed_on.append((scope["method"], scope["path"]))
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture
async def api(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Api]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield Api(hub, await hub.bearer())


# Answers


async def test_the_devices_answer_is_passed_on_as_it_was_sent(api: Api) -> None:
    odd = b'{"pid" : 1001,"photo":"\\u4e2d", "big":12345678901234567890}'
    api.link.reply = lambda uri, param: DeviceAnswer(0, "OK", Raw(odd))
    response = await api.ask(QUERY)
    assert response.status == 200
    assert response.body == b'{"code":0,"msg":"OK","result":' + odd + b"}"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "same-origin"
    assert int(response.headers["content-length"]) == len(response.body)


@pytest.mark.parametrize(
    ("command", "rows"),
    [(FACE_HISTORY, "face_list"), (PERSON_HISTORY, "list"), (PERSON_SEARCH, "face_list")],
)
@pytest.mark.parametrize("pad", [0, 100_000])
async def test_the_register_says_who_the_people_are_whom_rows_name(
    api: Api, command: Command[Any, Any], rows: str, pad: int
) -> None:
    people = api.hub.services.people.register
    for pid, name in (("7", "Ann Smith"), ("8", "Bob")):
        await people.put(pid, PersonChange(name=name, category=2), by=COMMAND_LINE)
    found = [{"time": "1", "pid": "007"}, {"time": "2", "uuid": "8"}, {"time": "3", "pid": "9"}]
    result = {rows: found, "pad": "x" * pad}
    api.link.reply = lambda uri, param: answer(0, "OK", result)
    body = {"uri": command.uri, "param": json.loads(bytes(encode_param(command, command.example)))}
    sent = (await api.ask(body)).json
    assert sent["result"] == result
    assert sent["known_as"] == {
        "007": {"pid": "7", "name": "Ann Smith", "category": 2},
        "8": {"pid": "8", "name": "Bob", "category": 2},
    }
    for other in (
        answer(0, "OK", {rows: [{"time": "1", "pid": "9"}]}),
        answer(0, "OK", {rows: 5}),
        answer(0),
        answer(420, "no", result),
    ):
        api.link.reply = lambda uri, param, other=other: other  # type: ignore[misc]
        assert "known_as" not in (await api.ask(body)).json


async def test_a_refusal_by_the_device_is_an_answer(api: Api) -> None:
    api.link.reply = lambda uri, param: answer(404, "no such person")
    response = await api.ask(QUERY)
    assert response.status == 200
    assert response.json == {"code": 404, "msg": "no such person", "result": None}


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
async def test_each_command_is_sent_as_its_example_says(
    api: Api, command: Command[Any, Any]
) -> None:
    body = COMMAND.body_examples[command.name]
    assert (await api.ask(msgspec.json.encode(body))).status == 200
    assert api.link.uris == [command.uri]


@pytest.mark.parametrize("uri", ["person/query", " /person/query", "/person/query "])
async def test_a_uri_may_have_any_form_that_devices_use(api: Api, uri: str) -> None:
    assert (await api.ask({**QUERY, "uri": uri})).status == 200
    assert api.link.uris == ["/person/query"]


async def test_an_answer_that_is_not_utf8_is_nonsense(api: Api) -> None:
    api.link.reply = lambda uri, param: DeviceAnswer(0, "OK", Raw(b'"\xff"'))
    response = await api.ask(QUERY)
    assert (response.status, response.json["code"]) == (502, 502)


# Refusals


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"uri": "/person/query", "param": {"pid": "0"}}, "param.pid"),
        ({"uri": "/person/query", "param": {}}, "param.pid"),
        ({"uri": "/person/query", "param": []}, "param"),
        ({"uri": "/person/query"}, "param"),
        ({"uri": "/person/all", "param": {}}, "uri"),
        ({"uri": 5, "param": {}}, "uri"),
        ({"param": {}}, "uri"),
        ({**QUERY, "seconds": 5}, "seconds"),
        ({"uri": "/system/maintain/reboot", "param": {"delay_ms": -1}}, "param.delay_ms"),
        (b"", "body"),
        (b"[]", "body"),
        (b'{"uri":', "body"),
        (b'{"uri":"/person/query","param":' + b"[" * 100_000, ""),
        (b'{"uri":"\xff"}', ""),
    ],
)
async def test_a_param_out_of_bounds_is_refused_by_name_and_not_sent(
    api: Api, body: object, named: str
) -> None:
    response = await api.ask(body)
    assert (response.status, response.json["code"]) == (400, 420)
    assert named in response.json["msg"]
    assert api.link.asked == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DeviceBusy("too much"), 409, 409),
        (DeviceLeft("gone"), 409, 409),
        (DeviceSilent("nothing within 10 s"), 504, 504),
    ],
)
async def test_the_error_says_why_there_is_no_answer(
    api: Api, error: HubError, status: int, code: int
) -> None:
    api.link.reply = lambda uri, param: error
    response = await api.ask(QUERY)
    assert (response.status, response.json) == (status, {"code": code, "msg": error.message})


async def test_an_unknown_device_is_404(api: Api) -> None:
    for did in ("2", "x", "1 ", "18446744073709551616"):
        response = await api.ask(QUERY, path=f"/api/hub/v1/devices/{did}/commands")
        assert (response.status, response.json["code"]) == (404, 426)


async def test_other_requests_are_passed_on(api: Api) -> None:
    for method, path in (
        ("GET", PATH),
        ("POST", f"{PATH}/"),
        ("POST", "/api/hub/v1/devices//commands"),
        ("POST", "/api/hub/v1/devices/1/2/commands"),
        ("POST", "/api/hub/v1/devices/commands"),
        ("POST", "/api/hub/v1/devices"),
    ):
        assert (await api.ask(QUERY, method=method, path=path)).status == 299
        assert api.passed_on.pop() == (method, path)


async def test_a_client_that_hangs_up_before_its_body_is_complete_is_not_answered(api: Api) -> None:
    async def left() -> Any:
        return {"type": "http.disconnect"}

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(n.lower().encode(), v.encode()) for n, v in api.bearer.items()],
        "client": None,
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await api._app(scope, left, send)
    assert sent == []


# Authorisation


async def test_calls_without_a_valid_key_are_refused(api: Api) -> None:
    appid = api.bearer["Authorization"].split()[1].partition(":")[0]
    wrong = {"Authorization": f"Bearer {appid}:wrong"}
    for headers in ({}, wrong, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        response = await api.ask(QUERY, headers)
        assert (response.status, response.json["code"]) == (401, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="sitehub"'
    assert api.link.asked == []


async def test_a_read_only_key_is_refused(api: Api) -> None:
    response = await api.ask(QUERY, await api.hub.bearer(read_only=True))
    assert (response.status, response.json["code"]) == (403, 401)
    assert api.link.asked == []


def signed(api: Api, clock: FrozenClock, body: object, **further: str) -> str:
    appid, _, secret = api.bearer["Authorization"].split()[1].partition(":")
    params = {"appid": appid, "ts": str(int(clock())), "method": "POST", "path": PATH, **further}
    params["body_md5"] = body_md5(json.dumps(body).encode())
    params["sign"] = sign_params(params, secret)
    return "&".join(f"{name}={value}" for name, value in params.items())


async def test_the_signature_binds_the_body(api: Api, clock: FrozenClock) -> None:
    query = signed(api, clock, QUERY, ts=str(int(clock()) + 1))
    assert (await api.ask(QUERY, {}, query=signed(api, clock, QUERY))).status == 200
    for body, other in ((REBOOT, query), (QUERY, f"{query}0"), (QUERY, "appid=nobody&sign=a")):
        response = await api.ask(body, {}, query=other)
        assert response.status == 422
    assert api.link.uris == ["/person/query"]


async def test_unknown_and_repeated_parameters_are_refused(api: Api, clock: FrozenClock) -> None:
    for query, named in (("wait=5", "wait"), ("ts=1&ts=2", "ts")):
        response = await api.ask(QUERY, query=query)
        assert response.status == 400
        assert named in response.json["msg"]
    assert (await api.ask(QUERY, query="wait=")).status == 200


def csrf_token(session: str) -> str:
    """The CSRF token of a session."""
    return hashlib.sha256(b"csrf:" + session.encode()).hexdigest()


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("viewer", QUERY, 403),
        ("guard", QUERY, 200),
        ("guard", REBOOT, 403),
        ("admin", REBOOT, 200),
    ],
)
async def test_a_signed_in_user_needs_the_role_and_the_csrf_token(
    api: Api, role: str, body: object, status: int
) -> None:
    token = await api.hub.add_user("ann", role)

    headers = {"Cookie": f"__Host-sitehub_session={token}", "X-CSRF-Token": csrf_token(token)}
    assert (await api.ask(body, headers)).status == status
    assert (await api.ask(body, {"Cookie": headers["Cookie"]})).status == 403
    assert (await api.ask(body, headers | {"Sec-Fetch-Site": "cross-site"})).status == 403
    assert len(api.link.asked) == (1 if status == 200 else 0)


# Personal numbers

#: As a device sends it: an escaped key, numbers that are no text, and fields of no table.
PERSON = Raw(
    rb'{"pid":"1001","name":"Li Lei","id_card_no":"110101199003077516","ic_card_no":12345678,'
    rb'"phone":13800138000.0,"more":[{"Mobile":["13900139000"]},'
    rb'{"i\u0064Card":{"no":"110101199003077516"}}]}'
)


async def as_user(api: Api, role: str) -> dict[str, str]:
    token = await api.hub.add_user(role, role)
    return {"Cookie": f"__Host-sitehub_session={token}", "X-CSRF-Token": csrf_token(token)}


@pytest.mark.parametrize("uri", ["/person/query", "/person/list", "/ivp/face/get_cap_history"])
async def test_a_guard_sees_the_last_digits_of_personal_numbers_in_an_answer(
    api: Api, uri: str
) -> None:
    command = DIALECT.by_uri(uri)
    api.link.reply = lambda uri, param: answer(0, result=PERSON)
    body = {"uri": uri, "param": msgspec.to_builtins(command.example)}
    result = (await api.ask(body, await as_user(api, "guard"))).json["result"]
    assert result == {
        "pid": "1001",
        "name": "Li Lei",
        "id_card_no": "**************7516",
        "ic_card_no": "****5678",
        "phone": "*******8000",
        "more": [{"Mobile": ["*******9000"]}, {"idCard": {"no": "**************7516"}}],
    }
    assert await numbers_seen(api) == []


@pytest.mark.parametrize("field", ["idCard", "phone"])
async def test_a_guard_does_not_search_by_personal_numbers(api: Api, field: str) -> None:
    body = {"uri": "/person/list", "param": {"page_num": 1, "page_size": 1, field: "136"}}
    assert (await api.ask(body, await as_user(api, "guard"))).status == 403
    assert len(api.link.asked) == 0
    assert (await api.ask(body)).status == 200


@pytest.mark.parametrize("role", ["guard", "admin"])
async def test_a_param_that_cannot_be_read_is_a_bad_parameter_for_everybody(
    api: Api, role: str
) -> None:
    body = b'{"uri": "/person/list", "param": {"page_num": 1e999, "page_size": 1}}'
    asked = await api.ask(body, await as_user(api, role))
    assert (asked.status, asked.json["code"]) == (400, 420)
    assert asked.json["msg"].startswith("param")


async def test_an_answer_that_cannot_be_masked_is_not_shown_to_a_guard(api: Api) -> None:
    api.link.reply = lambda uri, param: answer(0, result=Raw(b'{"phone":1380013800e999}'))
    asked = await api.ask(QUERY, await as_user(api, "guard"))
    assert asked.status == 502
    assert b"1380013800" not in asked.body


@pytest.mark.parametrize(
    ("role", "content", "status"),
    [("guard", JPEG, 200), ("guard", b"Li Lei,110101199003077516", 502), ("admin", b"Li", 200)],
)
async def test_a_guard_reads_no_files_from_a_camera_but_pictures(
    api: Api, role: str, content: bytes, status: int
) -> None:
    encoded = base64.b64encode(content)
    api.link.reply = lambda uri, param: answer(0, result=Raw(b'{"base64":"%b"}' % encoded))
    body = {"uri": "/storage/get_file_by_path", "param": {"path": "data/people.csv"}}
    asked = await api.ask(body, await as_user(api, role))
    assert asked.status == status
    assert (encoded in asked.body) is (status == 200)


async def test_an_answer_with_personal_numbers_in_full_is_in_the_audit_log(api: Api) -> None:
    api.link.reply = lambda uri, param: answer(0, result=PERSON)
    for headers in (await as_user(api, "admin"), None, None):
        assert bytes(PERSON) in (await api.ask(QUERY, headers)).body
    user, key = await numbers_seen(api)  # A key has one entry in an hour.
    assert user == ("user admin", "1")
    assert (key[0][:4], key[1]) == ("key ", "1")


async def test_an_answer_without_personal_numbers_is_not_in_the_audit_log(api: Api) -> None:
    api.link.reply = lambda uri, param: answer(
        0, result={"pid": "1001", "phone": "", "id_card_no": None}
    )
    assert (await api.ask(QUERY)).status == 200
    assert await numbers_seen(api) == []


async def numbers_seen(api: Api) -> list[tuple[str, str]]:
    entries = await api.hub.services.core.audit.newest()
    return [(e.who, e.target) for e in reversed(entries) if e.action == "device.person_numbers"]


# The audit


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
async def test_commands_that_change_a_device_are_audited_and_others_are_not(
    api: Api, command: Command[Any, Any]
) -> None:
    body = COMMAND.body_examples[command.name]
    await api.ask(msgspec.json.encode(body), path=PATH)
    appid = api.bearer["Authorization"].split()[1].partition(":")[0]
    expected = [(f"key {appid}", f"1 {command.uri} 0")] if command.name in CHANGING else []
    assert await api.audited() == expected


async def test_a_change_without_an_answer_is_audited_too(api: Api) -> None:
    api.link.reply = lambda uri, param: DeviceSilent()
    assert (await api.ask(REBOOT)).status == 504
    api.link.reply = lambda uri, param: DeviceBusy()
    assert (await api.ask(REBOOT)).status == 409
    assert [target for _, target in await api.audited()] == [
        "1 /system/maintain/reboot not answered"
    ]


async def test_a_setting_is_kept_and_audited_even_if_its_client_hangs_up(api: Api) -> None:
    await api.hub.services.cameras.devices.add(NewDevice(sn="SN1", code="12345678", did="1"))
    api.link.reply = None
    body = msgspec.json.encode(COMMAND.body_examples["set_face"])
    client = trio.CancelScope()

    async def ask() -> None:
        with client:
            await api.ask(body)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        client.cancel()
        await wait_all_tasks_blocked()
        api.link.asked[0].give(answer(200))
    await api.hub.services.changes.all_ended()
    known = api.hub.services.cameras.commands.settings("1").face
    assert known is not None
    assert known.is_taken
    assert len(await api.audited()) == 1


async def test_every_command_that_changes_a_device_is_carried_out_as_a_change(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(work: object) -> None:
        raise CannotStoreNow("not now")

    monkeypatch.setattr(api.hub.services.changes, "carry_out", refuse)
    for name in CHANGING.intersection(COMMAND.body_examples):
        response = await api.ask(msgspec.json.encode(COMMAND.body_examples[name]))
        assert (response.status, response.json["msg"]) == (503, "not now"), name
    assert api.link.asked == []


# Bodies


def search(size: int) -> bytes:
    photo = "/9j/" + "A" * (size // 4 * 4)
    param = {"photo": photo, "threshold": 50, "start_time": "2021-10-03 10:30:00"}
    return json.dumps(
        {"uri": "/person/search", "param": {**param, "end_time": "2021-10-03 16:00:00"}}
    ).encode()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_photo_of_several_megabytes_is_sent(api: Api, chunked: bool) -> None:
    assert (await api.ask(search(4_000_000), chunked=chunked)).status == 200
    (asked,) = api.link.asked
    assert len(asked.param["photo"]) == 4_000_004


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(api: Api, chunked: bool) -> None:
    response = await api.ask(b" " * (16 * 1024 * 1024 + 1), chunked=chunked)
    assert (response.status, response.json["code"]) == (413, 420)
    assert response.headers["connection"] == "close"


async def test_photos_share_the_budget_of_all_uploads(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as nursery:
        api = Api(hub, await hub.bearer())
        api.link.reply = None
        bodies = Bodies(hub.services.config.web)
        api._app = commands_api(hub.services, bodies, api._others)
        nursery.start_soon(api.ask, search(2_000_000))
        while not api.link.asked:
            await wait_all_tasks_blocked(0.01)
        assert bodies._budget.used > 2_000_000
        nursery.start_soon(api.ask, QUERY)
        while len(api.link.asked) < 2:
            await wait_all_tasks_blocked(0.01)
        assert bodies._budget.used < 2_000_000 + MAX_SHORT_BODY_BYTES
        for asked in api.link.asked:
            asked.give(answer(0))
        while bodies._budget.used:
            await wait_all_tasks_blocked(0.01)
