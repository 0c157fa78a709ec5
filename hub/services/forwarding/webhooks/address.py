"""The address of a webhook: what in it may be secret is sealed, and shown as ***.

That is the query, where a receiver's token usually stands, and what stands before the host.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from hub.errors import BadParameter
from hub.services.forwarding.sender import NeedsPerson
from hub.store.targets.target import TargetOptions, TargetSecrets

HIDDEN = "***"


def masked(url: str) -> str:
    """Return an address as it is shown. What is masked already stays as it is."""
    if not any(mark in url for mark in "?@#"):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    _, at, host = parts.netloc.rpartition("@")
    query = (
        "&".join(_masked_field(field) for field in parts.query.split("&")) if parts.query else ""
    )
    fragment = HIDDEN if parts.fragment else ""
    return urlunsplit((parts.scheme, HIDDEN * bool(at) + at + host, parts.path, query, fragment))


def _masked_field(field: str) -> str:
    name, mark, _ = field.partition("=")
    return f"{name}={HIDDEN}" if mark else HIDDEN


def secret_address(url: str) -> str:
    """Return an address if some of it is secret, else "". Raises BadParameter if it is masked."""
    if HIDDEN in url:
        raise BadParameter("the whole address is expected, with what is hidden", field="url")
    return "" if masked(url) == url else url


def whole_address(options: TargetOptions, keys: TargetSecrets) -> str:
    """Return where to send to. Raises NeedsPerson if its secret part cannot be read any more."""
    if keys.url:
        return keys.url
    if HIDDEN in options.url:
        raise NeedsPerson("its address can no longer be read: enter it again")
    return options.url


def without_address(text: str, url: str) -> str:
    """Return a text in which what is secret of an address is masked."""
    query = urlsplit(url).query
    text = text.replace(url, masked(url))
    return text.replace(query, HIDDEN) if query else text
