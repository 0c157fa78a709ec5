"""Validation of a device's fields; each error names the field and what is allowed."""

from __future__ import annotations

import re

from msgspec import UNSET

from hub.errors import BadParameter
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.signing import load_public_key

_DID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_MAX_DID = 2**64 - 1
MAX_SN_LENGTH = 64
MAX_CODE_LENGTH = 128
MAX_NAME_LENGTH = 100
MAX_KEY_LENGTH = 16_384


def check_new(new: NewDevice) -> None:
    """Check all fields of a new device. Raises BadParameter that names the field."""
    check_text(new.sn, "sn", max_length=MAX_SN_LENGTH)
    check_text(new.code, "code", max_length=MAX_CODE_LENGTH)
    _check_name(new.name)
    if new.did is not None:
        _check_did(new.did)
    if new.key is not None:
        check_key(new.key)


def check_change(change: DeviceChange) -> None:
    """Check the fields that are changed. Raises BadParameter that names the field."""
    if change.sn is not UNSET:
        check_text(change.sn, "sn", max_length=MAX_SN_LENGTH)
    if change.code is not UNSET:
        check_text(change.code, "code", max_length=MAX_CODE_LENGTH)
    if change.name is not UNSET:
        _check_name(change.name)
    if change.key is not UNSET and change.key is not None:
        check_key(change.key)


def check_text(value: str, field: str, *, max_length: int) -> None:
    """Check for 1 to `max_length` printable characters without surrounding blanks.

    Raises BadParameter.
    """
    if not 1 <= len(value) <= max_length or not value.isprintable() or value != value.strip():
        raise BadParameter(
            f"1 to {max_length} printable characters without surrounding blanks", field=field
        )


def check_key(pem: str) -> None:
    """Check that the PEM holds a public key, bare or in a certificate. Raises BadParameter.

    The dates of a certificate do not matter: a camera keeps its key for life.
    """
    if len(pem) > MAX_KEY_LENGTH:
        raise BadParameter(f"at most {MAX_KEY_LENGTH} characters of PEM", field="key")
    load_public_key(pem)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise BadParameter(f"at most {MAX_NAME_LENGTH} printable characters", field="name")


def _check_did(did: str) -> None:
    if not _DID.fullmatch(did) or int(did) > _MAX_DID:
        raise BadParameter("a decimal number from 1 to 18446744073709551615", field="did")
