"""Who a hub is to servers: a certificate of its own, or a user with a password."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from hub.errors import BadParameter

_MAX_TEXT, _MAX_PEM = 200, 64 * 1024
_ENCRYPTED = ("tls://", "mqtts://")


class Identity(Struct, frozen=True):
    """`cert` and `key`: PEM. What is empty is not used."""

    user: str = ""
    password: str = ""
    cert: str = ""
    key: str = ""


def check_identity(identity: Identity, kind: str, url: str) -> Identity:
    """Return an identity that a target may have. Raises BadParameter."""
    if identity == Identity():
        return identity
    if kind == "webhook":
        raise BadParameter("a webhook has no user and no certificate", field="user")
    for name in ("user", "password"):
        if len(getattr(identity, name)) > _MAX_TEXT:
            raise BadParameter(f"at most {_MAX_TEXT} characters are expected", field=name)
    if bool(identity.user) != bool(identity.password):
        raise BadParameter("a user and a password are expected", field="user")
    if bool(identity.cert) != bool(identity.key):
        raise BadParameter("a certificate and its key are expected", field="cert")
    if identity.cert:
        _check_certificate(identity, url)
    return identity


def load_certificate(context: ssl.SSLContext, cert: str, key: str) -> None:
    """Load a certificate and its key, which can only be read from a file.

    Raises ssl.SSLError, ValueError.
    """
    with _readable(f"{cert}\n{key}\n".encode("ascii")) as path:
        # The password: a key that needs one would ask for it on the terminal.
        context.load_cert_chain(path, password="")


def end_of(cert: str) -> datetime | None:
    """Return when a certificate, given as PEM, expires; None if there is none."""
    if not cert:
        return None
    from cryptography import x509

    return x509.load_pem_x509_certificate(cert.encode("ascii")).not_valid_after_utc


@contextmanager
def _readable(pem: bytes) -> Iterator[Path]:
    """Yield a path under which this process can read a key: in memory alone, if it can be."""
    if sys.platform == "linux" and Path("/proc/self/fd").exists():
        with os.fdopen(os.memfd_create("client.pem"), "wb") as file:
            file.write(pem)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with TemporaryDirectory(prefix="sitehub-") as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        yield path


def _check_certificate(identity: Identity, url: str) -> None:
    if not url.startswith(_ENCRYPTED):
        raise BadParameter("a certificate needs an address with tls:// or mqtts://", field="url")
    if max(len(identity.cert), len(identity.key)) > _MAX_PEM:
        raise BadParameter(f"at most {_MAX_PEM} characters are expected", field="cert")
    try:
        load_certificate(ssl.create_default_context(), identity.cert, identity.key)
    except (ssl.SSLError, ValueError) as error:
        raise BadParameter("a certificate and its key as PEM are expected", field="cert") from error
