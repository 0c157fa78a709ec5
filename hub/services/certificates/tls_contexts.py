"""The TLS settings of the ports: versions and cipher suites, modern alone or with legacy ones."""

from __future__ import annotations

import ssl
from pathlib import Path

from msgspec import Struct

#: Forward secrecy and authenticated encryption. OpenSSL adds the suites of TLS 1.3.
_MODERN = "ECDHE+AESGCM:ECDHE+CHACHA20"
#: Also CBC, and RSA key exchange, for cameras whose TLS 1.2 supports nothing else. The server
#: chooses, and OpenSSL orders suites by strength: every other client gets a modern one.
_WITH_LEGACY = f"{_MODERN}:ECDHE+AES:kRSA+AESGCM:kRSA+AES:!AESCCM:!aNULL:!PSK"


class TlsContexts(Struct, frozen=True):
    """The two contexts of one certificate. They share no session tickets."""

    modern: ssl.SSLContext
    #: With legacy cipher suites, for the device port (`devices.legacy_ciphers`).
    with_legacy: ssl.SSLContext

    @classmethod
    def load(cls, cert_files: list[Path], key_file: Path | None = None) -> TlsContexts:
        """Read certificates; several need keys of different types. Raises OSError (ssl.SSLError).

        Without `key_file`, each file contains its key as well.
        """
        return cls(
            modern=_context(_MODERN, cert_files, key_file),
            with_legacy=_context(_WITH_LEGACY, cert_files, key_file),
        )


def _context(ciphers: str, cert_files: list[Path], key_file: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # OpenSSL's default of two TLS 1.3 tickets is for clients that open connections in parallel.
    context.num_tickets = 1
    for path in cert_files:
        context.load_cert_chain(path, key_file)
    return context
