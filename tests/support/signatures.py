"""The form in which a connect is signed, found as the hub finds it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from hub.wire.signing import find_sign_form, recover_signed


def connect_sign_form(
    key: RSAPublicKey, sign: str, *, sn: str, code: str, ts_text: str
) -> str | None:
    """The form in which `sign` signs this connect; None if it does not."""
    signed = recover_signed(key, sign)
    return None if signed is None else find_sign_form(signed, sn=sn, code=code, ts_text=ts_text)
