"""Addresses of MQTT brokers."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from hub.errors import BadParameter

_PORTS = {"mqtts": 8883, "mqtt": 1883}
_MAX_URL = 500


def check_broker(url: str) -> tuple[str, int]:
    """Return host and port of the broker of a target. Raises BadParameter."""
    if len(url) > _MAX_URL:
        raise BadParameter(f"at most {_MAX_URL} characters are expected", field="url")
    parts = _parts(url)
    if parts.username or parts.password:
        raise BadParameter("an address without user name and password", field="url")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadParameter("an address without a path", field="url")
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def is_encrypted(url: str) -> bool:
    """Whether the broker must prove who it is."""
    return url.startswith("mqtts://")


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_good = False
    if not is_good or not url.isascii() or any(c <= " " for c in url):
        raise BadParameter("an address that begins with mqtts:// or mqtt://", field="url")
    return parts
