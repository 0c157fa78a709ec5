"""The Quart application of the web port: pages, API, pictures, errors and common headers."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from quart import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from hub.config import Config
from hub.errors import HubError, NoSuchPath
from hub.services import Services
from hub.services.upkeep.exposition import read_metrics
from web import api, auth, pages
from web.api.records import media
from web.assets import Assets
from web.error_responses import CACHE_CONTROL, REFERRER_POLICY, headers_of, refusal
from web.http.bodies import MAX_SHORT_BODY_BYTES, Bodies
from web.pages import installable
from web.proxy.prefix import refuse_own_path
from web.quart_app import HubQuart
from web.route_access import CheckedQuart

_ROOT = Path(__file__).parent
_YEAR = 365 * 86_400

#: No inline scripts or styles, nothing from third parties, no framing.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; frame-ancestors 'none'; form-action 'self'; "
    "base-uri 'none'; object-src 'none'"
)

#: Errors below these paths are for programs: {"code", "msg"}.
_PROGRAM_PATHS = ("/api/", "/media/", "/metrics", "/openapi.json", "/static/")

#: The protocol's code for errors that Quart raises.
_CODES_BY_STATUS = {400: 420, 408: 420, 413: 420, 415: 420, 405: 404, 404: 404, 500: 503}


def create_app(services: Services, bodies: Bodies | None = None) -> HubQuart:
    """The application for one running hub. `bodies`: those of all requests; None: its own.

    Raises StartFault if `web.prefix` is that of an address of the application.
    """
    # Explicit paths: in the frozen executable Quart cannot derive them from the module.
    app = CheckedQuart(
        __name__, root_path=str(_ROOT), template_folder="templates", static_folder=None
    )
    web = services.config.web
    app.config.update(
        # No limit: event streams and slow downloads may take any time.
        RESPONSE_TIMEOUT=None,
        BODY_TIMEOUT=web.body_seconds,
        MAX_CONTENT_LENGTH=MAX_SHORT_BODY_BYTES,
    )
    app.bodies, app.carry_out = bodies or Bodies(web), services.changes.carry_out

    def take_over(config: Config) -> None:
        app.config["BODY_TIMEOUT"] = config.web.body_seconds

    @app.before_serving
    async def follow_settings() -> None:
        await app.nursery.start(services.core.settings.follow, take_over)

    auth.install(app, services)
    assets = Assets(_ROOT / "static")
    _serve_assets(app, assets)
    _serve_basics(app, services)
    pages.install(app)
    installable.install(app, assets)
    app.register_blueprint(api.blueprint(services))
    app.register_blueprint(media.blueprint(services))
    app.register_error_handler(HubError, _answer_hub_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.after_request(_set_headers)
    refuse_own_path(web.prefix, (rule.rule for rule in app.url_map.iter_rules()))
    return app


def _serve_assets(app: HubQuart, assets: Assets) -> None:
    app.jinja_env.globals["asset"] = assets.url

    @app.get("/static/<version>/<path:name>", role=None)
    async def static_file(version: str, name: str) -> Response:
        asset = assets.get(name)
        if asset is None:
            raise NoSuchPath
        is_gzipped = request.accept_encodings["gzip"] > 0
        response = Response(asset.gzipped if is_gzipped else asset.data, content_type=asset.mime)
        response.headers["Vary"] = "Accept-Encoding"
        if is_gzipped:
            response.headers["Content-Encoding"] = "gzip"
        # A page from before an update asks for the old version: it must not cache the new file.
        response.headers["Cache-Control"] = (
            f"public, max-age={_YEAR}, immutable" if version == assets.version else "no-store"
        )
        return response

    @app.get("/favicon.ico", role=None)
    async def favicon() -> Response:
        return await static_file(assets.version, "mark.svg")


def _serve_basics(app: HubQuart, services: Services) -> None:
    @app.get("/metrics", role="viewer", check="api")
    async def figures() -> Response:
        await auth.require_api()
        return Response(await read_metrics(services), content_type="text/plain; version=0.0.4")

    @app.get("/ca.crt", role=None)
    async def ca_certificate() -> Response:
        response = Response(
            services.upkeep.certificates.ca_pem(), content_type="application/x-x509-ca-cert"
        )
        response.headers["Content-Disposition"] = 'attachment; filename="sitehub-ca.crt"'
        return response


def _is_for_browser() -> bool:
    if not request.path.startswith(_PROGRAM_PATHS):
        return True
    # True for a picture opened directly in a tab; for an embedded one browsers accept images.
    return request.path.startswith("/media/") and "text/html" in request.headers.get("Accept", "")


async def _answer_hub_error(error: HubError) -> Response:
    further = headers_of(error)
    if _is_for_browser():
        response = await pages.error_page(error, error.status)
        # With it, a browser would show its own dialog for name and password.
        further.pop("WWW-Authenticate", None)
        # Browsers read the response only after they have sent the whole body.
        further.pop("Connection", None)
    else:
        response = _error_for_programs(error.status, error.code, error.message)
    response.headers.update(further)
    return response


async def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if _is_for_browser():
        return await pages.error_page(error, status)
    message = f"body: longer than {MAX_SHORT_BODY_BYTES} bytes" if status == 413 else error.name
    response = _error_for_programs(status, _CODES_BY_STATUS.get(status, status), message)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _error_for_programs(status: int, code: int, message: str) -> Response:
    return Response(refusal(code, message), status, content_type="application/json")


async def _set_headers(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = REFERRER_POLICY
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("Cache-Control", CACHE_CONTROL)
    if response.status_code == HTTPStatus.PERMANENT_REDIRECT:
        # Quart's own, of "//cameras": as a path, it is right below `web.prefix` too.
        own = urlsplit(response.headers["Location"])
        path = "/" + own.path.lstrip("/")
        response.headers["Location"] = urlunsplit(("", "", path, own.query, ""))
    return response
