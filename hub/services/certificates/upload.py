"""A certificate that an administrator uploads: its checks, and its file.

The file `tls/own.pem` in the data directory holds the key and the chain, so that it is replaced as
a whole. `tls.cert` and `tls.key` of the settings win over it.
"""

from __future__ import annotations

import ipaddress
import itertools
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from hub.errors import BadParameter
from hub.services.certificates.authority import certificate_pem, names_in

FILE = Path("tls", "own.pem")

ProblemCode = Literal[
    "no-certificate",
    "no-key",
    "passphrase",
    "mismatch",
    "chain",
    "expired",
    "names",
    "unusable",
    "configured",
]

_TEXTS: dict[ProblemCode, str] = {
    "no-certificate": "contains no certificate in PEM",
    "no-key": "contains no private key in PEM",
    "passphrase": "is protected by a passphrase: remove the passphrase",
    "mismatch": "is not the key of the first certificate",
    "chain": "each certificate must be signed by the one that follows it",
    "expired": "the certificate has expired",
    "names": "the certificate does not name the address of this hub",
    "unusable": "cannot be used for TLS: use an RSA key of 2048 bits or more, or an EC key",
    "configured": "the settings tls.cert and tls.key name a certificate, and win",
}


class CertificateProblem(BadParameter):
    """Why an uploaded certificate is refused, as a code for pages. `field`: "cert" or "key"."""

    def __init__(self, code: ProblemCode, *, field: str, detail: str = "") -> None:
        super().__init__(f"{_TEXTS[code]}{f' ({detail})' if detail else ''}", field=field)
        self.problem = code
        self.detail = detail


def checked_pem(cert: bytes, key: bytes, now: float) -> bytes:
    """Check a certificate with its chain, and its key; return both as one PEM file.

    Raises CertificateProblem.
    """
    chain = _read_chain(cert)
    private = _read_key(key)
    try:
        is_pair = chain[0].public_key() == private.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateProblem("unusable", field="cert", detail=str(error)) from None
    if not is_pair:
        raise CertificateProblem("mismatch", field="key")
    for signed, issuer in itertools.pairwise(chain):
        try:
            signed.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise CertificateProblem("chain", field="cert") from None
    if now >= chain[0].not_valid_after_utc.timestamp():
        day = f"{chain[0].not_valid_after_utc:%Y-%m-%d}"
        raise CertificateProblem("expired", field="cert", detail=day)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem + b"".join(certificate_pem(one) for one in chain)


def names_of(cert: bytes) -> frozenset[str]:
    """Return the host names and addresses of the first certificate. Raises CertificateProblem."""
    return names_in(_read_chain(cert)[0])


def is_named(host: str, names: frozenset[str]) -> bool:
    """Whether a certificate with these names is valid for a host name or an address."""
    host = host.strip("[]").lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(host)) in names
    except ValueError:
        parent = host.partition(".")[2]
        return bool({host, f"*.{parent}"} & {name.lower() for name in names})


def _read_chain(cert: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(cert)
    except ValueError:
        raise CertificateProblem("no-certificate", field="cert") from None


def _read_key(key: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(key, password=None)
    except TypeError:
        raise CertificateProblem("passphrase", field="key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateProblem("no-key", field="key") from None
