"""Addresses of NATS servers, and the names under which a hub sends to them."""

from __future__ import annotations

import zlib
from urllib.parse import SplitResult, urlsplit

from hub.errors import BadParameter

#: Streams of a site's owner: SITEHUB_0 and so on. One alone would not serve thousands of hubs.
PARTITIONS = 16
#: What a hub may be called, and so a token of subjects.
HUB_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
#: The user of the centre. No hub may be called so.
CENTRAL_USER = "sitehub-central"
_DEFAULT_PORT = 4222
_MAX_URL = 1_000
_MAX_SERVERS = 9


def servers_of(url: str) -> list[str]:
    """Return the addresses of the servers that a target's `url` names, separated by commas."""
    return [one.strip() for one in url.split(",")]


def check_servers(url: str) -> list[tuple[str, int]]:
    """Return host and port of each server of a target. Raises BadParameter."""
    servers = servers_of(url)
    if len(url) > _MAX_URL or len(servers) > _MAX_SERVERS:
        raise BadParameter(f"at most {_MAX_SERVERS} servers are expected", field="url")
    parts = [_parts(one) for one in servers]
    if len({one.scheme for one in parts}) > 1:
        raise BadParameter("all servers with tls://, or all with nats://", field="url")
    return [(one.hostname or "", one.port or _DEFAULT_PORT) for one in parts]


def is_encrypted(url: str) -> bool:
    """Whether the servers of a target must prove who they are."""
    return url.startswith("tls://")


def stream_of(partition: int) -> str:
    return f"SITEHUB_{partition}"


def checked_partition(partition: int) -> int:
    """Return a partition. Raises BadParameter."""
    if not 0 <= partition < PARTITIONS:
        raise BadParameter(f"0 to {PARTITIONS - 1} is expected", field="partition")
    return partition


def partition_of(hub: str) -> int:
    """Return the partition of a hub that was not given one."""
    return zlib.crc32(hub.encode()) % PARTITIONS


def _parts(server: str) -> SplitResult:
    try:
        parts = urlsplit(server)
        is_good = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_good = False
    if not is_good or not server.isascii() or any(c <= " " for c in server):
        raise BadParameter("an address that begins with tls:// or nats://", field="url")
    if parts.username or parts.password:
        raise BadParameter(
            "leave out user name and password: they have fields of their own", field="url"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadParameter("an address without a path", field="url")
    return parts
