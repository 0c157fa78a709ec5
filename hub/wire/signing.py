"""The two signatures: RSA over a connect (1.1, D2), MD5 over HTTP parameters (三, D6)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

import pybase64
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub.errors import BadParameter
from hub.wire.times import MILLISECONDS_FROM

#: Names of the forms in which devices sign the MD5 (D2); they are stored and shown.
SIGN_FORMS = (
    "md5-digestinfo",
    "md5-digest",
    "md5-hex-lower",
    "md5-hex-upper",
    "digestinfo-of-hex-lower",
    "digestinfo-of-hex-upper",
)
MIN_KEY_BITS = 1024

#: DER of DigestInfo for MD5, up to the digest itself.
_DIGEST_INFO = bytes.fromhex("3020300c06082a864886f70d020505000410")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n"
_TS = re.compile(r"[0-9]{1,15}", re.ASCII)


def load_public_key(pem: str | bytes) -> RSAPublicKey:
    """Load an RSA public key from PEM: SubjectPublicKeyInfo, PKCS#1 or X.509 certificate (D2).

    Raises BadParameter for the field `key`.
    """
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    if b"PRIVATE KEY-----" in data:
        raise BadParameter("this is a private key; the public one is expected", field="key")
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            key: object = x509.load_pem_x509_certificate(data).public_key()
        else:
            key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadParameter(
            "an RSA public key or certificate in PEM is expected", field="key"
        ) from None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise BadParameter(f"an RSA key of at least {MIN_KEY_BITS} bits is expected", field="key")
    return key


def recover_signed(key: RSAPublicKey, sign: str) -> bytes | None:
    """Recover the signed bytes with one public-key operation; None if another key signed them."""
    try:
        signature = _decode_sign(sign)
        return key.recover_data_from_signature(signature, PKCS1v15(), NoDigestInfo())
    except (binascii.Error, UnicodeError, InvalidSignature, ValueError):
        return None


def is_readable_sign(sign: str) -> bool:
    """Whether a signature is Base64 in any of the variants of D2, and not empty."""
    try:
        return bool(_decode_sign(sign))
    except (binascii.Error, UnicodeError, ValueError):
        return False


def find_sign_form(signed: bytes, *, sn: str, code: str, ts_text: str) -> str | None:
    """Find the form in which `signed` signs this connect; None if it does not.

    Compares all forms, each in constant time.
    """
    found = None
    for form, payload in _payloads(sn, code, ts_text).items():
        if hmac.compare_digest(signed, payload):
            found = form
    return found


def sign_connect(
    private_key: RSAPrivateKey, *, sn: str, code: str, ts: int | str, form: str = "md5-digestinfo"
) -> str:
    """Make the `sign` of a connect, as a camera does."""
    payload = _payloads(sn, code, str(ts))[form]
    signature = private_key.sign(payload, PKCS1v15(), NoDigestInfo())
    return pybase64.b64encode(signature).decode()


def sign_params(params: Mapping[str, str | int], secret: str) -> str:
    """Sign HTTP parameters (三), except `sign` and blank ones. Returns upper-case hex."""
    return _md5_hex((_signed_text(params) + secret).encode("utf-8", "replace")).upper()


def _signed_text(params: Mapping[str, str | int]) -> str:
    signed = sorted((key, str(value)) for key, value in params.items() if key != "sign")
    return "".join(key + value for key, value in signed if value.strip())


def verify_params_sign(params: Mapping[str, str], secret: str) -> bool:
    """Whether `sign` is the signature of the other parameters; compared in constant time."""
    if _hides_body_md5(params):
        return False
    sign = params.get("sign", "").encode("utf-8", "replace")
    return hmac.compare_digest(sign, sign_params(params, secret).encode())


def _hides_body_md5(params: Mapping[str, str]) -> bool:
    """Whether the signed text has a `body_md5` that is no parameter of its own.

    Nothing in the text says where a name ends. Whoever recorded a signed request could move the
    letters of `body_md5` into another name or value, and send another body.
    """
    return "body_md5" in _signed_text(params) and not params.get("body_md5", "").strip()


def body_md5(body: bytes) -> str:
    """The upper-case hex MD5 of a body, for the signed parameter `body_md5`."""
    return _md5_hex(body).upper()


def ts_seconds(ts_text: str, field: str = "ts") -> float:
    """A connect's `ts` as UNIX seconds; large values are milliseconds (D2). Raises BadParameter."""
    if not _TS.fullmatch(ts_text):
        raise BadParameter("UNIX time in seconds is expected", field=field)
    ts = int(ts_text)
    return ts / 1000 if ts >= MILLISECONDS_FROM else float(ts)


def is_within_skew(seconds: float, now: float, skew: float) -> bool:
    """Whether two times in seconds differ by at most `skew` seconds."""
    return abs(seconds - now) <= skew


def _payloads(sn: str, code: str, ts_text: str) -> dict[str, bytes]:
    """The bytes that a device may sign for this connect, by form."""
    digest = hashlib.md5(f"{sn}{code}{ts_text}".encode("utf-8", "replace"), usedforsecurity=False)
    lower = digest.hexdigest().encode()
    upper = lower.upper()
    return {
        "md5-digestinfo": _DIGEST_INFO + digest.digest(),
        "md5-digest": digest.digest(),
        "md5-hex-lower": lower,
        "md5-hex-upper": upper,
        "digestinfo-of-hex-lower": _DIGEST_INFO + _md5(lower),
        "digestinfo-of-hex-upper": _DIGEST_INFO + _md5(upper),
    }


def _decode_sign(sign: str) -> bytes:
    """Decode Base64 in either alphabet, with or without padding and line breaks (D2)."""
    encoded = sign.encode("ascii").translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    return pybase64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _md5_hex(data: bytes) -> str:
    return _md5(data).hex()
