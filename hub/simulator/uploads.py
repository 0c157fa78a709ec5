"""What a simulated camera uploads: as it is documented, or as real cameras write it (D8)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime

import msgspec
import pybase64
from msgspec import Struct

from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario import drawing
from hub.simulator.scenario.population import Person
from hub.simulator.scenario.schedule import AccessGranted, CarSeen, EventSeen, FaceSeen, Happening
from hub.wire.uploads.firmware import Versions

#: What a plate's first character is called where no font has it.
_PROVINCES = {"粤": "YUE", "湘": "XIANG", "桂": "GUI", "京": "JING", "沪": "HU"}


class Upload(Struct, frozen=True):
    """One request to the hub's device interface."""

    method: str
    path: str
    body: bytes


class Sight(Struct, frozen=True):
    """What one camera saw. `at` is UNIX seconds; `stem` begins the paths of its pictures (2.4)."""

    identity: CameraIdentity
    happening: Happening
    at: float
    stem: str = ""
    #: As real cameras write it; else as it is documented.
    real: bool = False


def upload_of(sight: Sight, chance: random.Random) -> Upload:
    """The upload of what was seen. Draws: call it in a thread."""
    happening = sight.happening
    if isinstance(happening, FaceSeen):
        return _face(sight, happening, chance)
    if isinstance(happening, EventSeen):
        return _event(sight, happening)
    if isinstance(happening, CarSeen):
        return _vehicle(sight, happening)
    return _access(sight, happening)


def device_info(identity: CameraIdentity, versions: Versions) -> Upload:
    """2.2, what a camera tells of itself at power-up."""
    body = {**_who(identity), **msgspec.to_builtins(versions), "devName": identity.name}
    return Upload("POST", "/api/v1/device/report/info", msgspec.json.encode(body))


def _face(sight: Sight, seen: FaceSeen, chance: random.Random) -> Upload:
    person = seen.person
    body = {
        **_who(sight.identity),
        "time": int(sight.at),
        "age": person.age,
        "gender": person.gender,
        **_name(person, sight.real),
    }
    if sight.real:
        body |= _further(person)
        body |= {
            "score": round(chance.uniform(0.8, 0.99), 2),
            "helmet": int(person.look.hat == "helmet"),
            "smoke": 0,
            "handed": 0,
            "type": 11,
            "feature": [chance.uniform(-1e12, 1e12) for _ in range(64)],
        }
    body["data"] = _portraits(sight, person, seen.pose, seen.at)
    return _post(sight, "/api/v1/adapter/lenfocus/face/capture", body)


def _event(sight: Sight, seen: EventSeen) -> Upload:
    body = {
        **_who(sight.identity),
        "type": seen.type,
        # D8: real cameras give seconds here too, where 2.4 wants milliseconds.
        "time": int(sight.at) if sight.real else round(sight.at * 1000),
    }
    if seen.person is None:
        picture = drawing.scene_jpeg(
            sight.identity.place, _hour(sight), event=seen.type, caption=_caption(sight)
        )
        data = {"bg_data": _picture(sight, picture)}
    else:
        if sight.real:
            body |= {"age": seen.person.age, "gender": seen.person.gender}
            body |= {**_name(seen.person, real=True), **_further(seen.person)}
        data = _portraits(sight, seen.person, seen.pose, seen.at)
        data["jpeg_url_face"] = f"{sight.stem}.jpg"
        data["jpeg_url_body"] = f"{sight.stem}_body.jpg"
    data["jpeg_url_frame"] = f"{sight.stem}_bg.jpg"
    return _post(sight, "/api/v1/device/report/event", {**body, "data": data})


def _vehicle(sight: Sight, seen: CarSeen) -> Upload:
    car = seen.car
    province = _PROVINCES.get(car.plate[0], car.plate[0])
    full, vehicle, plate = drawing.vehicle_pictures(
        car, province, sight.identity.place, _hour(sight), caption=_caption(sight)
    )
    body = {
        **_who(sight.identity),
        "time": str(round(sight.at * 1000)),
        "data": {
            "full_image": _picture(sight, full),
            "vehicle_loc": _rect(drawing.VEHICLE_LOC),
            "vehicle_pic": _picture(sight, vehicle),
            "type": str(car.type),
            "brand": car.brand,
            "plate": {
                "id": car.plate,
                "plate_loc": _rect(drawing.PLATE_LOC),
                "plate_pic": _picture(sight, plate),
                "plate_type": car.plate_type,
            },
        },
    }
    return _post(sight, "/api/v1/vehicle/capture", body)


def _access(sight: Sight, seen: AccessGranted) -> Upload:
    record = {
        "rid": str(round(sight.at * 1000)),
        "did": sight.identity.did or "",
        "pid": seen.person.uuid,
        "type": 1,
        "status": 1,
        "accessTime": f"{_local(sight):%Y-%m-%d %H:%M:%S}",
        "faceImg": _picture(sight, drawing.face_jpeg(seen.person, 0)),
        "temperature": seen.temperature,
        "score": 0.97,
    }
    body = {"sn": sight.identity.sn, "data": [record]}
    return Upload("PUT", "/api/v1/access/record", _encode(sight, body))


def _who(identity: CameraIdentity) -> dict[str, object]:
    return {"did": identity.did or "", "sn": identity.sn}


def _name(person: Person, real: bool) -> dict[str, object]:
    """Who it is; D8: real cameras say `pid` for the `uuid` of 2.1."""
    if not person.uuid and not real:
        return {}
    return {"name": person.name, "pid" if real else "uuid": person.uuid}


def _further(person: Person) -> dict[str, object]:
    """What real cameras add about a person (D8)."""
    return {
        "category": person.category,
        "department": person.department,
        "work_id": person.work_id,
        "id_card": "",
        "phone": "",
        "otherInfo": "",
    }


def _portraits(sight: Sight, person: Person, pose: int, place_in_picture: float) -> dict[str, str]:
    """The face, the body, and the scene around it."""
    place, hour = sight.identity.place, _hour(sight)
    background = drawing.background_jpeg(
        person, pose, place, hour, at=place_in_picture, caption=_caption(sight)
    )
    return {
        "face_data": _picture(sight, drawing.face_jpeg(person, pose)),
        "body_data": _picture(sight, drawing.body_jpeg(person, pose, place, hour)),
        "bg_data": _picture(sight, background),
    }


def _post(sight: Sight, path: str, body: Mapping[str, object]) -> Upload:
    return Upload("POST", path, _encode(sight, body))


def _encode(sight: Sight, body: Mapping[str, object]) -> bytes:
    """JSON; real cameras escape `=`, which stands in pictures alone."""
    encoded = msgspec.json.encode(body)
    return encoded.replace(b"=", rb"\u003d") if sight.real else encoded


def _picture(sight: Sight, data: bytes) -> str:
    encoded = pybase64.b64encode(data).decode()
    return encoded if sight.real else f"data:image/jpeg;base64,{encoded}"


def _rect(loc: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip("xywh", loc, strict=True))


def _local(sight: Sight) -> datetime:
    return datetime.fromtimestamp(sight.at)


def _hour(sight: Sight) -> int:
    return _local(sight).hour


def _caption(sight: Sight) -> str:
    return f"{_local(sight):%Y-%m-%d %H:%M:%S}   {sight.identity.name}"
