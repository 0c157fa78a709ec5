"""The hub's current certificate.

context() is called for every accepted connection, so that a new certificate applies to the next
connection. Open connections are not affected.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ifaddr
import trio

from hub.durable_files import SECRET, write_file
from hub.errors import CannotStoreNow, StartFault
from hub.services.certificates.sources import (
    CertificateKind,
    LoadedCertificate,
    OwnCertificate,
    day_of,
    site_source,
    source_of,
    uploaded_source,
)
from hub.services.certificates.tls_contexts import TlsContexts
from hub.services.certificates.upload import FILE as UPLOADED
from hub.services.certificates.upload import CertificateProblem, checked_pem

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_CHECK_SECONDS = 60
#: How often it is looked whether the next certificate can be issued, which takes a while.
_LOOK_AHEAD_SECONDS = 86_400


class Certificates:
    """The current certificate. load() reads or issues one; run() keeps it current."""

    def __init__(self, core: Core, *, names: Callable[[], frozenset[str]] | None = None) -> None:
        """`names` returns this host's names. Raises StartFault if only half of a pair is set."""
        self._now = core.clock.likely_time
        self._data_dir = core.data_dir
        self._names = names or names_of_this_host
        self._source = source_of(core.data_dir, core.settings.current.tls, self._names)
        self._loaded: LoadedCertificate | None = None
        #: Why a newer certificate could not be loaded; "" if it was, or none is needed.
        self._load_problem = ""
        #: Why an uploaded certificate is not in use.
        self._upload_problem = ""
        #: Why the next certificate cannot be issued, and when to look again.
        self._next_problem = ""
        self._look_at = 0.0
        self._changing = trio.Lock()

    async def load(self) -> None:
        """Read the certificate, or issue one, which takes a second or more.

        Raises StartFault if there is no usable certificate. An uploaded one that cannot be used is
        replaced by the site's own, so that the hub starts.
        """
        try:
            await self._load()
        except StartFault as fault:
            if self._source.kind != "uploaded" or self._loaded is not None:
                raise
            log.warning("the uploaded certificate is not used: %s", fault.message)
            self._upload_problem = fault.message
            self._source = site_source(self._data_dir, self._names)
            await self._load()

    async def _load(self) -> None:
        # An abandoned thread leaves no incomplete file; see write_file().
        self._loaded = await trio.to_thread.run_sync(
            self._source.load, self._now(), abandon_on_cancel=True
        )
        await self._look_ahead()

    async def _look_ahead(self) -> None:
        """Find out whether the next certificate can be issued, while backups have a good key."""
        source = self._source
        found = await trio.to_thread.run_sync(source.problem, abandon_on_cancel=True)
        self._look_at = trio.current_time() + (0 if found else _LOOK_AHEAD_SECONDS)
        if found and found != self._next_problem:
            log.error("the next certificate cannot be issued: %s", found)
        self._next_problem = found

    @property
    def problem(self) -> str:
        """Why the next certificate could not be loaded or issued; "" if all is well."""
        return self._load_problem or self._upload_problem or self._next_problem

    @property
    def kind(self) -> CertificateKind:
        """Who made the certificate in use, and where it is from."""
        return self._source.kind

    @property
    def names(self) -> frozenset[str]:
        """The host names and addresses that the certificate is valid for."""
        return self._current.names

    @property
    def issuer(self) -> str:
        """Who signed the certificate."""
        return self._current.issuer

    @property
    def leaf_fingerprint(self) -> str:
        """The SHA-256 of the certificate that browsers see."""
        return self._current.leaf_fingerprint

    async def upload(self, cert: bytes, key: bytes) -> None:
        """Store a certificate with its chain and key, as PEM, and use it at once.

        Raises CertificateProblem, and CannotStoreNow if it cannot be written; the one before stays
        in use then.
        """
        async with self._changing:
            if self._source.kind == "configured":
                raise CertificateProblem("configured", field="cert")
            # A long RSA key takes many seconds.
            pem = await trio.to_thread.run_sync(checked_pem, cert, key, self._now())
            path = self._data_dir / UPLOADED
            await trio.to_thread.run_sync(_check_usable, pem, path.parent, self._now())
            try:
                await trio.to_thread.run_sync(partial(write_file, path, pem, SECRET))
            except OSError as error:
                raise CannotStoreNow(
                    f"{path} cannot be written: {error.strerror or error}"
                ) from error
            self._source = uploaded_source(self._data_dir)
            self._upload_problem = self._load_problem = ""
            await self._load()
        log.info("an uploaded certificate is in use, valid until %s", day_of(self.expires_at))

    async def remove_uploaded(self) -> None:
        """Delete the uploaded certificate, and use the site's own at once.

        Raises StartFault or CannotStoreNow, and the uploaded one stays in use.
        """
        async with self._changing:
            if self._source.kind == "configured":
                raise CertificateProblem("configured", field="cert")
            before, self._source = self._source, site_source(self._data_dir, self._names)
            try:
                await self._load()
                await trio.to_thread.run_sync(
                    partial((self._data_dir / UPLOADED).unlink, missing_ok=True)
                )
            except BaseException as error:
                self._source = before
                if isinstance(error, OSError):
                    raise CannotStoreNow(
                        f"{UPLOADED} cannot be deleted: {error.strerror or error}"
                    ) from error
                raise
            self._upload_problem = self._load_problem = ""

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings for the next accepted connection; later ones may differ."""
        return self._current.contexts.modern

    def context_with_legacy(self) -> ssl.SSLContext:
        """Return the same with legacy cipher suites, for old cameras on the device port."""
        return self._current.contexts.with_legacy

    def ca_pem(self) -> bytes:
        """Return the certificate that cameras and browsers have to trust, as PEM."""
        return self._current.ca_pem

    def fingerprint(self) -> str:
        """Return the SHA-256 of the authority's certificate, or of the configured one."""
        return self._current.fingerprint

    @property
    def starts_at(self) -> float:
        """When the certificate becomes valid, in UNIX seconds."""
        return self._current.starts_at

    @property
    def expires_at(self) -> float:
        """When the certificate expires, in UNIX seconds."""
        return self._current.expires_at

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check every minute, until cancelled, whether a newer certificate is needed."""
        task_status.started()
        while True:
            await trio.sleep(_CHECK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Load a newer certificate if there is one. On failure the old one stays in use."""
        try:
            if self._source.is_stale(self._now()):
                await self._load()
                log.info("a new certificate is in use, valid until %s", day_of(self.expires_at))
            elif trio.current_time() >= self._look_at:
                await self._look_ahead()
        except StartFault as fault:
            self._report(fault.message)
        except OSError as error:
            # For example: reading the host's addresses needs a free file descriptor.
            self._report(f"{error.strerror or error}")
        else:
            self._load_problem = ""

    @property
    def _current(self) -> LoadedCertificate:
        if self._loaded is None:
            raise RuntimeError("load() has not been called")
        return self._loaded

    def _report(self, problem: str) -> None:
        if problem != self._load_problem:
            log.error("the certificate could not be renewed: %s", problem)
        self._load_problem = problem


def _check_usable(pem: bytes, directory: Path, now: float) -> None:
    """Load the file as the ports and the next start do. Blocks. Raises CertificateProblem."""
    draft = directory / "own.checked.pem"
    try:
        write_file(draft, pem, SECRET)
        TlsContexts.load([draft])
        OwnCertificate(draft, draft, kind="uploaded").load(now)
    except ssl.SSLError as error:
        reason = str(error.reason or error).replace("_", " ").lower()
        raise CertificateProblem("unusable", field="cert", detail=reason) from error
    except StartFault as error:
        detail = str(error.__cause__ or error.message)
        raise CertificateProblem("unusable", field="cert", detail=detail) from error
    except OSError as error:
        raise CannotStoreNow(f"{draft} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def names_of_this_host() -> frozenset[str]:
    """Return the names for the certificate: the host's names, and its adapters' addresses.

    Raises OSError.
    """
    host = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1"}
    if _is_host_name(host):
        short = host.partition(".")[0]
        names |= {host, short, f"{short}.local"}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            # A link-local IPv6 address is usable only with the adapter's name.
            if address.version == 4 or not address.is_link_local:
                names.add(str(address))
    return frozenset(names)


def _is_host_name(name: str) -> bool:
    """Whether a certificate can contain the name; Windows allows names that it cannot."""
    labels = name.split(".")
    return name.isascii() and len(name) < 250 and all(0 < len(label) < 64 for label in labels)
