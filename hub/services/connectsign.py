"""Does the signature of a connect (1.1) fit a device's key and security code?"""

from __future__ import annotations

from functools import lru_cache

from hub.live.waiting import Reason
from hub.wire.signing import connect_sign_form, load_public_key

#: Parsing a PEM costs as much as checking a signature.
_loaded = lru_cache(maxsize=4096)(load_public_key)


def sign_form_or_reason(
    sign: str | None, *, key: str | None, code: str, sn: str, ts_text: str
) -> str | Reason:
    """The form of a signature that fits (D2), or the reason why there is none."""
    if not sign:
        return Reason("no-signature")
    if key is None:
        return Reason("no-key")
    form = connect_sign_form(_loaded(key), sign, sn=sn, code=code, ts_text=ts_text)
    return form or Reason("code-mismatch")
