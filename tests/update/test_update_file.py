"""The file of an update: what is accepted, and what is refused and why."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.errors import UpdateRefused
from hub.update.programs import version_key
from hub.update.update_file import (
    MAGIC,
    UpdateHeader,
    built_in_key,
    copy_executable,
    is_update_file,
    read_header,
    this_platform,
    write_update,
)

KEY = Ed25519PrivateKey.generate()
PROGRAM = b"\x7fELF" + bytes(range(256)) * 20


@pytest.fixture
def update(tmp_path: Path) -> bytes:
    (tmp_path / "sitehub").write_bytes(PROGRAM)
    write_update(tmp_path / "sitehub", tmp_path / "it.update", KEY, "0.2.0", this_platform())
    return (tmp_path / "it.update").read_bytes()


def read(content: bytes) -> tuple[UpdateHeader, bytes]:
    file, received = io.BytesIO(content), bytearray()
    header = read_header(file, KEY.public_key())
    copy_executable(file, received.extend, header)
    return header, bytes(received)


def refusal(content: bytes) -> str:
    with pytest.raises(UpdateRefused) as caught:
        read(content)
    return caught.value.reason


def test_an_update_is_read_as_it_was_written(update: bytes) -> None:
    header, program = read(update)
    assert (header.version, header.platform) == ("0.2.0", this_platform())
    assert header.size == len(PROGRAM)
    assert program == PROGRAM


def test_an_update_is_recognised_by_its_begin(update: bytes) -> None:
    file = io.BytesIO(update)
    assert is_update_file(file)
    assert file.tell() == 0
    assert not is_update_file(io.BytesIO(PROGRAM))
    assert not is_update_file(io.BytesIO(b""))


@pytest.mark.parametrize("length", [0, 1, 15, 16, 19, 20, 60])
def test_a_header_that_ends_early_is_refused(update: bytes, length: int) -> None:
    assert refusal(update[:length]) in ("format", "signature")


def test_every_changed_byte_of_the_header_is_refused(update: bytes) -> None:
    for at in range(len(update) - len(PROGRAM)):
        changed = bytearray(update)
        changed[at] ^= 1
        assert refusal(bytes(changed)) in ("format", "signature")


def test_the_signature_of_another_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sitehub").write_bytes(PROGRAM)
    other = Ed25519PrivateKey.generate()
    write_update(tmp_path / "sitehub", tmp_path / "it", other, "0.2.0", this_platform())
    assert refusal((tmp_path / "it").read_bytes()) == "signature"


@pytest.mark.parametrize("change", ["short", "long", "changed"])
def test_an_executable_other_than_announced_is_refused(update: bytes, change: str) -> None:
    changed = {"short": update[:-1], "long": update + b"x", "changed": update[:-1] + b"x"}
    assert refusal(changed[change]) == "damaged"


def test_a_signed_header_that_is_no_header_is_refused() -> None:
    text = msgspec.json.encode({"version": 1})
    signed = MAGIC + len(text).to_bytes(4) + text
    assert refusal(signed + KEY.sign(signed)) == "format"


def test_versions_are_ordered_by_their_numbers() -> None:
    assert version_key("0.10.0") > version_key("0.9.1")
    for wrong in ("", "1", "1.2.", "v1.2.3", "1.2.3rc1", "1.2.3.4.5", "../1.2", "1.2\n"):
        with pytest.raises(UpdateRefused):
            version_key(wrong)


def test_the_source_has_no_key() -> None:
    assert built_in_key() is None
