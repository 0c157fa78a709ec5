"""Verification of a connect's signature (1.1) with a device's keys and security code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from hub.live.refusal_reasons import RefusalReason
from hub.wire.signing import find_sign_form, is_readable_sign, load_public_key, recover_signed

#: Parsing a PEM costs as much as verifying a signature.
_loaded = lru_cache(maxsize=4096)(load_public_key)


class SignedConnect(Protocol):
    """The signature of a connect, and the fields that it covers."""

    @property
    def sn(self) -> str: ...
    @property
    def sign(self) -> str | None: ...
    @property
    def ts_text(self) -> str: ...


class VerifiedSign(Struct, frozen=True):
    """A good signature: its form (D2), and the key that it was made with (PEM)."""

    form: str
    key: str


def verify_connect(
    connect: SignedConnect, *, keys: Sequence[str], code: str | None
) -> VerifiedSign | RefusalReason:
    """Verify the signature with each key (PEM) in turn; return why if none matches.

    Valid padding distinguishes a wrong code from a wrong key. If `code` is None, the result is
    always a reason: "unknown" if a key matches.
    """
    if not connect.sign:
        return RefusalReason("no-signature")
    if not keys:
        return RefusalReason("no-key")
    reason = RefusalReason("key-mismatch")
    for key in keys:
        signed = recover_signed(_loaded(key), connect.sign)
        if signed is None:
            continue
        if code is None:
            return RefusalReason("unknown")
        form = find_sign_form(signed, sn=connect.sn, code=code, ts_text=connect.ts_text)
        if form is not None:
            return VerifiedSign(form, key)
        reason = RefusalReason("code-mismatch")
    if reason.code == "key-mismatch" and not is_readable_sign(connect.sign):
        return RefusalReason("bad-signature")
    return reason


def all_reasons(
    verified: VerifiedSign | RefusalReason, time: RefusalReason | None
) -> tuple[RefusalReason, ...]:
    """Return the reasons about the signature and the time; empty if there are none."""
    if isinstance(verified, VerifiedSign) or (time is not None and verified.code == "unknown"):
        return () if time is None else (time,)
    return (verified,) if time is None else (verified, time)


def is_same_key(one: str, other: str) -> bool:
    """Whether two PEMs hold the same key, in a certificate or bare."""
    return _loaded(one).public_numbers() == _loaded(other).public_numbers()
