"""Does the signature of a connect (1.1) fit a device's keys and security code?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from hub.live.pending_devices import RefusalReason
from hub.wire.signing import find_sign_form, is_readable_sign, load_public_key, recover_signed

#: Parsing a PEM costs as much as checking a signature.
_loaded = lru_cache(maxsize=4096)(load_public_key)


class Signed(Protocol):
    """As much of a connect as its signature is over, and that."""

    @property
    def sn(self) -> str: ...
    @property
    def sign(self) -> str | None: ...
    @property
    def ts_text(self) -> str: ...


class Fit(Struct, frozen=True):
    """A good signature: its form (D2), and the key that it was made with."""

    form: str
    key: str


def fit_or_reason(knock: Signed, *, keys: Sequence[str], code: str | None) -> Fit | RefusalReason:
    """How a connect's signature fits, or the reason why it does not.

    Padding that comes out right tells a wrong code from a wrong key. Without a `code` there is
    always a reason: "unknown" where a key fits.
    """
    if not knock.sign:
        return RefusalReason("no-signature")
    if not keys:
        return RefusalReason("no-key")
    reason = RefusalReason("key-mismatch")
    for key in keys:
        signed = recover_signed(_loaded(key), knock.sign)
        if signed is None:
            continue
        if code is None:
            return RefusalReason("unknown")
        form = find_sign_form(signed, sn=knock.sn, code=code, ts_text=knock.ts_text)
        if form is not None:
            return Fit(form, key)
        reason = RefusalReason("code-mismatch")
    if reason.code == "key-mismatch" and not is_readable_sign(knock.sign):
        return RefusalReason("bad-signature")
    return reason


def all_reasons(fit: Fit | RefusalReason, time: RefusalReason | None) -> tuple[RefusalReason, ...]:
    """Everything that keeps a device out, as far as signature and time tell."""
    if isinstance(fit, Fit) or (time is not None and fit.code == "unknown"):
        return () if time is None else (time,)
    return (fit,) if time is None else (fit, time)


def is_same_key(one: str, other: str) -> bool:
    """Whether two PEMs hold one key, be it in a certificate or bare."""
    return _loaded(one).public_numbers() == _loaded(other).public_numbers()
