"""The uploads of a simulated camera: as documented, or in the format of real cameras (D8)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime

import msgspec
import pybase64
from msgspec import Struct

from hub.simulator import edition_3_uploads
from hub.simulator.drawing import people, scenes, vehicles
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import SimulatedPerson
from hub.simulator.scenario.schedule import AccessGranted, CarSeen, EventSeen, FaceSeen, Sighting
from hub.wire.commands.capabilities import Edition
from hub.wire.uploads.firmware import Versions

#: Latin names of provinces, for number plates: not every font has their Chinese characters.
_PROVINCES = {"粤": "YUE", "湘": "XIANG", "桂": "GUI", "京": "JING", "沪": "HU"}


class UploadRequest(Struct, frozen=True):
    """One request to the hub's device HTTP interface."""

    method: str
    path: str
    body: bytes


class Observation(Struct, frozen=True):
    """A sighting by one camera at one time (UNIX seconds)."""

    identity: CameraIdentity
    sighting: Sighting
    observed_at: float
    #: The beginning of the paths of its pictures on the camera (2.4).
    picture_stem: str = ""
    #: Whether it is uploaded in the format of real cameras (D8), or as documented.
    is_real_format: bool = False
    #: Whose shapes the uploads have (D12). That of real cameras (D8) is edition 2's.
    edition: Edition = 1


def upload_of(observation: Observation, rng: random.Random) -> UploadRequest:
    """Make the upload of an observation. Draws pictures: call it in a thread."""
    sighting = observation.sighting
    if isinstance(sighting, FaceSeen):
        return _face(observation, sighting, rng)
    if isinstance(sighting, EventSeen):
        return _event(observation, sighting)
    if isinstance(sighting, CarSeen):
        return _vehicle(observation, sighting)
    return _access(observation, sighting)


def device_info(
    identity: CameraIdentity, versions: Versions, edition: Edition = 1
) -> UploadRequest:
    """Make the report of the device itself (2.2), sent after each start."""
    body = {**_who(identity), **msgspec.to_builtins(versions), "devName": identity.name}
    if edition == 3:
        body = edition_3_uploads.report_of_3(identity, versions.fw_ver)
    return UploadRequest("POST", "/api/v1/device/report/info", msgspec.json.encode(body))


def _face(seen: Observation, face: FaceSeen, rng: random.Random) -> UploadRequest:
    person = face.person
    body: dict[str, object] = {
        **_who(seen.identity),
        "time": int(seen.observed_at),
        "age": person.age,
        "gender": person.gender,
        **_name(person, seen.is_real_format),
    }
    if seen.is_real_format:
        body |= _person_details(person)
        body |= {
            "score": round(rng.uniform(0.8, 0.99), 2),
            "helmet": int(person.look.hat == "helmet"),
            "smoke": 0,
            "handed": 0,
            "type": 11,
            "feature": [rng.uniform(-1e12, 1e12) for _ in range(64)],
        }
    body["data"] = _portraits(seen, person, face.pose, face.position)
    if seen.edition == 3:
        body = edition_3_uploads.face_of_3(body, person, face.position, rng)
    return _post(seen, "/api/v1/adapter/lenfocus/face/capture", body)


def _event(seen: Observation, event: EventSeen) -> UploadRequest:
    body = {
        **_who(seen.identity),
        "type": event.type,
        # 2.4 asks for milliseconds; cameras of late 2024 send seconds (D8).
        "time": int(seen.observed_at) if _sends_seconds(seen) else _milliseconds(seen),
    }
    if event.person is None:
        picture = scenes.scene_jpeg(
            seen.identity.place, _hour(seen), event=event.type, caption=_caption(seen)
        )
        data = {"bg_data": _picture(seen, picture)}
    else:
        if seen.is_real_format:
            body |= {"age": event.person.age, "gender": event.person.gender}
            body |= {**_name(event.person, is_real_format=True), **_person_details(event.person)}
        data = _portraits(seen, event.person, event.pose, event.position)
        data["jpeg_url_face"] = f"{seen.picture_stem}.jpg"
        data["jpeg_url_body"] = f"{seen.picture_stem}_body.jpg"
    data["jpeg_url_frame"] = f"{seen.picture_stem}_bg.jpg"
    return _post(seen, "/api/v1/device/report/event", {**body, "data": data})


def _vehicle(seen: Observation, sighting: CarSeen) -> UploadRequest:
    car = sighting.car
    province = _PROVINCES.get(car.plate[0], car.plate[0])
    full, vehicle, plate = vehicles.vehicle_jpegs(
        car, province, seen.identity.place, _hour(seen), caption=_caption(seen)
    )
    body: dict[str, object] = {
        **_who(seen.identity),
        "time": str(_milliseconds(seen)),
        "data": {
            "full_image": _picture(seen, full),
            "vehicle_loc": _rect(vehicles.VEHICLE_LOC),
            "vehicle_pic": _picture(seen, vehicle),
            "type": str(car.type),
            "brand": car.brand,
            "plate": {
                "id": car.plate,
                "plate_loc": _rect(vehicles.PLATE_LOC),
                "plate_pic": _picture(seen, plate),
                "plate_type": car.plate_type,
            },
        },
    }
    if seen.edition == 3:
        flat = edition_3_uploads.vehicle_of_3(body, car)
        return _post(seen, edition_3_uploads.VEHICLE_PATH, flat)
    return _post(seen, "/api/v1/vehicle/capture", body)


def _access(seen: Observation, access: AccessGranted) -> UploadRequest:
    record = {
        "rid": str(_milliseconds(seen)),
        "did": seen.identity.did or "",
        "pid": access.person.uuid,
        "type": 1,
        "status": 1,
        "accessTime": f"{_local_time(seen):%Y-%m-%d %H:%M:%S}",
        "faceImg": _picture(seen, people.face_jpeg(access.person, 0)),
        "temperature": access.temperature,
        "score": 0.97,
    }
    body = {"sn": seen.identity.sn, "data": [record]}
    return UploadRequest("PUT", "/api/v1/access/record", _encode(seen, body))


def _who(identity: CameraIdentity) -> dict[str, object]:
    return {"did": identity.did or "", "sn": identity.sn}


def _name(person: SimulatedPerson, is_real_format: bool) -> dict[str, object]:
    """Return name and number of a person. Real cameras use `pid` instead of 2.1's `uuid` (D8)."""
    if not person.uuid and not is_real_format:
        return {}
    return {"name": person.name, "pid" if is_real_format else "uuid": person.uuid}


def _person_details(person: SimulatedPerson) -> dict[str, object]:
    """Return the fields of a person that only real cameras send (D8)."""
    return {
        "category": person.category,
        "department": person.department,
        "work_id": person.work_id,
        "id_card": "",
        "phone": "",
        "otherInfo": "",
    }


def _portraits(
    seen: Observation, person: SimulatedPerson, pose: int, position: float
) -> dict[str, str]:
    """Return the pictures of a person: face, body, and the full scene."""
    place, hour = seen.identity.place, _hour(seen)
    background = people.background_jpeg(
        person, pose, place, hour, position=position, caption=_caption(seen)
    )
    return {
        "face_data": _picture(seen, people.face_jpeg(person, pose)),
        "body_data": _picture(seen, people.body_jpeg(person, pose, place, hour)),
        "bg_data": _picture(seen, background),
    }


def _sends_seconds(seen: Observation) -> bool:
    return seen.is_real_format and seen.edition < 3


def _post(seen: Observation, path: str, body: Mapping[str, object]) -> UploadRequest:
    # As the address that an installer enters with a slash at its end leads to.
    slash = "/" if seen.edition == 3 else ""
    return UploadRequest("POST", slash + path, _encode(seen, body))


def _encode(seen: Observation, body: Mapping[str, object]) -> bytes:
    """Encode as JSON. Real cameras escape `=`, which occurs only in base64 here."""
    encoded = msgspec.json.encode(body)
    return encoded.replace(b"=", rb"\u003d") if seen.is_real_format else encoded


def _picture(seen: Observation, jpeg: bytes) -> str:
    encoded = pybase64.b64encode(jpeg).decode()
    return encoded if seen.is_real_format else f"data:image/jpeg;base64,{encoded}"


def _rect(loc: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip("xywh", loc, strict=True))


def _milliseconds(seen: Observation) -> int:
    return round(seen.observed_at * 1000)


def _local_time(seen: Observation) -> datetime:
    return datetime.fromtimestamp(seen.observed_at)


def _hour(seen: Observation) -> int:
    return _local_time(seen).hour


def _caption(seen: Observation) -> str:
    return f"{_local_time(seen):%Y-%m-%d %H:%M:%S}   {seen.identity.name}"
