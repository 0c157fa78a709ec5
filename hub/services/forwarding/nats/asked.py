"""What the owner of many sites asks a hub to erase, signed, as the servers keep it for the hub.

The bucket has one value for each hub: all that it is asked for and has not answered. What is done
about each is a part of the hub's state. A server stores what it answers wherever it is told to, so
neither the subject nor the rights say who has asked: only the signature of the centre does.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Meta, Struct

from hub.decoders import decode_json
from hub.services.forwarding.nats.address import CENTRAL_USER
from hub.services.forwarding.site_state import MAX_ASKED, Asked

_BUCKET = "sitehub-asked"
ASKED = f"KV_{_BUCKET}"
_MAX_BYTES = 128 * 1024
#: A hub that is away for longer is not asked any more: a person's number must not stay for ever.
DAYS = 90
#: Of the stream that is the bucket, where it differs from one of records.
ASKED_CONFIG: dict[str, object] = {
    "max_msgs_per_subject": 1,
    "max_msg_size": _MAX_BYTES,
    "max_age": DAYS * 86_400 * 10**9,
    "allow_atomic": False,
}


class AskedList(Struct, frozen=True):
    hub: str
    asked: Annotated[tuple[Asked, ...], Meta(max_length=MAX_ASKED)]


class _Signed(Struct, frozen=True):
    """`list`: an AskedList as JSON. `cert`: the centre's, as PEM; `signature`: in hex digits."""

    list: str
    cert: str
    signature: str


def asked_subject(hub: str) -> str:
    return f"$KV.{_BUCKET}.{hub}"


def asked_get(hub: str) -> str:
    """Return the subject at which a hub asks for its value."""
    return f"$JS.API.DIRECT.GET.{ASKED}.{asked_subject(hub)}"


def signed(asked: AskedList, cert: str, key: str) -> bytes:
    """Return the value of a hub. `cert`, `key`: the centre's, as PEM."""
    text = msgspec.json.encode(asked).decode()
    private = serialization.load_pem_private_key(key.encode(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signature = private.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
    return msgspec.json.encode(_Signed(text, cert, signature.hex()))


def read_asked(data: bytes, hub: str, ca: str) -> tuple[Asked, ...]:
    """Return what the centre asks of a hub; nothing if that is not what the value says.

    `ca`: the authority of the centre, as PEM.
    """
    try:
        value = decode_json(data, _Signed)
        cert = x509.load_pem_x509_certificate(value.cert.encode())
        cert.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.encode()))
        names = [one.value for one in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        key = cert.public_key()
        if names != [CENTRAL_USER] or not isinstance(key, ec.EllipticCurvePublicKey):
            return ()
        key.verify(bytes.fromhex(value.signature), value.list.encode(), ec.ECDSA(hashes.SHA256()))
        found = decode_json(value.list, AskedList)
    except (msgspec.MsgspecError, InvalidSignature, ValueError, TypeError, RecursionError):
        return ()
    return found.asked if found.hub == hub else ()
