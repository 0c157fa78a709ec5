"""The certificate of the ports: valid, until when, with its key, and for this PC's addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from hub.errors import StartFault
from hub.services.certificates.authority import key_problem, names_in
from hub.services.certificates.certificates import names_of_this_host
from hub.services.certificates.sources import day_of
from hub.services.certificates.tls_contexts import TlsContexts
from hub.services.certificates.upload import FILE as UPLOADED
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, ok, warning

_NOTICE_SECONDS = 14 * 86_400
#: Every host has these; a certificate of the administrator need not name them.
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


def check_certificate(context: CheckContext) -> Iterator[Finding]:
    """Check the files that the hub loads."""
    config = context.config
    if not (config.web.tls or config.devices.tls):
        yield ok("certificate", "tls-off")
        return
    if config.tls.cert:
        data_dir = context.data_dir
        cert, key = data_dir / config.tls.cert, data_dir / config.tls.key
        yield _check_files([cert], key, context)
        return
    uploaded = context.data_dir / UPLOADED
    if uploaded.exists():
        yield _check_files([uploaded], uploaded, context)
        return
    folder = context.data_dir / "tls"
    files = [folder / "hub-ecdsa.pem", folder / "hub-rsa.pem"]
    if not (folder / "ca.crt").exists() and not (folder / "ca.key").exists():
        yield ok("certificate", "certificate-none")
    elif missing := [p.name for p in (folder / "ca.crt", folder / "ca.key") if not p.exists()]:
        yield failed("certificate", "authority-missing", file=f"tls/{missing[0]}")
    elif not all(path.exists() for path in files):
        yield ok("certificate", "certificate-none")
    else:
        yield _check_files(files, None, context)
        if problem := key_problem(folder):
            yield failed("certificate", "authority-unusable", reason=problem)


def _check_files(files: list[Path], key: Path | None, context: CheckContext) -> Finding:
    file = str(files[0])
    try:
        leaf = x509.load_pem_x509_certificate(files[0].read_bytes())
    except OSError as error:
        return failed("certificate", "certificate-unreadable", file=file, reason=str(error))
    except ValueError:
        return failed("certificate", "certificate-bad", file=file)
    try:
        TlsContexts.load(files, key)
    except (OSError, StartFault):  # ssl.SSLError is an OSError
        return failed("certificate", "certificate-unfit", file=file)
    found = _check_leaf(leaf, context.now(), is_own=key is not None)
    if found.state != "ok" and key is None and context.hub is None:
        return ok("certificate", "certificate-renews")
    return found


def _check_leaf(leaf: x509.Certificate, now: float, *, is_own: bool) -> Finding:
    starts, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    args = {"day": day_of(ends)}
    if now >= ends:
        return failed("certificate", "certificate-ended", **args)
    if now < starts:
        return failed("certificate", "certificate-early", day=day_of(starts))
    if ends - now < _NOTICE_SECONDS:
        return warning("certificate", "certificate-ends", **args)
    missing = sorted(_missing_names(leaf, is_own=is_own))
    if missing:
        return warning("certificate", "certificate-names", names=", ".join(missing), **args)
    return ok("certificate", "certificate-ok", **args)


def _missing_names(leaf: x509.Certificate, *, is_own: bool) -> set[str]:
    """Return names of this PC that are missing. One's own certificate needs one of them only."""
    named = names_in(leaf)
    here = set(names_of_this_host()) - _LOCAL_NAMES
    if not is_own:
        return here - named
    has_wildcard = any(name.startswith("*.") for name in named)
    return set() if here & named or has_wildcard else here
