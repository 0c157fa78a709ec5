"""The codes of 四, a table: each code, and the requests that get it.

422, 424 to 426 and 503 occur over HTTP only: no request on the WebSocket can get them (D7).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest
import trio
from trio.testing import MockClock

from hub.config import Config, DevicesConfig
from hub.errors import CODES
from hub.services.admission.connect import Admitted
from hub.services.clock.clock import SiteClock
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.store.tables.firmware import Release
from hub.wire.session import ConnectParam
from hub.wire.signing import body_md5, sign_connect, sign_params
from hub.wire.uploads.firmware import Versions
from hub.wire.uploads.records import AccessDetail, EventDetail, Record
from tests.support.clock import FrozenClock
from tests.support.device_call import FACE, Call, ask
from tests.support.firmware import FirmwareSite
from tests.support.gate import ADDRESS, CODE, SN, FakeLink, private_key, public_pem
from tests.support.hub_services import open_hub_services
from tests.support.pictures import JPEG, b64
from tests.support.plug import Camera, Port, device_port
from tests.support.stores import FaultyDisk
from web.device_api.uploads import device_api
from web.http.bodies import Bodies

INFO = "/api/v1/device/report/info"
OTA = "/api/v1/ota/query"
EVENT = "/api/v1/device/report/event"
VEHICLE = "/api/v1/vehicle/capture"
ACCESS = "/api/v1/access/record"
LONE = "/api/v1/access/upload/base64img"
TIME = "/api/v1/server/time"

SECONDS = 1_666_781_577
DID, OTHER_DID = "12", "13"


def body(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


def face(**fields: object) -> bytes:
    return body(**{"time": SECONDS, "data": {"face_data": b64(JPEG)}, **fields})


def event(**fields: object) -> bytes:
    return body(**{"time": SECONDS * 1000, "type": 1, **fields})


class Hub(FirmwareSite):
    """A hub with a gate that is online and a yard that is not; requests come from the gate."""

    def __init__(self, hub: Any, clock: FrozenClock, disk: FaultyDisk) -> None:
        super().__init__(hub, clock)
        self.clock = clock
        self.disk = disk
        self.registry = hub.registry
        self.admission = hub.services.cameras.admission
        self.api = device_api(hub.services, Bodies(hub.services.config.web))
        self.token = ""

    async def let_in(self) -> None:
        """Enrol gate and yard; the gate connects."""
        await self.devices.set_site_key(public_pem())
        await self.devices.add(NewDevice(sn=SN, code=CODE, did=DID, name="Gate"))
        await self.devices.add(NewDevice(sn="SN13", code=CODE, did=OTHER_DID, name="Yard"))
        link, ts = FakeLink(ADDRESS), int(self.clock())
        sign = sign_connect(private_key(0), sn=SN, code=CODE, ts=ts)
        param = ConnectParam(sn=SN, ts=float(ts), ts_text=str(ts), sign=sign, did=DID)
        admitted = await self.admission.connect(param, link)
        assert isinstance(admitted, Admitted)
        link.did, link.sn = DID, SN
        self.admission.enter(link)
        self.token = admitted.result.token

    async def send(self, path: str = FACE, sent: bytes | None = None, **how: Any) -> Call:
        """Send a request of the gate, with its token unless `how` replaces it."""
        how = {"token": self.token, **how}
        return await ask(self.api, face() if sent is None else sent, path=path, **how)

    async def send_signed(self, path: str = FACE, sent: bytes | None = None, **how: Any) -> Call:
        """Send a request signed as in 三, without a token; `how` replaces parts of the query."""
        sent = face() if sent is None else sent
        method = how.pop("method", "POST")
        return await self.send(
            path, sent, token=None, method=method, query=self.signed(sent, **how)
        )

    def signed(self, sent: bytes, *, ts: float | None = None, **replaced: str) -> str:
        device = self.devices.device(DID)
        at = str(int(self.clock() if ts is None else ts))
        query = {"appid": device.appid, "ts": at, "body_md5": body_md5(sent)}
        sign = sign_params(query, self.store.devices.secrets(DID).secret)
        return urlencode({**query, "sign": sign, **replaced})

    async def give(self, **release: Any) -> Release:
        """Start a campaign that gives the gate a release."""
        given = await self.add_release(**release)
        await self.campaigns.start(given.id, [DID])
        return given

    async def records(self) -> list[Record]:
        return list((await self.store.records.page(RecordFilter())).items)


@asynccontextmanager
async def opened(tmp_path: Path, clock: FrozenClock, **config: Any) -> AsyncIterator[Hub]:
    disk = FaultyDisk()
    given = Config(devices=DevicesConfig(**{"require_did": "never", **config}))
    async with open_hub_services(tmp_path, clock, given, disk=disk) as services:
        hub = Hub(services, clock, disk)
        await hub.let_in()
        yield hub


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Hub]:
    async with opened(tmp_path, clock) as hub:
        yield hub


async def of_an_expired_token(hub: Hub) -> Call:
    hub.clock.advance(7201)
    return await hub.send()


async def of_a_disabled_device(hub: Hub) -> Call:
    await hub.devices.change(DID, DeviceChange(enabled=False))
    return await hub.send()


async def signed_by_a_disabled_device(hub: Hub) -> Call:
    await hub.devices.change(DID, DeviceChange(enabled=False))
    return await hub.send_signed()


async def too_old(hub: Hub) -> Call:
    await hub.give(least=Versions(fw_ver="V1.5"))
    return await hub.send(OTA, body(fwVer="V1.4.9"))


async def of_another_device(hub: Hub) -> Call:
    await hub.give()
    return await hub.send(OTA, body(otaId=hub.devices.device(OTHER_DID).ota_id))


async def given_a_release(hub: Hub) -> Call:
    await hub.give()
    return await hub.send(OTA, body(otaId=hub.devices.device(DID).ota_id, fwVer="V1.0"))


async def up_to_date(hub: Hub) -> Call:
    await hub.give()
    return await hub.send(OTA, body(fwVer="V2.0"))


async def on_a_full_disk(hub: Hub) -> Call:
    hub.disk.failing = {"write"}
    return await hub.send()


class Http(NamedTuple):
    """An HTTP request, with the status and code that answer it."""

    status: int
    code: int
    request: Callable[[Hub], Awaitable[Call]]


HTTP = {
    "a capture with the token": Http(200, 200, lambda hub: hub.send()),
    "a capture signed as in 三": Http(200, 200, lambda hub: hub.send_signed()),
    "a capture whose did and sn are empty": Http(
        200, 200, lambda hub: hub.send(sent=face(did="", sn=""))
    ),
    "versions": Http(200, 200, lambda hub: hub.send(INFO, body(did=DID, fwVer="V1.0"))),
    "an event": Http(200, 200, lambda hub: hub.send(EVENT, event())),
    "the release that is meant for it": Http(200, 200, given_a_release),
    "all of that release is reported already": Http(200, 200, up_to_date),
    "the time, without a token": Http(
        200, 200, lambda hub: hub.send(TIME, b"", token=None, method="GET")
    ),
    "no token": Http(401, 401, lambda hub: hub.send(token=None)),
    "an unknown token": Http(401, 401, lambda hub: hub.send(token="adf4453456ghhjgsf23546y")),
    "a token of 5,000 characters": Http(401, 401, lambda hub: hub.send(token="t" * 5000)),
    "an expired token": Http(401, 401, of_an_expired_token),
    "the token of a disabled device": Http(401, 401, of_a_disabled_device),
    "the signature of a disabled device": Http(401, 401, signed_by_a_disabled_device),
    "the did of another device": Http(401, 401, lambda hub: hub.send(sent=face(did=OTHER_DID))),
    "an unknown did, with a token": Http(401, 401, lambda hub: hub.send(sent=face(did="9"))),
    "the sn of another device": Http(401, 401, lambda hub: hub.send(sent=face(sn="SN13"))),
    "another's versions": Http(401, 401, lambda hub: hub.send(INFO, body(did=OTHER_DID))),
    "another's question": Http(401, 401, lambda hub: hub.send(OTA, body(did=OTHER_DID))),
    "no such path": Http(404, 404, lambda hub: hub.send("/api/v1/adapter/capture")),
    "another method": Http(404, 404, lambda hub: hub.send(method="GET")),
    "no JSON": Http(200, 420, lambda hub: hub.send(sent="“1234566”".encode())),
    "no time": Http(200, 420, lambda hub: hub.send(sent=body(did=DID))),
    "a picture that is not base64": Http(
        200, 420, lambda hub: hub.send(sent=face(data={"face_data": "…"}))
    ),
    "base64 that is not a picture": Http(
        200, 420, lambda hub: hub.send(sent=face(data={"face_data": b64(b"text")}))
    ),
    "an event without a type": Http(200, 420, lambda hub: hub.send(EVENT, event(type=None))),
    "a version that is not text": Http(200, 420, lambda hub: hub.send(INFO, body(fwVer=[]))),
    "a body beyond the limit": Http(413, 420, lambda hub: hub.send(length=2**30)),
    "an unknown appid": Http(200, 422, lambda hub: hub.send_signed(appid="FUN790386")),
    "a wrong sign": Http(
        200, 423, lambda hub: hub.send_signed(sign="C7C164B353F05DF3E219E82FC4619912")
    ),
    "an appid without a sign": Http(200, 423, lambda hub: hub.send_signed(sign="")),
    "signed long ago": Http(200, 423, lambda hub: hub.send_signed(ts=1658029108)),
    "signed for another body": Http(
        200,
        423,
        lambda hub: hub.send(token=None, query=hub.signed(b"another")),
    ),
    "event type 15": Http(200, 424, lambda hub: hub.send(EVENT, event(type=15))),
    "event type 0": Http(200, 424, lambda hub: hub.send(EVENT, event(type="0"))),
    "a version below the least of the release": Http(200, 425, too_old),
    "no release is meant for it": Http(200, 426, lambda hub: hub.send(OTA, body(fwVer="V1.0"))),
    "an unknown otaId": Http(200, 426, lambda hub: hub.send(OTA, body(otaId="35646hgf"))),
    "the otaId of another device": Http(200, 426, of_another_device),
}


@pytest.mark.parametrize("row", HTTP.values(), ids=HTTP)
async def test_a_request_over_http_and_its_code(hub: Hub, row: Http) -> None:
    call = await row.request(hub)
    assert call.outcome == (row.status, row.code)
    assert call.json["msg"]


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_503_asks_to_retry_a_capture_that_cannot_be_stored_now(hub: Hub) -> None:
    call = await on_a_full_disk(hub)
    assert call.outcome == (503, 503)
    assert int(call.headers[b"retry-after"]) > 0
    hub.disk.failing = set()
    assert (await hub.send()).outcome == (200, 200)


async def test_421_over_http_only_without_a_token(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path, clock, http_auth="token-or-address") as hub:
        for_nobody = await hub.send(sent=face(sn=SN, did="9"), token=None, address=ADDRESS)
        assert for_nobody.outcome == (200, 421)


class WebSocket(NamedTuple):
    """A request on the WebSocket, with the code that answers it and the settings of the hub."""

    code: int
    ask: Callable[[Port, Camera], Awaitable[Any]]
    require_did: str = "never"


async def send_raw(camera: Camera, frame: str) -> Any:
    await camera.send(frame)
    return (await camera.receive())["data"]


async def after_connect(camera: Camera, uri: str, param: Any = None, **how: Any) -> Any:
    assert (await camera.connect())["code"] == 200
    return await camera.ask(uri, param, **how)


async def of_a_disabled_camera(port: Port, camera: Camera) -> Any:
    await port.site.devices.change(DID, DeviceChange(enabled=False))
    return await camera.connect()


async def with_an_expired_token(port: Port, camera: Camera) -> Any:
    await camera.connect()
    for _ in range(100):  # Heartbeats alone do not renew a token.
        await trio.sleep(60)
        if (answer := await camera.ask("/heartbeat"))["code"] != 200:
            break
    return answer


async def replayed(port: Port, camera: Camera) -> Any:
    param = camera.connect_param()
    assert (await camera.ask("/connect", param))["code"] == 200
    return await camera.ask("/connect", param)


WEBSOCKET = {
    "a signed connect": WebSocket(200, lambda port, camera: camera.connect(did=DID)),
    "a heartbeat": WebSocket(200, lambda port, camera: after_connect(camera, "/heartbeat")),
    "an update of its token": WebSocket(
        200, lambda port, camera: after_connect(camera, "token/update", {"did": DID, "sn": SN})
    ),
    "a heartbeat before any connect": WebSocket(401, lambda port, camera: camera.ask("/heartbeat")),
    "another uri before any connect": WebSocket(401, lambda port, camera: camera.ask("/no/such")),
    "an unknown token": WebSocket(
        401, lambda port, camera: after_connect(camera, "/heartbeat", token="adf4453456")
    ),
    "no token": WebSocket(
        401, lambda port, camera: after_connect(camera, "/heartbeat", token=None)
    ),
    "an expired token": WebSocket(401, with_an_expired_token),
    "a connect of a disabled device": WebSocket(401, of_a_disabled_camera),
    "no such uri": WebSocket(
        404, lambda port, camera: after_connect(camera, "/ivp/person_param_get")
    ),
    "no JSON": WebSocket(420, lambda port, camera: send_raw(camera, '{"uri"："/connect"}')),
    "neither a request nor an answer": WebSocket(
        420, lambda port, camera: send_raw(camera, '{"msgid":"1"}')
    ),
    "a connect without sn": WebSocket(420, lambda port, camera: camera.ask("/connect", {"ts": 1})),
    "a connect without ts": WebSocket(420, lambda port, camera: camera.ask("/connect", {"sn": SN})),
    "an sn that is not enrolled": WebSocket(
        421, lambda port, camera: camera.ask("/connect", {**camera.connect_param(), "sn": "Y3C9"})
    ),
    "the did of another sn": WebSocket(421, lambda port, camera: camera.connect(did=OTHER_DID)),
    "no did although it is required": WebSocket(
        421, lambda port, camera: camera.connect(), require_did="always"
    ),
    "a heartbeat of another did": WebSocket(
        421, lambda port, camera: after_connect(camera, "/heartbeat", {"did": OTHER_DID})
    ),
    "an update of another sn's token": WebSocket(
        421, lambda port, camera: after_connect(camera, "/token/update", {"sn": "Y3C9"})
    ),
    "a signature over another code": WebSocket(
        423, lambda port, camera: camera.connect(code="DCBA4321")
    ),
    "a signature by another key": WebSocket(423, lambda port, camera: camera.connect(key=1)),
    "no signature": WebSocket(423, lambda port, camera: camera.connect(sign=None)),
    "a clock that is far off": WebSocket(423, lambda port, camera: camera.connect(ts=1635066908)),
    "a connect that was accepted before": WebSocket(423, replayed),
}


@pytest.mark.parametrize("row", WEBSOCKET.values(), ids=WEBSOCKET)
async def test_a_request_on_the_websocket_and_its_code(
    autojump_clock: MockClock, row: WebSocket
) -> None:
    async with device_port(require_did=row.require_did) as port:
        await port.site.enrol(did=DID)
        camera = await port.camera()
        answer = await row.ask(port, camera)
        assert answer["code"] == row.code
        assert answer["msg"]


def test_every_code_of_the_specification_has_its_request() -> None:
    of_a_row = {row.code for row in HTTP.values()} | {row.code for row in WEBSOCKET.values()}
    of_chapter_four = {200, 401, 404, *range(420, 427)}
    assert of_a_row == of_chapter_four
    assert of_chapter_four | {503} <= CODES.keys()


#: Each path for devices, and a body that it accepts.
PATHS = {
    FACE: ("POST", face()),
    INFO: ("POST", body(fwVer="V1.0")),
    EVENT: ("POST", event()),
    VEHICLE: ("POST", body(sn=SN, time=str(SECONDS * 1000), data={"type": "1"})),
    ACCESS: ("PUT", body(sn=SN, data=[{"rid": 1, "accessTime": "2026-11-25 12:00:00"}])),
    LONE: ("POST", b"data:image/jpeg;base64," + b64(JPEG).encode()),
}


@pytest.mark.parametrize("path", [*PATHS, OTA])
async def test_d5_the_signature_of_three_is_taken_on_every_path(hub: Hub, path: str) -> None:
    await hub.give()
    method, sent = PATHS.get(path, ("POST", body(fwVer="V1.0")))
    assert (await hub.send_signed(path, sent, method=method)).outcome == (200, 200)


@pytest.mark.parametrize("path", [*PATHS, OTA])
async def test_d5_a_wrong_signature_is_423_on_every_path(hub: Hub, path: str) -> None:
    method, sent = PATHS.get(path, ("POST", b"{}"))
    call = await hub.send_signed(path, sent, method=method, sign="0" * 32)
    assert call.outcome == (200, 423)
    assert not await hub.records()


async def test_d5_the_signature_need_not_cover_the_body(hub: Hub) -> None:
    query = {"appid": hub.devices.device(DID).appid, "ts": str(int(hub.clock())), "extra": "1"}
    sign = sign_params(query, hub.store.devices.secrets(DID).secret)
    query_string = urlencode({**query, "sign": sign})
    assert (await hub.send(token=None, query=query_string)).outcome == (200, 200)


@pytest.mark.parametrize("token", [None, ""])
async def test_d5_with_an_empty_token_the_signature_counts(hub: Hub, token: str | None) -> None:
    call = await hub.send(token=token, query=hub.signed(face()))
    assert call.outcome == (200, 200)


@pytest.mark.parametrize("path", [*PATHS, OTA])
async def test_d8_token_or_address_accepts_an_upload_from_the_devices_own_address(
    tmp_path: Path, clock: FrozenClock, path: str
) -> None:
    async with opened(tmp_path, clock, http_auth="token-or-address") as hub:
        method, sent = PATHS.get(path, ("POST", b"{}"))
        names_it = b'{"sn":"%s"' % SN.encode() + (b"," + sent[1:] if sent[1:] != b"}" else b"}")
        sent = sent if path == LONE else names_it
        own = await hub.send(path, sent, method=method, token=None, address=ADDRESS)
        # A lone picture does not identify a device; no release is meant for the gate.
        assert own.json["code"] == {LONE: 401, OTA: 426}.get(path, 200)
        foreign = await hub.send(path, sent, method=method, token=None, address="10.0.0.99")
        assert foreign.outcome == (401, 401)


async def test_2_4_unknown_event_types_are_kept_when_configured(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock, unknown_event_types="keep") as hub:
        assert (await hub.send(EVENT, event(type=21))).outcome == (200, 200)
        (record,) = await hub.records()
        assert isinstance(record.detail, EventDetail)
        assert record.detail.type == 21
        for no_type in (0, -1):
            assert (await hub.send(EVENT, event(type=no_type))).outcome == (200, 424)


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_d8_access_records_and_a_lone_picture_that_belongs_to_the_last(
    hub: Hub, method: str
) -> None:
    entry = {
        "rid": "7",
        "did": "",
        "pid": 2**63,
        "type": 1,
        "status": 0,
        "accessTime": "2026-11-25 12:00:00",
        "faceImg": b64(JPEG),
        "temperature": "36.5",
        "score": 0,
    }
    assert (await hub.send(ACCESS, body(sn=SN, data=[entry]), method=method)).outcome == (200, 200)
    lone = b"data:image/jpeg;base64," + b64(JPEG).encode()
    assert (await hub.send(LONE, lone)).outcome == (200, 200)
    access, picture = await hub.records()
    assert isinstance(access.detail, AccessDetail)
    assert isinstance(picture.detail, AccessDetail)
    assert access.detail.uuid == str(2**63)
    assert picture.detail.of == access.seq


async def test_d8_the_time_is_unix_seconds(hub: Hub) -> None:
    call = await hub.send(TIME, b"", token=None, method="GET")
    assert call.json["data"] == {"time": int(hub.clock())}


async def test_d8_a_doubted_time_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SiteClock, "is_doubted", True)
    for likely, told in ((0, 0), (-86_400, 0), (86_400, 86_400)):
        monkeypatch.setattr(
            SiteClock, "likely_time", lambda clock, likely=likely: hub.clock() + likely
        )
        call = await hub.send(TIME, b"", token=None, method="GET")
        assert call.json["data"] == {"time": int(hub.clock()) + told, "doubted": True}
