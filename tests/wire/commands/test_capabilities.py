"""What is learnt of a camera: part by part, and again for other firmware (D12)."""

from __future__ import annotations

import msgspec
import pytest

from hub.wire.commands.capabilities import (
    UNKNOWN,
    Capabilities,
    ConnectShape,
    connect_shape,
    editions_to_try,
    needs_inquiry,
    supposed_edition,
    with_connect,
    with_firmware,
    with_group,
)


@pytest.mark.parametrize(
    ("sign", "did", "shape"),
    [
        ("c2lnbg==", "7", "did"),
        ("c2lnbg==", None, "signed"),
        ("c2lnbg==", "", "signed"),
        (None, None, "unsigned"),
        ("", "7", "unsigned"),
    ],
)
def test_the_shape_of_a_connect(sign: str | None, did: str | None, shape: ConnectShape) -> None:
    assert connect_shape(sign=sign, did=did) == shape


@pytest.mark.parametrize(
    ("known", "edition"),
    [
        (UNKNOWN, 1),
        (Capabilities(connect="did"), 1),
        (Capabilities(connect="signed"), 1),
        (Capabilities(connect="signed", uploads=2), 2),
        (Capabilities(connect="signed", uploads=2, groups={"information": False}), 2),
        (Capabilities(connect="signed", groups={"information": True}), 3),
        (Capabilities(connect="unsigned"), 3),
        (Capabilities(connect="unsigned", uploads=2), 3),
    ],
)
def test_what_a_camera_is_supposed_to_be(known: Capabilities, edition: int) -> None:
    assert supposed_edition(known) == edition


def test_a_setting_is_tried_in_the_learnt_edition_first_and_then_in_all_others() -> None:
    assert editions_to_try(None, UNKNOWN) == (1, 2, 3)
    assert editions_to_try(2, UNKNOWN) == (2, 3, 1)
    assert editions_to_try(None, Capabilities(connect="unsigned")) == (3, 2, 1)
    assert editions_to_try(1, Capabilities(connect="unsigned")) == (1, 2, 3)


def test_another_shape_of_connect_makes_everything_else_unknown() -> None:
    known = Capabilities(connect="signed", face=2, firmware="V1", groups={"ptz": False})
    assert with_connect(known, "signed") == known
    assert with_connect(known, "unsigned") == Capabilities(connect="unsigned")
    assert with_connect(UNKNOWN, "did") == Capabilities(connect="did")


def test_another_firmware_makes_everything_but_the_connect_unknown() -> None:
    known = Capabilities(connect="signed", face=2, groups={"ptz": False})
    named = with_firmware(known, "1.1.7_a")
    assert named.face == 2
    assert with_firmware(named, "1.1.7_a") == named
    assert with_firmware(named, "") == named
    assert with_firmware(named, "1.1.8_a") == Capabilities(connect="signed", firmware="1.1.8_a")


def test_a_group_that_answered_once_stays_known() -> None:
    known = with_group(UNKNOWN, "ptz", is_known=False)
    assert known.knows("ptz") is False
    assert known.knows("image") is None
    known = with_group(known, "ptz", is_known=True)
    assert with_group(known, "ptz", is_known=False).knows("ptz") is True


def test_a_camera_is_asked_until_it_has_answered() -> None:
    assert not needs_inquiry(UNKNOWN)
    assert not needs_inquiry(Capabilities(connect="did"))
    assert needs_inquiry(Capabilities(connect="did", uploads=2))
    assert needs_inquiry(Capabilities(connect="signed"))
    assert not needs_inquiry(with_group(UNKNOWN, "information", is_known=False))


def test_capabilities_are_stored_as_json() -> None:
    known = Capabilities(connect="unsigned", face=3, groups={"ptz": True}, firmware="1.1.7_a")
    data = msgspec.json.encode(known)
    assert msgspec.json.decode(data, type=Capabilities) == known
    assert msgspec.json.encode(UNKNOWN) == b"{}"
