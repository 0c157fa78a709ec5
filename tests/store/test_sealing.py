"""Encryption of stored secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from hub.store.sealing import SecretBox
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.stores import opened


def test_a_sealed_secret_opens_for_its_own_row_only() -> None:
    box = SecretBox(bytes(32), os.urandom)
    sealed = box.seal("12345678", "device/1/code")
    assert box.open(sealed, "device/1/code") == "12345678"
    with pytest.raises(InvalidTag):
        box.open(sealed, "device/2/code")
    with pytest.raises(InvalidTag):
        SecretBox(bytes(31) + b"\1", os.urandom).open(sealed, "device/1/code")


def test_sealing_a_secret_twice_gives_different_bytes() -> None:
    box = SecretBox(bytes(32), os.urandom)
    assert box.seal("12345678", "x") != box.seal("12345678", "x")


async def test_the_database_contains_no_secret_in_plain_text(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        (device,) = await store.devices.add([NewDevice(sn="SN1", code="Code-word")])
        secrets = store.devices.secrets(device.did)
        await store.api_keys.add(ApiKey("A1", "vms", False, 0), "integrators-secret")
        assert store.api_keys.secret("A1") == "integrators-secret"
        files = b"".join(path.read_bytes() for path in data.glob("hub.sqlite*"))
    files += (data / "hub.sqlite").read_bytes()
    assert b"SN1" in files
    for secret in (secrets.code, secrets.secret, "integrators-secret"):
        assert secret.encode() not in files


async def test_secrets_do_not_show_in_a_log_line(tmp_path: Path, clock: FrozenClock) -> None:
    new = NewDevice(sn="SN1", code="Code-word")
    async with opened(tmp_path / "data", clock) as store:
        await store.devices.add([new])
        assert "Code-word" not in f"{new} {store.devices.secrets('1')} {store.devices.all()}"
