from __future__ import annotations

import msgspec
import pytest

from hub.simulator import identity
from hub.simulator.identity import CameraIdentity
from hub.wire import signing
from tests.support.signatures import connect_sign_form


def test_the_seed_determines_serial_numbers_and_codes_but_not_keys(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    again = identity.make_cameras(2, seed=7, one_key=True)
    assert [(one.sn, one.code, one.name) for one in again] == [
        (one.sn, one.code, one.name) for one in cameras[:2]
    ]
    assert again[0].private_key != cameras[0].private_key
    assert identity.make_cameras(1, seed=8)[0].sn != cameras[0].sn


def test_cameras_share_a_key_only_if_asked_to() -> None:
    first, second = identity.make_cameras(2, seed=1)
    assert first.private_key != second.private_key
    first, second = identity.make_cameras(2, seed=1, one_key=True)
    assert first.private_key == second.private_key


def test_serial_numbers_look_like_real_ones_and_are_unique(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    assert all(len(one.sn) == 15 and len(one.code) == 8 for one in cameras)
    assert len({one.sn for one in identity.make_cameras(50, seed=3, one_key=True)}) == 50


def test_names_are_numbered_when_places_repeat() -> None:
    names = [one.name for one in identity.make_cameras(8, seed=1, one_key=True)]
    assert names[0] == "Main gate"
    assert names[6] == "Main gate 2"
    assert len(set(names)) == 8


def test_a_signature_verifies_with_the_public_key(cameras: tuple[CameraIdentity, ...]) -> None:
    camera = cameras[0]
    sign = signing.sign_connect(camera.signer(), sn=camera.sn, code=camera.code, ts=5)
    key = signing.load_public_key(camera.public_pem())
    form = connect_sign_form(key, sign, sn=camera.sn, code=camera.code, ts_text="5")
    assert form == "md5-digestinfo"


def test_cameras_survive_encoding_and_decoding(cameras: tuple[CameraIdentity, ...]) -> None:
    taken = msgspec.structs.replace(cameras[0], did="12")
    kept = (taken, *cameras[1:])
    assert identity.from_json(identity.to_json(kept)) == kept


def test_a_file_without_cameras_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        identity.from_json(b'[{"sn":"x"}]')
