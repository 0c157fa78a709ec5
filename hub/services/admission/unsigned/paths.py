"""The secret in the address by which an unsigned camera reaches the hub: `/c/<secret>` (D12)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from hub.store.tables.devices import Device

PREFIX = "/c/"
#: 128 bits.
_SECRET_BYTES = 16
_SECRET = re.compile(r"/+c/+([A-Za-z0-9_-]{22})(?=/|\?|$)")


def new_secret() -> str:
    """Return a new secret of 128 random bits, as text that may stand in a path."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def hash_path(path: str) -> str:
    """The SHA-256, in hexadecimal, of the secret in a path; "" if there is none."""
    found = _SECRET.match(path)
    return hash_secret(found[1]) if found else ""


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def without_secret(path: str) -> str:
    """The rest of a path behind its secret; the path itself if there is none."""
    found = _SECRET.match(path)
    return path[found.end() :] or "/" if found else path


def may_come_by(device: Device, path_hash: str) -> bool:
    """Whether an unsigned device may connect by this path."""
    if device.path_hash is None:
        return True
    known = [hmac.compare_digest(path_hash, one) for one in _hashes(device)]
    return any(known)


def is_next(device: Device, path_hash: str) -> bool:
    """Whether this is the address that the device was sent, and has not come back by before."""
    return device.next_path_hash is not None and hmac.compare_digest(
        path_hash, device.next_path_hash
    )


def _hashes(device: Device) -> list[str]:
    return [one for one in (device.path_hash, device.next_path_hash) if one]
