"""The fast reader of upgrades agrees with wsproto, and leaves everything unusual to it."""

from __future__ import annotations

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from hub.link.fast_upgrade import read_upgrade

USUAL = {
    "Host": "10.0.0.5:8444",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def upgrade(line: str = "GET /ws?sn=1 HTTP/1.1", **changes: str | None) -> bytes:
    """Return an upgrade. Of the names of `changes`, "_" stands for "-"; None removes a field."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    fields = {name: value for name, value in {**USUAL, **changed}.items() if value is not None}
    return "\r\n".join([line, *(f"{n}: {v}" for n, v in fields.items()), "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "data",
    [
        upgrade(),
        upgrade(Host="hub.local", Upgrade="WebSocket", Connection="keep-alive, Upgrade"),
        upgrade(Host="[fd00::5]:8444", User_Agent="camera/1.0", Cache_Control="no-cache"),
        upgrade(Sec_WebSocket_Extensions="permessage-deflate", Sec_WebSocket_Protocol="chat"),
        upgrade().replace(b": ", b":").replace(b"Host", b"HOST"),
    ],
    ids=["plain", "by-name", "more-fields", "offers", "written-otherwise"],
)
def test_a_usual_upgrade_is_read_and_answered_as_by_wsproto(data: bytes) -> None:
    protocol = WSConnection(ConnectionType.SERVER)
    protocol.receive_data(data)
    (request,) = protocol.events()
    assert isinstance(request, Request)
    answer = protocol.send(AcceptConnection())
    found = read_upgrade(data)
    assert found is not None
    assert (found.path, found.host) == (request.target, request.host)
    assert found.answer.lower() == answer.lower()


@pytest.mark.parametrize(
    "data",
    [
        upgrade()[:-1],
        upgrade() + b"\x81",
        upgrade() * 2,
        upgrade("POST / HTTP/1.1"),
        upgrade("GET / HTTP/1.0"),
        upgrade("GET http://hub/ HTTP/1.1"),
        upgrade("GET /\x7f HTTP/1.1"),
        upgrade(Origin="http://10.0.0.5:8444"),
        upgrade(Content_Length="0"),
        upgrade(Transfer_Encoding="chunked"),
        upgrade(Expect="100-continue"),
        upgrade(Host="xn--bcher-kva.example"),
        upgrade(Host="a b"),
        upgrade(Host="h" * 64),
        upgrade(host="two"),
        upgrade(Sec_WebSocket_Key="short"),
        upgrade(Sec_WebSocket_Version="8"),
        upgrade(Upgrade="h2c"),
        upgrade(Connection="close"),
        upgrade(X="\xe4"),
        *(upgrade(**{name.replace("-", "_"): None}) for name in USUAL),
        upgrade().replace(b"\r\n", b"\n"),
        b"\r\n",
        b"",
    ],
)
def test_any_other_upgrade_is_left_to_wsproto(data: bytes) -> None:
    assert read_upgrade(data) is None
