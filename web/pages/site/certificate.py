"""The certificate: whom it is for and until when, trusting it, and one's own by upload."""

from __future__ import annotations

from urllib.parse import urlsplit

from quart import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from hub.errors import CannotStoreNow, StartFault
from hub.services import Services
from hub.services.certificates.upload import CertificateProblem, is_named, names_of
from hub.services.devices.views import DeviceView
from web import auth, language
from web.language import N_, gettext
from web.pages.faults import NO_FAULT, Fault
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked
from web.pages.site.sections import Section, make_section, sections_page

blueprint = Blueprint("site_certificate", __name__, url_prefix="/site/certificate")

PROBLEMS = {
    "no-certificate": N_(
        "The first file contains no certificate in PEM, which begins with -----BEGIN"
        " CERTIFICATE-----."
    ),
    "no-key": N_("The second file contains no private key in PEM."),
    "passphrase": N_("The key is protected by a passphrase. Remove the passphrase first."),
    "mismatch": N_("The key does not belong to the first certificate of the first file."),
    "chain": N_(
        "The certificates are in the wrong order. This hub's certificate must come first, and "
        "each one must be signed by the next."
    ),
    "expired": N_("This certificate expired on %(detail)s. Request a new one."),
    "names": N_(
        "This certificate does not cover the address you are using now (%(detail)s): browsers and "
        "cameras would refuse it. To install it anyway, select the box."
    ),
    "unusable": N_(
        "This certificate cannot be used for TLS (%(detail)s). Request one with an RSA key of 2048 "
        "bits or more, or with an EC key (P-256)."
    ),
    "configured": N_("The certificate set by tls.cert and tls.key is used instead."),
}


async def _certificate_page(fault: Fault, *, asks_anyway: bool = False) -> Response:
    shown = await section(fault, asks_anyway=asks_anyway)
    return await sections_page(shown, status=fault.status)


async def section(fault: Fault = NO_FAULT, *, asks_anyway: bool = False) -> Section:
    hub, shown = auth.services(), language.current()
    certificates, config, zone = hub.upkeep.certificates, hub.config, language.zone()
    days = int((certificates.expires_at - hub.core.clock.likely_time()) // 86_400)
    return await make_section(
        "certificate",
        gettext("Certificate"),
        gettext(
            "It proves to browsers and cameras that they are talking to this hub and nobody else."
        ),
        "site/_certificate.html",
        is_open=bool(fault.sentence or certificates.problem or days < 0),
        uses_tls=config.devices.tls or config.web.tls,
        kind=certificates.kind,
        names=sorted(certificates.names),
        issuer=certificates.issuer,
        starts=shown.date(int(certificates.starts_at * 1000), zone),
        expires=shown.date(int(certificates.expires_at * 1000), zone),
        days=days,
        leaf_fingerprint=certificates.leaf_fingerprint,
        ca_fingerprint=certificates.fingerprint(),
        problem=certificates.problem,
        missing=[] if is_named(_host(), certificates.names) else [_host()],
        files=(config.tls.cert, config.tls.key),
        fault=fault.sentence,
        field=fault.field,
        asks_anyway=asks_anyway,
        legacy_ciphers=config.devices.legacy_ciphers,
        legacy_cameras=_legacy_cameras(hub),
        refused=[
            (one.address, one.port_name, shown.moment(one.last_seen, zone), one.tries)
            for one in hub.cameras.old_tls.refused()
        ],
    )


def _legacy_cameras(hub: Services) -> list[tuple[DeviceView, str]]:
    """Return the cameras whose last connect used a legacy cipher suite, and the suite's name."""
    suites = hub.cameras.old_tls.legacy_suites()
    views = hub.cameras.devices.list() if suites else []
    return [(one, suites[one.did]) for one in views if one.did in suites]


@blueprint.post("/upload", role="admin", password=asked(_certificate_page))
async def upload() -> Response:
    hub, form = auth.services(), await request.form
    cert, key = await _read("cert"), await _read("key")
    try:
        if not form.get("anyway"):
            _check_names(cert)
        await hub.upkeep.certificates.upload(cert, key)
    except CertificateProblem as problem:
        text = gettext(PROBLEMS[problem.problem]) % {"detail": problem.detail}
        asks = problem.problem == "names"
        return await _certificate_page(Fault(problem.field, text), asks_anyway=asks)
    except CannotStoreNow as error:
        return await _certificate_page(Fault("", error.message, error.status))
    await hub.core.audit.add(
        auth.actor(), "certificate.upload", hub.upkeep.certificates.leaf_fingerprint
    )
    return redirect_to("/site?done=certificate-uploaded#certificate")


def _host() -> str:
    """The host name or address under which this browser knows the hub."""
    return urlsplit(f"//{request.host}").hostname or request.host


async def _read(name: str) -> bytes:
    file: FileStorage | None = (await request.files).get(name)
    return file.read() if file is not None else b""


def _check_names(cert: bytes) -> None:
    """Raise CertificateProblem if this browser could not use the certificate."""
    if not is_named(_host(), names_of(cert)):
        raise CertificateProblem("names", field="cert", detail=_host())


async def _ask_to_remove() -> Response:
    return await page(
        "site/certificate_remove.html",
        names=sorted(auth.services().upkeep.certificates.names),
    )


@blueprint.post("/remove", role="admin", confirm=_ask_to_remove)
async def remove() -> Response:
    """Delete the uploaded certificate, and use the hub's own."""
    hub = auth.services()
    gone = hub.upkeep.certificates.leaf_fingerprint
    try:
        await hub.upkeep.certificates.remove_uploaded()
    except CertificateProblem as problem:
        return await _certificate_page(Fault("", gettext(PROBLEMS[problem.problem])))
    except (StartFault, CannotStoreNow) as error:
        return await _certificate_page(Fault("", error.message, 503))
    await hub.core.audit.add(auth.actor(), "certificate.remove", gone)
    return redirect_to("/site?done=certificate-removed#certificate")
