"""Asks the centre of many sites for the target that a one-time code stands for."""

from __future__ import annotations

import hmac
import ssl
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.decoders import decode_json
from hub.errors import BadParameter
from hub.services.forwarding.nats.codes import (
    DEFAULT_PORT,
    Answer,
    Ask,
    Refusal,
    id_of,
    is_same,
    proof_of_centre,
    proof_of_hub,
    read_line,
    secret_of,
)
from hub.services.forwarding.target_file import TargetFile

_SECONDS = 20.0
_MAX_PLACE = 300
#: Of the group of points of P-256.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

#: `unreachable`: nothing answers; `stranger`: something that does not know the code.
_Why = Refusal | Literal["unreachable", "stranger"]
_SAID: dict[_Why, tuple[Literal["code", "centre"], str]] = {
    "unknown": ("code", "the centre does not know this code"),
    "expired": ("code", "it has expired: ask for another one"),
    "used": ("code", "another hub has used it: ask for another one"),
    "often": ("code", "there were too many wrong ones: try again in a minute"),
    "between": ("centre", "something between this hub and the centre opens the connection"),
    "unable": ("centre", "the centre cannot admit hubs now: its command shows why"),
    "unreachable": ("centre", "nothing there answers"),
    "stranger": ("centre", "what answers there does not know this code: it is another centre"),
}


def _refused(why: _Why) -> BadParameter:
    field, message = _SAID[why]
    return BadParameter(message, field=field, fault=why)


async def ask_centre(centre: str, code: str, own_secret: bytes) -> TargetFile:
    """Return the target. Raises BadParameter for `centre` or `code`.

    The hub's key is made of `own_secret` and the code. So it is the same whenever it asks with
    this code again, as after an answer that was lost, and the centre admits no other one.
    """
    host, port = _place(centre)
    secret = secret_of(code)
    private = _own_key(own_secret, secret)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = public.decode("ascii")
    try:
        with trio.fail_after(_SECONDS):
            end, said = await _talk(host, port, secret, key)
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        raise _refused("unreachable") from error
    try:
        answer = decode_json(said, Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _refused("stranger") from error
    if answer.refusal is not None:
        raise _refused(answer.refusal)
    if not is_same(answer.proof, proof_of_centre(secret, end, key, answer.target)):
        raise _refused("stranger")
    private_pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    target = decode_json(answer.target, TargetFile)
    return msgspec.structs.replace(target, key=private_pem.decode("ascii"))


async def _talk(host: str, port: int, secret: bytes, key: str) -> tuple[bytes, bytes]:
    """Ask; return the certificate at which the connection ends, and what was answered."""
    # No authority is known yet: the proofs tell whether this certificate is the centre's.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=context, https_compatible=True
    )
    async with stream:
        await stream.do_handshake()
        end = stream.getpeercert(binary_form=True)
        ask = Ask(id_of(secret), key, proof_of_hub(secret, end, key))
        await stream.send_all(msgspec.json.encode(ask) + b"\n")
        return end, await read_line(stream)


def _own_key(own_secret: bytes, secret: bytes) -> ec.EllipticCurvePrivateKey:
    # Twice as many bits as the order has: no number is more likely than another.
    number = int.from_bytes(hmac.digest(own_secret, secret, "sha512"), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def _place(centre: str) -> tuple[str, int]:
    """Return host and port of a centre. Raises BadParameter."""
    centre = centre.strip()
    try:
        parts = urlsplit(f"//{centre}")
        place = parts.hostname or "", parts.port or DEFAULT_PORT
        is_good = bool(place[0]) and parts.netloc == centre and not set(centre) & set("@ \t")
        place[0].encode("idna")
    except ValueError:
        is_good = False
    if not is_good or len(centre) > _MAX_PLACE:
        raise BadParameter("a host is expected, or HOST:PORT", field="centre")
    return place
