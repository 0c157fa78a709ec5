"""Whom a request comes from, as trusted reverse proxies say it (RFC 7239, and X-Forwarded-For)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from hypercorn.typing import HTTPScope

from hub.net.networks import Networks

#: A name and its value, quoted or not, as far as the next separator.
_PAIR = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*([;,]|$)'
)
_IPV4_WITH_PORT = re.compile(r"([0-9.]+)(?::[0-9]+)?")
_IPV6_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?")
_SCHEMES = ("http", "https")


def seen_through(scope: HTTPScope, trusted: Networks) -> HTTPScope:
    """Return `scope` with the client and the scheme that trusted proxies name.

    Each proxy adds whom it was asked by at the right, so the client is the rightmost address that
    is not trusted; anybody can write what stands further left. A header is believed only if the
    connection itself comes from a trusted address. Where `Forwarded` and `X-Forwarded-For` name
    different clients, a proxy passed one of them on unread: then neither is believed.
    """
    client = scope.get("client")
    if client is None or not trusted.include(client[0]):
        return scope
    forwarded = _elements(_values(scope, b"forwarded"))
    chains = [
        [element.get("for", "") for element in forwarded],
        _list(_values(scope, b"x-forwarded-for")),
    ]
    found = {_client(client[0], chain, trusted) for chain in chains if chain}
    if len(found) != 1:
        return scope
    protos = [element.get("proto", "") for element in forwarded[-1:]]
    protos += _list(_values(scope, b"x-forwarded-proto"))[-1:]
    scheme = next((one.lower() for one in protos if one.lower() in _SCHEMES), scope["scheme"])
    return {**scope, "client": (found.pop(), client[1]), "scheme": scheme}


def _client(peer: str, chain: Sequence[str], trusted: Networks) -> str:
    """The rightmost address that is not trusted; at what is no address the search ends."""
    address = peer
    for written in reversed(chain):
        if not trusted.include(address):
            break
        named = _address(written)
        if not named:
            break
        address = named
    return address


def _address(written: str) -> str:
    """The address in `written`, without its port; "" if there is none."""
    found = _IPV6_WITH_PORT.fullmatch(written) or _IPV4_WITH_PORT.fullmatch(written)
    text = found[1] if found else written
    try:
        # What follows a % is a network card of the proxy, and can be any text.
        return "" if "%" in text else str(ip_address(text))
    except ValueError:
        return ""


def _elements(values: Iterable[str]) -> list[dict[str, str]]:
    """The elements of `Forwarded`; one without an address for each part that is malformed."""
    elements: list[dict[str, str]] = []
    for value in values:
        element: dict[str, str] = {}
        at = 0
        while at < len(value):
            pair = _PAIR.match(value, at)
            if pair is None:
                # What stands further right than this cannot be told from what is wrong.
                return [{}]
            quoted = pair[2]
            text = pair[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            element[pair[1].lower()] = text
            at = pair.end()
            if pair[4] != ";":
                elements.append(element)
                element = {}
    return elements


def _list(values: Iterable[str]) -> list[str]:
    return [one.strip() for value in values for one in value.split(",")]


def _values(scope: HTTPScope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
