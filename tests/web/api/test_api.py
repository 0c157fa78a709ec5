from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from quart.wrappers import Response

from hub.config import Config
from hub.live.pending_devices import ConnectAttempt
from hub.live.refusal_reasons import RefusalReason
from hub.services.audit import COMMAND_LINE
from hub.wire.signing import body_md5, sign_connect, sign_params
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Vehicle,
    VehicleDetail,
)
from hub.wire.uploads.searchable import SEARCHABLE
from tests.support.clock import FrozenClock
from tests.support.gate import private_key, public_pem
from tests.support.hub_services import HubServices, face, open_hub_services
from web.app import create_app

API = "/api/hub/v1"
NEW = {"sn": "SN0001", "code": "AB12CD34"}


class Client:
    """Calls the API as an integrator with a key would."""

    def __init__(self, hub: HubServices, headers: dict[str, str]) -> None:
        self.hub = hub
        self.headers = headers
        self._client = create_app(hub.services).test_client(use_cookies=False)

    async def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Response:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        return await self._client.open(
            path if path.startswith("/") else f"{API}/{path}",
            method=method,
            data=data,
            headers=self.headers if headers is None else headers,
            scope_base={"client": ("10.0.0.5", 40000)},
        )

    async def get(self, path: str) -> Any:
        return await good(await self.raw("GET", path))

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        return await good(await self.raw(method, path, body))

    async def seqs(self, query: str) -> list[int]:
        return [record["seq"] for record in (await self.get(f"records?{query}"))["items"]]


class FakeLink:
    """The part of an open connection that a pending device needs."""

    did = ""
    address = "10.1.1.9"

    def close(self, reason: str) -> None:
        raise AssertionError("it is not closed")


async def good(response: Response) -> Any:
    assert response.status_code == 200, await response.get_data()
    assert response.mimetype == "application/json"
    return await response.get_json()


async def refusal(response: Response) -> tuple[int, int, str]:
    """HTTP status, code and message."""
    answer = await response.get_json()
    assert set(answer) == {"code", "msg"}
    return response.status_code, answer["code"], answer["msg"]


# Authentication


async def test_every_call_needs_a_key(api: Client) -> None:
    for path in ("devices", "records", "records/1", "stream", "/media/1/face.jpg"):
        assert (await refusal(await api.raw("GET", path, headers={})))[:2] == (401, 401)


@pytest.mark.parametrize(
    "authorization", ["Bearer", "Bearer nobody:nothing", "Basic eDp5", "Bearer \u00e9:\u00e9"]
)
async def test_a_wrong_key_is_401(api: Client, authorization: str) -> None:
    response = await api.raw("GET", "devices", headers={"Authorization": authorization})
    assert (await refusal(response))[:2] == (401, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


class Signer:
    """Signs requests; each change with a `ts` of its own."""

    def __init__(self, appid: str, secret: str, ts: int) -> None:
        self.appid, self.secret, self.ts = appid, secret, ts

    def change(self, method: str, path: str, body: bytes = b"", **params: str) -> str:
        self.ts += 1
        return self.query(body, method=method, path=f"/api/hub/v1/{path}", **params)

    def query(self, body: bytes = b"", **params: str) -> str:
        params = {"appid": self.appid, "ts": str(self.ts)} | params
        if body:
            params["body_md5"] = body_md5(body)
        params["sign"] = sign_params(params, self.secret)
        return "&".join(f"{name}={value}" for name, value in params.items())


@pytest.fixture
async def signer(hub: HubServices, clock: FrozenClock) -> Signer:
    key = await hub.services.access.api_keys.add("signs", False, by=COMMAND_LINE)
    return Signer(key.appid, key.secret, int(clock()))


async def test_a_signed_request_needs_no_header(api: Client, signer: Signer) -> None:
    await api.hub.add_faces("a", "b")
    response = await api.raw("GET", f"records?{signer.query(limit='1', kind='')}", headers={})
    assert [record["seq"] for record in (await good(response))["items"]] == [1]


async def test_the_signature_binds_the_body_by_its_md5(api: Client, signer: Signer) -> None:
    body = json.dumps(NEW).encode()
    signed = f"devices?{signer.change('POST', 'devices', body)}"
    other = json.dumps(NEW | {"sn": "SN0002"}).encode()
    response = await api.raw("POST", signed, other, headers={})
    assert (await refusal(response))[:2] == (422, 423)
    signed = f"devices?{signer.change('POST', 'devices', body)}"
    assert (await good(await api.raw("POST", signed, body, headers={})))["sn"] == "SN0001"


async def test_a_signed_request_whose_body_is_not_signed_is_refused(
    api: Client, signer: Signer
) -> None:
    signed = signer.change("POST", "devices")
    response = await api.raw("POST", f"devices?{signed}", NEW, headers={})
    assert (await refusal(response))[1:] == (
        423,
        "body_md5: missing; sign it along with the other parameters",
    )
    assert api.hub.services.cameras.devices.list() == []


async def test_the_signature_of_a_read_changes_nothing(api: Client, signer: Signer) -> None:
    did = (await api.send("POST", "devices", NEW))["did"]
    signed = signer.query()
    await good(await api.raw("GET", f"devices?{signed}", headers={}))
    response = await api.raw("DELETE", f"devices/{did}?{signed}", headers={})
    assert await refusal(response) == (
        422,
        423,
        "method: missing; a change signs its method and path as well",
    )
    assert len(api.hub.services.cameras.devices.list()) == 1


async def test_a_signature_is_good_for_its_method_and_path_only(
    api: Client, signer: Signer
) -> None:
    for sn in ("SN0001", "SN0002"):
        await api.send("POST", "devices", NEW | {"sn": sn})
    for method, path in (("DELETE", "devices/2"), ("PATCH", "devices/1"), ("GET", "devices/1")):
        signed = signer.change(method, path)
        response = await api.raw("DELETE", f"devices/1?{signed}", headers={})
        assert (await refusal(response))[:2] == (422, 423)
        signed = signer.change(method, path)
        response = await api.raw("GET", f"devices?{signed}", headers={})
        assert (await refusal(response))[:2] == (422, 423)
    assert len(api.hub.services.cameras.devices.list()) == 2
    signed = signer.change("GET", "devices")
    assert len((await good(await api.raw("GET", f"devices?{signed}", headers={})))["items"]) == 2


async def test_the_signature_of_a_change_is_good_once(api: Client, signer: Signer) -> None:
    body = json.dumps(NEW).encode()
    signed = f"devices?{signer.change('POST', 'devices', body)}"
    did = (await good(await api.raw("POST", signed, body, headers={})))["did"]
    await api.raw("DELETE", f"devices/{did}")
    response = await api.raw("POST", signed, body, headers={})
    assert await refusal(response) == (
        422,
        423,
        "sign: was used before; sign each change anew, with a ts of its own",
    )
    assert api.hub.services.cameras.devices.list() == []
    again = f"devices?{signer.change('POST', 'devices', body)}"
    await good(await api.raw("POST", again, body, headers={}))


async def test_of_the_same_signed_change_sent_twice_at_once_one_is_done(
    api: Client, signer: Signer
) -> None:
    await api.send("POST", "devices", NEW)
    signed = f"devices/1?{signer.change('DELETE', 'devices/1')}"
    statuses: list[int] = []

    async def remove() -> None:
        statuses.append((await api.raw("DELETE", signed, headers={})).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(remove)
    assert sorted(statuses)[1:] == [422] * 4
    assert min(statuses) < 300


async def test_signatures_are_refused_with_their_codes(
    api: Client, signer: Signer, clock: FrozenClock
) -> None:
    good_query = signer.query()
    for query, status in [
        (good_query.replace(signer.appid, "nobody"), (422, 422)),
        (good_query[:-1] + "?", (422, 423)),
        (f"{good_query}&kind=face", (422, 423)),
        (f"appid={signer.appid}", (422, 423)),
        (f"sign={'0' * 32}", (422, 422)),
    ]:
        response = await api.raw("GET", f"records?{query}", headers={})
        assert (await refusal(response))[:2] == status, query
    clock.advance(301)
    response = await api.raw("GET", f"records?{good_query}", headers={})
    assert (await refusal(response))[:2] == (422, 423)


async def test_a_parameter_given_twice_is_refused_by_name(api: Client) -> None:
    assert await refusal(await api.raw("GET", "records?kind=face&kind=event")) == (
        400,
        420,
        "kind: given more than once",
    )


async def test_a_signed_in_user_reads_by_cookie(hub: HubServices, api: Client) -> None:
    token = await hub.add_user("vic", "viewer")
    cookie = {"Cookie": f"__Host-sitehub_session={token}"}
    devices = await good(await api.raw("GET", "devices", headers=cookie))
    assert devices["items"] == []


async def test_a_signed_in_user_writes_with_the_role_and_the_csrf_token(
    hub: HubServices, api: Client
) -> None:
    async def post(user: str, **more: str) -> Response:
        cookie = f"__Host-sitehub_session={tokens[user]}"
        return await api.raw("POST", "devices", NEW, headers={"Cookie": cookie, **more})

    tokens = {role: await hub.add_user(role, role) for role in ("admin", "guard")}
    csrf = {"X-CSRF-Token": csrf_of(tokens["admin"])}
    assert (await refusal(await post("admin")))[:2] == (403, 401)
    assert (await refusal(await post("admin", **csrf, Origin="https://evil.example")))[0] == 403
    assert (await refusal(await post("guard", **csrf)))[:2] == (403, 401)
    assert (await good(await post("admin", **csrf)))["did"] == "1"
    assert (await hub.services.core.audit.newest())[0].who == "user admin"


def csrf_of(token: str) -> str:
    from web.auth.csrf import token_for

    return token_for(token)


# Devices


async def test_a_device_is_added_listed_changed_and_removed(api: Client) -> None:
    added = await api.send("POST", "devices", NEW | {"name": "Gate", "did": "77"})
    assert added == {
        "did": "77",
        "sn": "SN0001",
        "name": "Gate",
        "state": "offline",
        "ip": None,
        "last_seen": None,
        "versions": {"fwVer": None, "swVer": None, "osVer": None, "hwVer": None},
        "devName": None,
        "clock_offset": None,
        "waiting_reason": None,
        "waiting_reasons": [],
        "enabled": True,
        "clock_trusted": True,
        "own_key": False,
        "connects": "signed",
        "suspect": None,
        "earlier_key_until": None,
        "init": None,
    }
    assert await api.get("devices") == {"items": [added], "next": None}
    changed = await api.send("PATCH", "devices/77", {"name": "North", "enabled": False})
    assert changed == added | {"name": "North", "enabled": False, "state": "disabled"}
    assert await api.get("devices/77") == changed
    assert await api.send("DELETE", "devices/77") == changed
    assert await api.get("devices") == {"items": [], "next": None}
    assert (await refusal(await api.raw("GET", "devices/77")))[:2] == (404, 426)


async def test_a_did_is_assigned_unless_given(api: Client) -> None:
    assert (await api.send("POST", "devices", NEW))["did"] == "1"
    assert (await api.send("POST", "devices", NEW | {"sn": "SN0002"}))["did"] == "2"


async def test_an_existing_device_is_a_conflict(api: Client) -> None:
    await api.send("POST", "devices", NEW | {"did": "5"})
    assert (await refusal(await api.raw("POST", "devices", NEW)))[:2] == (409, 420)
    other = NEW | {"sn": "SN0002", "did": "5"}
    assert (await refusal(await api.raw("POST", "devices", other)))[:2] == (409, 420)
    assert len((await api.get("devices"))["items"]) == 1


async def test_devices_are_listed_page_by_page_in_the_order_of_their_numbers(api: Client) -> None:
    for did in ("10", "9", "18446744073709551615", "100"):
        await api.send("POST", "devices", NEW | {"sn": f"SN{did}", "did": did})
    first = await api.get("devices?limit=2")
    assert ([device["did"] for device in first["items"]], first["next"]) == (["9", "10"], "10")
    await api.send("DELETE", "devices/10")
    rest = await api.get(f"devices?limit=2&after={first['next']}")
    assert [device["did"] for device in rest["items"]] == ["100", "18446744073709551615"]
    assert rest["next"] is None
    assert (await api.get("devices?after=18446744073709551615"))["items"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=x", "after=-1", "after=1.5", "before=1"]
)
async def test_a_bad_position_in_the_list_of_devices_is_refused(api: Client, query: str) -> None:
    status, code, message = await refusal(await api.raw("GET", f"devices?{query}"))
    assert (status, code) == (400, 420)
    assert query.partition("=")[0] in message


async def test_the_records_of_a_removed_device_stay(api: Client) -> None:
    did = (await api.send("POST", "devices", NEW))["did"]
    await api.hub.add_faces("a", did=did)
    await api.send("DELETE", f"devices/{did}")
    assert await api.seqs(f"did={did}") == [1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"not json", "body"),
        (b"\xff\xfe", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"sn": "\xff"}', "sn"),
        (b"[" * 60_000, "nested"),
        ({"sn": "SN1"}, "code"),
        ({"code": "x"}, "sn"),
        ({"sn": "", "code": "x"}, "sn"),
        ({"sn": "S" * 65, "code": "x"}, "sn"),
        ({"sn": 1, "code": "x"}, "sn"),
        ({"sn": "SN1", "code": None}, "code"),
        (NEW | {"did": "0"}, "did"),
        (NEW | {"did": "abc"}, "did"),
        (NEW | {"did": 5}, "did"),
        (NEW | {"did": "18446744073709551616"}, "did"),
        (NEW | {"key": "no PEM"}, "key"),
        (NEW | {"nmae": "Gate"}, "nmae"),
    ],
)
async def test_a_refusal_of_a_device_names_the_field_and_nothing_is_stored(
    api: Client, body: Any, field: str
) -> None:
    status, code, message = await refusal(await api.raw("POST", "devices", body))
    assert (status, code) == (400, 420)
    assert field in message
    assert api.hub.services.cameras.devices.list() == []


async def test_the_limit_of_a_code_is_that_of_pages_and_command_line(api: Client) -> None:
    assert (await api.raw("POST", "devices", NEW | {"code": "C" * 128})).status_code == 200
    answer = await refusal(await api.raw("POST", "devices", NEW | {"sn": "2", "code": "C" * 129}))
    assert answer[:2] == (400, 420)


async def test_a_body_that_is_too_long_is_refused(api: Client) -> None:
    for length in (65_536, 2_000_000):
        body = json.dumps(NEW | {"name": "x" * length})
        answer = await refusal(await api.raw("POST", "devices", body.encode()))
        assert answer == (413, 420, "body: longer than 65536 bytes")


async def test_a_change_of_a_missing_device_is_404(api: Client) -> None:
    for method in ("PATCH", "DELETE"):
        assert (await refusal(await api.raw(method, "devices/9", {})))[:2] == (404, 426)


async def test_a_change_to_a_waiting_device_is_refused_when_its_code_does_not_match(
    api: Client, clock: FrozenClock
) -> None:
    await api.hub.services.cameras.devices.set_site_key(public_pem())
    await api.send("POST", "devices", NEW)
    ts = int(clock())
    sign = sign_connect(private_key(0), sn="SN0009", code="RIGHT", ts=ts)
    attempt = ConnectAttempt("SN0009", "192.168.1.9", "10.1.1.9", sign, str(ts), 0.4)
    api.hub.pending_devices.record_unknown(attempt, [RefusalReason("unknown")], FakeLink())
    other = {"sn": "SN0009", "code": "WRONG"}
    assert await refusal(await api.raw("PATCH", "devices/1", other)) == (
        422,
        423,
        "the code does not match the signature",
    )
    assert (await api.get("devices/1"))["sn"] == "SN0001"
    changed = await api.send("PATCH", "devices/1", other | {"code": "RIGHT"})
    assert (changed["sn"], changed["waiting_reason"]) == ("SN0009", None)


async def test_every_change_is_in_the_audit_log(api: Client) -> None:
    await api.send("POST", "devices", NEW)
    await api.send("PATCH", "devices/1", {"name": "North", "code": "EF56GH78"})
    await api.send("DELETE", "devices/1")
    entries = (await api.hub.services.core.audit.newest(limit=3))[::-1]
    appid = api.hub.services.access.api_keys.all()[0].appid
    assert [(entry.who, entry.action, entry.target, entry.address) for entry in entries] == [
        (f"key {appid}", "device.add", "1 SN0001", "10.0.0.5"),
        (f"key {appid}", "device.change", "1 name, code", "10.0.0.5"),
        (f"key {appid}", "device.remove", "1 SN0001", "10.0.0.5"),
    ]


async def test_a_waiting_device_is_listed_and_accepted(api: Client, clock: FrozenClock) -> None:
    attempt = ConnectAttempt("SN0009", "192.168.1.9", "10.1.1.9", None, str(int(clock())), 0.4)
    api.hub.pending_devices.record_unknown(
        attempt, [RefusalReason("unknown")], FakeLink(), slowed_seconds=4
    )
    waiting = await api.get("devices/waiting")
    assert waiting == {
        "items": [
            {
                "sn": "SN0009",
                "ip": "192.168.1.9",
                "first_seen": "2026-11-25T12:00:00.000Z",
                "last_seen": "2026-11-25T12:00:00.000Z",
                "reason": "it is not known here: accept it with its security code; "
                "too many attempts failed, its own or those of unknown devices at its address: "
                "answers are delayed until 12:00:04 UTC",
                "reasons": ["unknown", "slowed"],
                "tries": 1,
                "clock_offset": 0.4,
                "slowed_until": "2026-11-25T12:00:04.000Z",
            }
        ],
        "next": None,
    }
    path = "devices/waiting/SN0009/accept"
    accepted = await api.send("POST", path, {"code": "AB12CD34", "name": "Gate"})
    assert (accepted["did"], accepted["name"]) == ("1", "Gate")
    assert accepted["init"]["outcome"] == "not-sent"
    assert (await api.get("devices/waiting"))["items"] == []
    assert (await refusal(await api.raw("POST", path, {"code": "AB12CD34"})))[:2] == (409, 420)
    path = path.replace("SN0009", "SN0010")
    assert (await refusal(await api.raw("POST", path, {"code": "AB12CD34"})))[:2] == (404, 426)


async def test_a_code_is_checked_against_a_waiting_device(api: Client) -> None:
    await api.hub.services.cameras.devices.set_site_key(public_pem())
    signed = sign_connect(private_key(0), sn="SN0009", code="AB12CD34", ts=1)
    attempt = ConnectAttempt("SN0009", "192.168.1.9", "10.1.1.9", signed, "1", -400)
    clock_off = RefusalReason("clock-off", {"seconds": "-400"})
    api.hub.pending_devices.record_unknown(attempt, [clock_off], FakeLink())
    path = "devices/waiting/SN0009/check"
    assert await api.send("POST", path, {"code": "AB12CD34"}) == {
        "outcome": "fits",
        "reasons": ["clock-off"],
        "reason": "its clock is 6 min 40 s behind: set its time and time zone",
        "sign_form": "md5-digestinfo",
    }
    wrong = await api.send("POST", path, {"code": "AB12CD34", "key": public_pem(1)})
    assert (wrong["outcome"], wrong["sign_form"]) == ("key-mismatch", None)
    assert (await api.get("devices/waiting"))["items"][0]["reasons"] == ["clock-off"]
    path = "devices/waiting/NOBODY/check"
    assert (await refusal(await api.raw("POST", path, {"code": "x"})))[:2] == (404, 426)


async def test_a_waiting_device_replaces_a_broken_one(api: Client) -> None:
    await api.send("POST", "devices", NEW | {"did": "77", "name": "Gate"})
    attempt = ConnectAttempt("SN0009", "192.168.1.9", "10.1.1.9", None, "1", 0)
    api.hub.pending_devices.record_unknown(attempt, [RefusalReason("no-signature")], FakeLink())
    body = {"code": "AB12CD34", "replaces": "77"}
    accepted = await api.send("POST", "devices/waiting/SN0009/accept", body)
    assert (accepted["did"], accepted["sn"], accepted["name"]) == ("77", "SN0009", "Gate")
    assert len((await api.get("devices"))["items"]) == 1


async def test_the_initial_parameters_of_an_offline_device_are_sent_later(api: Client) -> None:
    await api.send("POST", "devices", NEW)
    assert (await api.send("POST", "devices/1/init"))["outcome"] == "not-sent"
    assert (await refusal(await api.raw("POST", "devices/9/init")))[:2] == (404, 426)


async def test_after_a_new_key_the_earlier_one_stays_valid_until_it_is_ended(api: Client) -> None:
    await api.send("POST", "devices", NEW | {"key": public_pem()})
    changed = await api.send("PATCH", "devices/1", {"key": public_pem(1)})
    assert (changed["own_key"], changed["earlier_key_until"]) == (True, "2026-12-02T12:00:00.000Z")
    changed = await api.send("PATCH", "devices/1", {"earlier_key": None})
    assert changed["earlier_key_until"] is None


@pytest.mark.parametrize("as_csv", [True, False])
async def test_many_devices_are_imported_all_or_none(api: Client, as_csv: bool) -> None:
    async def sent(*rows: dict[str, str], query: str = "") -> Response:
        if not as_csv:
            return await api.raw("POST", f"devices/import{query}", {"rows": list(rows)})
        lines = [",".join(row.get(name, "") for name in ("sn", "code", "name")) for row in rows]
        body = "\n".join(["sn,code,name", *lines]).encode()
        headers = api.headers | {"Content-Type": "text/csv"}
        return await api.raw("POST", f"devices/import{query}", body, headers)

    rows = {"sn": "A", "code": "1", "name": "北门"}, {"sn": "B", "code": "2"}
    assert await good(await sent(*rows, query="?dry_run=true")) == {
        "count": 2,
        "dids": [None, None],
    }
    assert (await api.get("devices"))["items"] == []
    status, code, message = await refusal(await sent(rows[0], {"sn": "B"}, rows[0]))
    assert (status, code) == (400, 420)
    first = 2 if as_csv else 1
    for text in (
        f"line {first + 1}: code: ",
        f"line {first + 2}: sn: A is already in line {first}",
    ):
        assert text in message
    assert await good(await sent(*rows)) == {"count": 2, "dids": ["1", "2"]}
    assert [item["name"] for item in (await api.get("devices"))["items"]] == ["北门", ""]


@pytest.mark.parametrize("as_csv", [True, False])
async def test_the_devices_of_a_large_site_are_imported_at_once(api: Client, as_csv: bool) -> None:
    rows = [{"sn": f"Y3CA{n:011}", "code": "AB12CD34", "name": f"Hall {n}"} for n in range(2000)]
    body: Any = {"rows": rows}
    headers = dict(api.headers)
    if as_csv:
        lines = [",".join(row.values()) for row in rows]
        body = "\n".join(["sn,code,name", *lines]).encode()
        headers["Content-Type"] = "text/csv"
    answer = await good(await api.raw("POST", "devices/import", body, headers))
    assert (answer["count"], answer["dids"][-1]) == (2000, "2000")
    status, code, message = await refusal(await api.raw("POST", "devices/import", body, headers))
    assert (status, code) == (400, 420)
    first = "line 2: " if as_csv else "line 1: "
    assert message.startswith(f"{first}sn: a device with sn Y3CA00000000000 exists already")
    assert message.endswith("and 1980 more")


async def test_a_long_csv_body_may_be_signed(api: Client, signer: Signer) -> None:
    rows = "".join(f"SN{n:06},AB12CD34\n" for n in range(5000))
    body = f"sn,code\n{rows}".encode()
    headers = {"Content-Type": "text/csv"}

    def query() -> str:
        signed = signer.change("POST", "devices/import", body, dry_run="true")
        return f"devices/import?{signed}"

    answer = await api.raw("POST", query(), body.replace(b"SN000000", b"SN999999"), headers)
    assert (await refusal(answer))[:2] == (422, 423)
    answer = await api.raw("POST", query(), body, headers)
    assert (await good(answer))["count"] == 5000


async def test_a_csv_body_that_is_too_long_or_not_authorised_is_not_read(
    hub: HubServices, api: Client
) -> None:
    async def sent(size: int, headers: dict[str, str]) -> tuple[int, int]:
        answer = await api.raw("POST", "devices/import", bytes(size), headers)
        return (await refusal(answer))[:2]

    assert await sent((4 << 20) + 1, api.headers) == (413, 420)
    assert await sent(1 << 20, {}) == (401, 401)
    assert await sent(1 << 20, await hub.bearer(read_only=True)) == (403, 401)
    rows = [NEW | {"sn": str(n)} for n in range(10_001)]
    answer = await api.raw("POST", "devices/import", {"rows": rows})
    assert (await refusal(answer))[:2] == (400, 420)


async def test_devices_are_exported_without_their_codes(api: Client) -> None:
    await api.send("POST", "devices", NEW | {"name": "Gate"})
    answer = await api.raw("GET", "devices/export")
    assert answer.mimetype == "text/csv"
    assert await answer.get_data(as_text=True) == "sn,code,did,name,key\r\nSN0001,,1,Gate,\r\n"


async def test_a_csv_body_that_is_not_text_is_refused(api: Client) -> None:
    headers = api.headers | {"Content-Type": "text/csv"}
    answer = await api.raw("POST", "devices/import", b"sn,code\n\xff", headers)
    assert (await refusal(answer))[:2] == (400, 420)


# Records


async def add_one_of_each(hub: HubServices) -> None:
    await hub.add(face("Li Lei", at=1_000))
    event = EventDetail(type=3, uuid="7")
    await hub.add(CheckedUpload(kind="event", occurred_at=2_000, detail=event))
    plate = VehicleDetail(plate=Plate(id="京A12345", type=1))
    await hub.add(CheckedUpload(kind="vehicle", occurred_at=3_000, detail=plate))
    detail = AccessDetail(rid="1", uuid="9223372036854775808")
    await hub.add(CheckedUpload(kind="access", occurred_at=4_000, detail=detail), did="2")


async def add_one_with_attributes_each(hub: HubServices) -> None:
    man = FaceDetail(
        gender=1, attributes={"bag": "backpack", "upper_colour": "red", "helmet": "no"}
    )
    await hub.add(CheckedUpload(kind="face", occurred_at=5_000, detail=man))
    car = VehicleDetail(
        Plate(id="B8888", colour="blue"), Vehicle(type=6, brand="Great Wall", colour="red")
    )
    await hub.add(CheckedUpload(kind="vehicle", occurred_at=6_000, detail=car))


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        ("", [1, 2, 3, 4]),
        ("kind=vehicle", [3]),
        ("did=2", [4]),
        ("type=3", [2]),
        ("uuid=7", [2]),
        ("name=li+l", [1]),
        ("plate=a123", [3]),
        ("plate=%E4%BA%ACa", [3]),
        ("plate=a?2*5", [3]),
        ("name=l?+lei", [1]),
        ("category=1", []),
        ("category=1,0&category=2", []),
        ("did=1&did=2", [1, 2, 3, 4]),
        ("did=2,3", [4]),
        ("did=,&did=", [1, 2, 3, 4]),
        ("pictures=yes", []),
        ("pictures=no&did=2", [4]),
        ("since=1970-01-01T00:00:02Z", [2, 3, 4]),
        ("until=1970-01-01T00:00:02Z", [1]),
        ("since=1970-01-01T00:00:02Z&until=1970-01-01T00:00:03.001Z", [2, 3]),
        ("since=1970-01-01T08:00:02%2B08:00", [2, 3, 4]),
        ("since=1970-01-01T08:00:02+08:00", [2, 3, 4]),
        ("after=2", [3, 4]),
        ("after=0&limit=2", [1, 2]),
        ("before=3", [1, 2]),
        ("order=desc", [4, 3, 2, 1]),
        ("order=desc&before=3", [2, 1]),
        ("order=desc&limit=1", [4]),
        ("name=%ff%ED%A0%80%00", []),
        ("bag=backpack", [5]),
        ("bag=none,backpack&upper_colour=red&upper_colour=blue", [5]),
        ("bag=none&upper_colour=red", []),
        ("helmet=no&gender=male", [5]),
        ("plate_colour=blue", [3, 6]),
        ("car_colour=red&car_type=SUV&plate=88", [6]),
        ("car_maker=Great+Wall", [6]),
        ("car_colour=red&bag=backpack", []),
        ("bag=", [1, 2, 3, 4, 5, 6]),
        ("kind=&did=&since=&until=&type=&plate=&name=", [1, 2, 3, 4]),
    ],
)
async def test_records_are_filtered_and_ordered(api: Client, query: str, seqs: list[int]) -> None:
    await add_one_of_each(api.hub)
    if any(f"{key}=" in query for key in SEARCHABLE):
        await add_one_with_attributes_each(api.hub)
    assert await api.seqs(query) == seqs


async def test_records_are_filtered_by_groups_of_cameras(api: Client) -> None:
    groups = api.hub.services.people.groups
    dids = [
        (await api.send("POST", "devices", {"sn": f"SN{n:04}", "code": "AB12CD34"}))["did"]
        for n in range(3)
    ]
    gate = await groups.add("Gate", dids[:2], by=COMMAND_LINE)
    yard = await groups.add("Yard", dids[2:], by=COMMAND_LINE)
    empty = await groups.add("Nowhere", by=COMMAND_LINE)
    for did in dids:
        await api.hub.add(face(did), did=did)
    assert await api.seqs(f"group={gate.id}") == [1, 2]
    assert await api.seqs(f"group={yard.id}&did={dids[0]}") == [1, 3]
    assert await api.seqs(f"group={gate.id}&group={yard.id}") == [1, 2, 3]
    assert await api.seqs(f"group={empty.id}") == []


async def test_a_signed_list_is_given_once(api: Client, signer: Signer) -> None:
    await add_one_of_each(api.hub)
    found = await good(await api.raw("GET", f"records?{signer.query(did='1,2')}", headers={}))
    assert len(found["items"]) == 4
    query = f"records?{signer.query(did='1')}&did=2"
    status, code, message = await refusal(await api.raw("GET", query, headers={}))
    assert (status, code, message) == (400, 420, "did: given more than once")


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_list_continues_with_after_until_next_is_null(api: Client, order: str) -> None:
    await api.hub.add_faces(*"abcdefg")
    seqs: list[int] = []
    query = f"records?order={order}&limit=3"
    page = await api.get(query)
    while True:
        seqs += [record["seq"] for record in page["items"]]
        if page["next"] is None:
            break
        page = await api.get(f"{query}&after={page['next']}")
    assert seqs == sorted(range(1, 8), reverse=order == "desc")


async def test_a_descending_list_continues_with_before_too(api: Client) -> None:
    await api.hub.add_faces(*"abcde")
    page = await api.get("records?order=desc&limit=3")
    assert await api.seqs(f"order=desc&limit=3&before={page['next']}") == [2, 1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=dog", "kind: one of access, event, face, hub, vehicle"),
        ("order=up", "order: one of asc, desc"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=99999999999999999999", "after"),
        ("before=1.5", "before"),
        ("did=abc", "did"),
        ("did=1&did=abc", "did: a decimal number"),
        ("did=" + "1," * 1001, "did: a list of at most 1000 values"),
        ("group=x", "group: a whole number"),
        ("group=9", "group"),
        ("pictures=maybe", "pictures: one of no, yes"),
        ("kind=face&kind=event", "kind: given more than once"),
        ("type=x", "type"),
        ("category=1e999", "category"),
        ("since=yesterday", "since"),
        ("since=2026-11-25T08:00:00", "since"),
        ("until=1764057600", "until"),
        ("until=2026-13-01T00:00:00Z", "until"),
        (f"name={'x' * 201}", "name"),
        ("palte=A1", "palte"),
        ("bag=none,barrel", "bag: 'barrel' is not one of none, shoulder bag, backpack"),
        ("helmet=2", "helmet: '2' is not one of no, yes"),
        ("car_colour=" + "red," * 101, "car_colour: a list of at most 100 values"),
    ],
)
async def test_a_bad_parameter_is_refused_by_its_name(api: Client, query: str, field: str) -> None:
    status, code, message = await refusal(await api.raw("GET", f"records?{query}"))
    assert (status, code) == (400, 420)
    assert field in message


async def test_one_record_has_the_shape_of_the_contract(api: Client) -> None:
    await api.hub.add(
        msgspec.structs.replace(
            face("Li Lei", pictures=True, at=1_764_057_600_123),
            extra=msgspec.Raw(b'{"pid":"9223372036854775808"}'),
        ),
        did="12",
    )
    assert await api.get("records/1") == {
        "seq": 1,
        "kind": "face",
        "did": "12",
        "sn": "SN12",
        "device_name": "Gate",
        "occurred_at": "2025-11-25T08:00:00.123Z",
        "received_at": "2026-11-25T12:00:00.000Z",
        "name": "Li Lei",
        "images": {"face": "/media/1/face.jpg"},
        "extra": {"pid": "9223372036854775808"},
    }


@pytest.mark.parametrize(
    ("seq", "status"),
    [("7", (404, 426)), ("9" * 18, (404, 426)), ("x", (400, 420)), ("9" * 30, (400, 420))],
)
async def test_a_missing_record_is_404(api: Client, seq: str, status: tuple[int, int]) -> None:
    assert (await refusal(await api.raw("GET", f"records/{seq}")))[:2] == status


# Routes


@pytest.mark.parametrize("path", ["", "nothing", "devices/", "records/1/2", "devices/1/nothing"])
async def test_an_unknown_route_is_answered_in_the_contracts_form(api: Client, path: str) -> None:
    assert (await refusal(await api.raw("GET", path)))[:2] == (404, 404)


async def test_a_wrong_method_is_answered_with_those_allowed(api: Client) -> None:
    response = await api.raw("PUT", "devices", NEW)
    assert (await refusal(response))[:2] == (405, 404)
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.expects_error("a fault of the hub while answering GET")
async def test_an_internal_error_is_logged_and_reveals_nothing(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.hub.services.cameras.devices, "get", fail)
    status, _, message = await refusal(await api.raw("GET", "devices/1"))
    assert status == 500
    assert "secret detail" not in message


async def test_a_plain_hub_names_its_cookie_without_the_prefix_that_demands_tls(
    tmp_path: Path, clock: FrozenClock
) -> None:
    config = Config(web=msgspec.structs.replace(Config().web, tls=False))
    async with open_hub_services(tmp_path, clock, config) as hub:
        token = await hub.add_user("vic", "viewer")
        api = Client(hub, {"Cookie": f"sitehub_session={token}"})
        assert (await api.get("devices"))["items"] == []
