"""Whatever a device uploads is decoded or refused, and what is kept of it is strict JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadParameter, UnknownEventType
from hub.wire.uploads import bodies
from hub.wire.uploads.bodies import CheckedUpload, DeviceInfo

_JPEG = b"\xff\xd8\xff\xe0"
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "face": lambda body: bodies.decode_face(body, max_depth=64),
    "event": lambda body: bodies.decode_event(body, max_depth=64, keep_unknown=False),
    "any event": lambda body: bodies.decode_event(body, max_depth=64, keep_unknown=True),
    "vehicle": lambda body: bodies.decode_vehicle(body, max_depth=64),
    "access": lambda body: bodies.decode_access(body, max_depth=64, zone=UTC).entries,
    "info": lambda body: bodies.decode_device_info(body, max_depth=64),
}

#: What a field may hold, or hardly.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 2**41)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["12", "1e400", "-0", "2026-11-26 08:00:00", "data:image/jpeg;base64,/9j/"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = (
    *("did", "sn", "time", "name", "age", "gender", "uuid", "category", "pid", "data", "type"),
    *("face_data", "bg_data", "plate", "plate_loc", "id", "vehicle_loc", "full_image", "brand"),
    *("x", "y", "w", "h", "rid", "accessTime", "status", "temperature", "score", "faceImg"),
    *("fwVer", "devName", "feature"),
)
OBJECTS = st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=5), VALUES, max_size=8)
BODIES = st.builds(
    lambda outer, data: {**outer, "data": data},
    OBJECTS,
    OBJECTS | st.lists(OBJECTS, max_size=3) | VALUES,
)


@pytest.mark.parametrize("name", list(DECODERS))
@given(body=st.binary() | st.one_of(OBJECTS, BODIES).map(json.dumps).map(str.encode))
def test_any_body_is_an_upload_or_refused(name: str, body: bytes) -> None:
    try:
        decoded = DECODERS[name](body)
    except (BadParameter, UnknownEventType):
        return
    for one in decoded if isinstance(decoded, tuple) else (decoded,):
        assert isinstance(one, CheckedUpload | DeviceInfo)
        assert isinstance(_strictly(bytes(one.extra)), dict)
        if isinstance(one, CheckedUpload) and isinstance(one.detail, bodies.EventDetail):
            _strictly(bytes(one.detail.data))


@given(
    pictures=st.dictionaries(
        st.sampled_from(bodies.FACE_PICTURES), st.binary(max_size=80).map(lambda b: _JPEG + b)
    ),
    name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20),
    at=st.integers(10**9, 4 * 10**9),
    extra=st.dictionaries(st.sampled_from(["a", "b", "quality"]), st.integers(-(2**53), 2**53)),
)
def test_what_a_camera_sends_comes_out_as_it_was(
    pictures: dict[tuple[str, str], bytes], name: str, at: int, extra: dict[str, int]
) -> None:
    data = {key: base64.b64encode(data).decode() for (key, _), data in pictures.items()}
    body = json.dumps({"time": at, "name": name, "data": data, **extra}).encode()
    decoded = bodies.decode_face(body, max_depth=64)
    assert decoded.occurred_at == at * 1000
    assert decoded.detail.name == name  # type: ignore[union-attr]
    assert {p.name: p.data for p in decoded.pictures} == {
        name: data for (_, name), data in pictures.items()
    }
    assert json.loads(bytes(decoded.extra)) == extra


@given(body=st.binary() | st.binary().map(base64.b64encode) | st.text().map(str.encode))
def test_any_single_picture_is_a_picture_or_refused(body: bytes) -> None:
    with suppress(BadParameter):
        assert bodies.decode_base64img(body).data


def _strictly(data: bytes) -> Any:
    """Decode as a reader does that knows nothing beyond JSON, and no number beyond 2^53."""

    def refuse(text: str) -> None:
        raise AssertionError(f"not a number of JSON: {text}")

    def number(text: str) -> float:
        assert abs(float(text)) <= 2**53
        return float(text)

    return json.loads(data, parse_constant=refuse, parse_int=number, parse_float=number)
