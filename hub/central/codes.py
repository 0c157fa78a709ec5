"""Admits hubs that have a one-time code: who gives such codes out, and what they are good for."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from msgspec.structs import replace

from hub.central.certificates import sign
from hub.central.folder import Code, Enrolled, check_name, editing
from hub.errors import StartFault
from hub.services.forwarding.nats.address import partition_of
from hub.services.forwarding.nats.codes import (
    Answer,
    Ask,
    is_same,
    new_code,
    proof_of_centre,
    proof_of_hub,
    secret_of,
)


class Given(Struct, frozen=True):
    """A code that was given out for a hub."""

    name: str
    partition: int
    code: str
    ends: datetime


class Admission(Struct, frozen=True):
    """What a hub is answered. `name`: of the hub that was admitted; "" if none was."""

    answer: Answer
    name: str = ""


def give_codes(folder: Path, names: Sequence[str], ends: datetime) -> list[Given]:
    """Give each of these hubs a code, and an account in whose name it will have a certificate.

    A hub that has an identity already is left out, so that it is not shut out; one that has not
    used its code gets another one. Raises StartFault, BadParameter.
    """
    for name in names:
        check_name(name)
    with editing(folder) as state:
        if state.hubs.identity != "certificate":
            raise StartFault(
                "codes are for hubs with certificates: servers at tls://, without --passwords"
            )
        known = {hub.name: hub for hub in state.hubs.hubs}
        given = []
        for name in names:
            old = known.get(name)
            if old is not None and (old.code is None or old.code.key):
                continue
            code = new_code()
            hub = old or Enrolled(name, partition_of(name), serial=secrets.token_hex(8))
            known[name] = replace(hub, code=Code(secret_of(code).hex(), ends))
            given.append(Given(name, hub.partition, code, ends))
        state.hubs.hubs[:] = known.values()
    return given


def admit(folder: Path, ask: Ask, end: bytes, now: datetime) -> Admission:
    """Answer a hub. `end`: the certificate that the centre shows, as DER. Raises StartFault.

    Which key a code was used for is on the disk before it is signed.
    """
    key = _public_key(ask.key)
    with editing(folder) as state:
        found = next((hub for hub in state.hubs.hubs if hub.code and hub.code.id == ask.id), None)
        if found is None or found.code is None or key is None:
            return Admission(Answer("unknown"))
        secret = bytes.fromhex(found.code.secret)
        if not is_same(ask.proof, proof_of_hub(secret, end, ask.key)):
            return Admission(Answer("between"))
        if now >= found.code.ends:
            return Admission(Answer("expired"))
        digest = hashlib.sha256(ask.key.encode()).hexdigest()
        if found.code.key not in ("", digest):
            return Admission(Answer("used"))
        state.put(replace(found, code=replace(found.code, key=digest)))
    cert = sign(folder, found.name, key, serial=found.serial)
    target = msgspec.json.encode(replace(state.target_of(found), cert=cert)).decode()
    proof = proof_of_centre(secret, end, ask.key, target)
    return Admission(Answer(None, target, proof), found.name)


def _public_key(pem: str) -> ec.EllipticCurvePublicKey | None:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError:
        return None
    is_ours = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    return key if is_ours else None  # type: ignore[return-value]
