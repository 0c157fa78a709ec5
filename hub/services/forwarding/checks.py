"""What a target may be: its name, its address and what it gets."""

from __future__ import annotations

import re
import ssl
from urllib.parse import urlsplit

from hub.errors import BadParameter
from hub.net.own_address import leads_to_us
from hub.services.forwarding.mail.options import PORTS as MAIL_PORTS
from hub.services.forwarding.mqtt.options import check_broker
from hub.services.forwarding.nats.address import (
    HUB_NAME,
    check_servers,
    checked_partition,
    partition_of,
)
from hub.services.reports.delivery import check_url
from hub.store.targets.target import Selection, TargetKind
from hub.store.targets.targets import MAX_NAME_LENGTH

#: Certificates of authorities, as PEM.
MAX_CA_LENGTH = 64 * 1024
_MAX_CHOSEN = 500


def checked_name(name: str) -> str:
    """Return a name without superfluous spaces. Raises BadParameter, as all of these."""
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} characters are expected", field="name")
    return name


def checked_hub(hub: str) -> str:
    if not re.fullmatch(HUB_NAME, hub, re.ASCII):
        raise BadParameter("at most 63 of a to z, 0 to 9 and - are expected", field="hub")
    return hub


async def checked_url(kind: TargetKind, url: str, own_ports: frozenset[int]) -> str:
    """Return an address that leads to another system. `own_ports`: TCP ports of this hub."""
    if kind == "webhook":
        check_url(url)
    if await leads_to_this_hub(kind, url, own_ports):
        raise BadParameter("an address of another system than this hub", field="url")
    return url


async def leads_to_this_hub(kind: TargetKind, url: str, own_ports: frozenset[int]) -> bool:
    """Whether one of the addresses of a target is of this hub, as names are looked up now."""
    for host, port in _places(kind, url):
        if await leads_to_us(host, port, own_ports):
            return True
    return False


def _places(kind: TargetKind, url: str) -> list[tuple[str, int]]:
    """Return host and port of each address of a target."""
    if kind == "nats":
        return check_servers(url)
    if kind == "mqtt":
        return [check_broker(url)]
    if kind == "mail":
        return [check_broker(url, MAIL_PORTS)]
    parts = urlsplit(url)
    return [(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))]


def partition_for(kind: TargetKind, hub: str, partition: int | None) -> int:
    """Return the partition of NATS; 0 for targets that have none."""
    if kind != "nats":
        if partition is not None:
            raise BadParameter("only NATS has partitions", field="partition")
        return 0
    return partition_of(hub) if partition is None else checked_partition(partition)


def checked_ca(ca: str) -> str:
    if not ca.strip():
        return ""
    if len(ca) > MAX_CA_LENGTH:
        raise BadParameter(f"at most {MAX_CA_LENGTH} characters are expected", field="ca")
    try:
        ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise BadParameter("certificates as PEM are expected", field="ca") from error
    return ca


def checked_selection(selection: Selection) -> Selection:
    for name, values in (("dids", selection.dids), ("types", selection.types)):
        if len(values) > _MAX_CHOSEN:
            raise BadParameter(f"at most {_MAX_CHOSEN} are expected", field=name)
    return selection
