"""What the fields of a device may be, whoever enters them: each is named with what is allowed."""

from __future__ import annotations

import re

from msgspec import UNSET

from hub.errors import BadParameter
from hub.store.tables.devices import DeviceChange, NewDevice
from hub.wire.signing import load_public_key

_DID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_LARGEST_DID = 2**64 - 1
_LONGEST_KEY = 16_384


def check_new(new: NewDevice) -> None:
    """Raises BadParameter that names the field."""
    check_text(new.sn, "sn", most=64)
    check_text(new.code, "code", most=128)
    _check_name(new.name)
    if new.did is not None:
        _check_did(new.did)
    if new.key is not None:
        check_key(new.key)


def check_change(change: DeviceChange) -> None:
    """Raises BadParameter that names the field."""
    if change.sn is not UNSET:
        check_text(change.sn, "sn", most=64)
    if change.code is not UNSET:
        check_text(change.code, "code", most=128)
    if change.name is not UNSET:
        _check_name(change.name)
    if change.key is not UNSET and change.key is not None:
        check_key(change.key)


def check_text(value: str, field: str, *, most: int) -> None:
    """Raises BadParameter for `field`."""
    if not 1 <= len(value) <= most or not value.isprintable() or value != value.strip():
        raise BadParameter(
            f"1 to {most} printable characters without blanks around them", field=field
        )


def check_key(pem: str) -> None:
    """Raises BadParameter for the field `key`. A certificate counts for its key alone: when it
    ends does not matter, for a camera keeps its key as long as it lives."""
    if len(pem) > _LONGEST_KEY:
        raise BadParameter(f"at most {_LONGEST_KEY} characters of PEM", field="key")
    load_public_key(pem)


def _check_name(name: str) -> None:
    if len(name) > 100 or not name.isprintable():
        raise BadParameter("at most 100 printable characters", field="name")


def _check_did(did: str) -> None:
    if not _DID.fullmatch(did) or int(did) > _LARGEST_DID:
        raise BadParameter("a decimal number from 1 to 18446744073709551615", field="did")
