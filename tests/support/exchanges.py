"""Requests and answers of each kind (1.1 to 1.16, D3), with the secrets that they contain."""

from __future__ import annotations

import base64
import json
import random
from typing import Any, NamedTuple

from hub.live.frame_ring import FrameRing

SN = "Y3CA12348912345"
DID = "1234512"
TOKEN = "adf4453456ghhjgsf23546yQ-_z"
SIGN = base64.b64encode(random.Random(1).randbytes(128)).decode()
SECRET = "AABBCC112233"
PHOTO = base64.b64encode(random.Random(2).randbytes(60_000)).decode()
SMALL_PHOTO = base64.b64encode(random.Random(3).randbytes(90)).decode()
ID_CARD = "11010519491231002X"
IC_CARD = "0004711815"
WORK_ID = "10091774"
PHONE = "13612345678"
FEATURE = [random.Random(4).uniform(-1e30, 1e30) for _ in range(512)]

#: Must not be in a redacted frame: secrets, and parts that identify them.
SECRETS = (
    TOKEN,
    SIGN[:24],
    SECRET,
    PHOTO[:24],
    SMALL_PHOTO[:24],
    ID_CARD,
    ID_CARD[:12],
    IC_CARD,
    WORK_ID,
    PHONE,
    str(FEATURE[0])[:8],
)

_WHEN = {"start_time": "2021-10-03 10:30:00", "end_time": "2021-10-03 16:00:00"}
_FILTER = {"name": "张三", "workId": WORK_ID, "idCard": ID_CARD, "phone": int(PHONE)}
_PERSON = {
    "pid": "123456",
    "name": "张三",
    "work_id": WORK_ID,
    "id_card_no": ID_CARD,
    "ic_card_no": IC_CARD,
    "department": "测试部",
    "gender": 2,
    "age": 27,
    "category": 1,
    "phone": PHONE,
}
_PATHS = {
    "jpeg_url_face": "sdcard/20210924/14/2741_179.jpg",
    "jpeg_url_body": "sdcard/20210924/14/2741_179_body.jpg",
    "jpeg_url_frame": "sdcard/20220924/14/2741_179_bg.jpg",
}
_CAPTURE = {"time": "2022-09-24 14:27:41", **_PATHS}
_RECORDING = {
    "filename": "/progs/rec/00/20211003/N02180546.mp4",
    "start_time": "2021-10-03 10:05:46",
    "end_time": "2021-10-03 10:15:48",
}


class Exchange(NamedTuple):
    """A request and its answer. `by`: who sent the request."""

    by: str
    uri: str
    param: Any
    code: int
    result: Any = None


#: Sent by the device, then by the hub, in the order of the sections.
EXCHANGES = (
    Exchange(
        "device",
        "/connect",
        {"sn": SN, "ts": 1658029108, "sign": SIGN, "did": DID, "ip": "192.168.100.168"},
        200,
        {"token": TOKEN, "expire": 3600, "interval": 30},
    ),
    Exchange(
        "device",
        "/token/update",
        {"did": DID, "sn": SN},
        200,
        {"token": TOKEN, "expire": 3600},
    ),
    Exchange(
        "device",
        "/heartbeat",
        {"did": DID, "sn": SN, "ip": "192.168.100.168"},
        200,
        {"expire": 3599},
    ),
    Exchange(
        "hub",
        "/device/param_set",
        {"did": DID, "otaId": "35646hgf56768", "appid": "FUN790386", "secret": SECRET},
        200,
    ),
    Exchange(
        "hub",
        "/ivp/person_param_set",
        {"enable": True, "threshold": 50, "alarm_out": {"interval": 10, "alarm_push": True}},
        404,
    ),
    Exchange("hub", "/storage/record_set", {"normal_record": 1, "pre_record": {"enable": 1}}, 200),
    Exchange(
        "hub",
        "/storage/record_by_month",
        {"year": 2021, "month": 10},
        0,
        [{"day": day, "count": 95} for day in range(1, 31)],
    ),
    Exchange(
        "hub",
        "/storage/get_record_list",
        {**_WHEN, "page_num": 0, "page_size": 500},
        0,
        {"total_page": 1, "total_file": 500, "page_size": 500, "recordlist": [_RECORDING] * 500},
    ),
    Exchange("hub", "/system/maintain/reboot", {"delay_ms": 1000}, 0),
    Exchange(
        "hub",
        "/ivp/face/get_cap_history",
        {**_WHEN, "page_num": 1, "page_size": 32, **_FILTER},
        0,
        {"face_total": 916, "face_list": [{"name": "张三", "similarity": 80, **_CAPTURE}] * 32},
    ),
    Exchange(
        "hub",
        "/person/get_cap_history",
        {**_WHEN, "page_num": 0, "page_size": 32},
        0,
        {"total": 916, "list": [_CAPTURE] * 32},
    ),
    Exchange("hub", "/person/add", {**_PERSON, "photo": PHOTO}, 0),
    Exchange(
        "hub",
        "/person/list",
        {"page_num": 1, "page_size": 32, "category": 1, **_FILTER},
        0,
        {"total": 916, "list": [{**_PERSON, "photo": "data/facelib/19017.jpg"}] * 32},
    ),
    Exchange(
        "hub",
        "/person/query",
        {"pid": "123456"},
        0,
        {**_PERSON, "photo": SMALL_PHOTO, "feature": FEATURE},
    ),
    Exchange("hub", "/person/delete", {"pid": "123456"}, 0),
    Exchange(
        "hub",
        "/person/search",
        {**_WHEN, "photo": f"data:image/jpeg;base64,{PHOTO}", "threshold": 80},
        0,
        {"total": 1, "face_list": [{"score": 90, **_CAPTURE}]},
    ),
    Exchange(
        "hub",
        "/storage/get_file_by_path",
        {"path": "sdcard/20210924/14/2741_179.jpg"},
        0,
        {"path": "sdcard/20210924/14/2741_179.jpg", "base64": PHOTO.replace("=", "\\u003d")},
    ),
)


def request_of(exchange: Exchange, msgid: str) -> str:
    frame = {"msgid": msgid, "token": TOKEN, "data": {"uri": exchange.uri, "param": exchange.param}}
    if exchange.uri == "/connect":
        del frame["token"]
    return json.dumps(frame, ensure_ascii=False)


def answer_of(exchange: Exchange, msgid: str) -> str:
    data = {
        "uri": exchange.uri,
        "code": exchange.code,
        "msg": "OK" if exchange.code < 300 else "no such path",
    }
    if exchange.result is not None:
        data["result"] = exchange.result
    return json.dumps({"msgid": msgid, "data": data}, ensure_ascii=False)


def record_exchange(ring: FrameRing, exchange: Exchange, msgid: str) -> None:
    """Add both frames to a ring, as a link does."""
    request, answer = request_of(exchange, msgid), answer_of(exchange, msgid)
    if exchange.by == "device":
        ring.received(request)
        ring.sent(answer)
    else:
        ring.sent(request)
        ring.received(answer)
