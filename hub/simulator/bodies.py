"""What a simulated camera uploads, written the way real cameras of this make write it (D8)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime

import msgspec
import pybase64
from msgspec import Struct

from hub.simulator import drawing
from hub.simulator.cast import Person
from hub.simulator.day import AccessGranted, CarSeen, EventSeen, FaceSeen, Happening
from hub.simulator.identity import CameraIdentity

#: What a plate's first character is called where no font has it.
_PROVINCES = {"粤": "YUE", "湘": "XIANG", "桂": "GUI", "京": "JING", "沪": "HU"}


class Upload(Struct, frozen=True):
    """One request to the hub's device interface."""

    method: str
    path: str
    body: bytes


def upload_of(
    identity: CameraIdentity, happening: Happening, at: float, chance: random.Random
) -> Upload:
    """The upload of what was seen at `at` (UNIX seconds). Draws: call it in a thread."""
    if isinstance(happening, FaceSeen):
        return _face(identity, happening, at, chance)
    if isinstance(happening, EventSeen):
        return _event(identity, happening, at)
    if isinstance(happening, CarSeen):
        return _vehicle(identity, happening, at)
    return _access(identity, happening, at)


def device_info(identity: CameraIdentity) -> Upload:
    """2.2, what a camera tells of itself at power-up."""
    body = {
        **_who(identity),
        "fwVer": "V2.4.11",
        "swVer": "V1.8.3",
        "osVer": "V4.9.84",
        "hwVer": "V1.2",
        "devName": identity.name,
    }
    return Upload("POST", "/api/v1/device/report/info", msgspec.json.encode(body))


def _face(identity: CameraIdentity, seen: FaceSeen, at: float, chance: random.Random) -> Upload:
    body = {
        **_who(identity),
        "time": int(at),
        **_person(seen.person),
        "score": round(chance.uniform(0.8, 0.99), 2),
        "helmet": int(seen.person.look.hat == "helmet"),
        "smoke": 0,
        "handed": 0,
        "type": 11,
        "feature": [chance.uniform(-1e12, 1e12) for _ in range(64)],
        "data": {
            "face_data": _picture(drawing.face_jpeg(seen.person, seen.pose)),
            **_surroundings(identity, seen.person, seen.pose, seen.at, at),
        },
    }
    return _post("/api/v1/adapter/lenfocus/face/capture", body)


def _event(identity: CameraIdentity, seen: EventSeen, at: float) -> Upload:
    data: dict[str, str]
    if seen.person is None:
        picture = drawing.scene_jpeg(
            identity.place, _hour(at), event=seen.type, caption=_caption(identity, at)
        )
        data = {"bg_data": _picture(picture)}
    else:
        data = {
            "face_data": _picture(drawing.face_jpeg(seen.person, seen.pose)),
            **_surroundings(identity, seen.person, seen.pose, seen.at, at),
        }
    day = f"{_local(at):%Y%m%d/%H}"
    body = {
        **_who(identity),
        "type": seen.type,
        "time": round(at * 1000),
        **(_person(seen.person) if seen.person is not None else {}),
        "data": {**data, "jpeg_url_frame": f"sdcard/{day}/{int(at) % 10000}_bg.jpg"},
    }
    return _post("/api/v1/device/report/event", body)


def _vehicle(identity: CameraIdentity, seen: CarSeen, at: float) -> Upload:
    car = seen.car
    province = _PROVINCES.get(car.plate[0], car.plate[0])
    full, vehicle, plate = drawing.vehicle_pictures(
        car, province, identity.place, _hour(at), caption=_caption(identity, at)
    )
    body = {
        **_who(identity),
        "time": str(round(at * 1000)),
        "data": {
            "full_image": _picture(full),
            "vehicle_loc": _rect(drawing.VEHICLE_LOC),
            "vehicle_pic": _picture(vehicle),
            "type": str(car.type),
            "brand": car.brand,
            "plate": {
                "id": car.plate,
                "plate_loc": _rect(drawing.PLATE_LOC),
                "plate_pic": _picture(plate),
                "plate_type": car.plate_type,
            },
        },
    }
    return _post("/api/v1/vehicle/capture", body)


def _access(identity: CameraIdentity, seen: AccessGranted, at: float) -> Upload:
    record = {
        "rid": str(round(at * 1000)),
        "did": identity.did or "",
        "pid": seen.person.uuid,
        "type": 1,
        "status": 1,
        "accessTime": f"{_local(at):%Y-%m-%d %H:%M:%S}",
        "faceImg": _picture(drawing.face_jpeg(seen.person, 0)),
        "temperature": seen.temperature,
        "score": 0.97,
    }
    body = {"sn": identity.sn, "data": [record]}
    return Upload("PUT", "/api/v1/access/record", _escaped(body))


def _who(identity: CameraIdentity) -> dict[str, str]:
    return {"did": identity.did or "", "sn": identity.sn}


def _person(person: Person) -> dict[str, object]:
    return {
        "name": person.name,
        "age": person.age,
        "gender": person.gender,
        "pid": person.uuid,
        "category": person.category,
        "department": person.department,
        "work_id": person.work_id,
        "id_card": "",
        "phone": "",
        "otherInfo": "",
    }


def _surroundings(
    identity: CameraIdentity, person: Person, pose: int, place_in_picture: float, at: float
) -> dict[str, str]:
    background = drawing.background_jpeg(
        person,
        pose,
        identity.place,
        _hour(at),
        at=place_in_picture,
        caption=_caption(identity, at),
    )
    body = drawing.body_jpeg(person, pose, identity.place, _hour(at))
    return {"body_data": _picture(body), "bg_data": _picture(background)}


def _post(path: str, body: Mapping[str, object]) -> Upload:
    return Upload("POST", path, _escaped(body))


def _escaped(body: Mapping[str, object]) -> bytes:
    """JSON with `=` written as real cameras write it; it stands in pictures alone."""
    return msgspec.json.encode(body).replace(b"=", rb"\u003d")


def _picture(data: bytes) -> str:
    return pybase64.b64encode(data).decode()


def _rect(loc: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip("xywh", loc, strict=True))


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at)


def _hour(at: float) -> int:
    return _local(at).hour


def _caption(identity: CameraIdentity, at: float) -> str:
    return f"{_local(at):%Y-%m-%d %H:%M:%S}   {identity.name}"
