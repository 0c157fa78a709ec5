"""The hub as an installable web app: its manifest, and its service worker."""

from __future__ import annotations

import msgspec
from quart import Response
from quart_trio import QuartTrio

from web import auth, language
from web.assets import Assets

_THEME = "#0d1113"
#: File, sizes and purpose.
_ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-512.png", "512x512", "maskable"),
    ("mark.svg", "any", "any"),
)


def install(app: QuartTrio, assets: Assets) -> None:
    """Add `/app.webmanifest` and `/away.js`. Anybody may get them: they tell nothing secret."""

    @app.get("/app.webmanifest", role=None)
    async def manifest() -> Response:
        services = auth.services()
        name, prefix = services.core.site.name(), services.config.web.prefix
        fields = {
            "id": f"{prefix}/",
            "name": name,
            "short_name": name[:20],
            "lang": language.current().tag,
            "start_url": f"{prefix}/",
            "scope": f"{prefix}/",
            "display": "standalone",
            "theme_color": _THEME,
            "background_color": _THEME,
            "icons": [
                _icon(prefix + assets.url(name), sizes, purpose) for name, sizes, purpose in _ICONS
            ],
        }
        response = Response(msgspec.json.encode(fields))
        response.headers["Content-Type"] = "application/manifest+json"
        return response

    @app.get("/away.js", role=None)
    async def service_worker() -> Response:
        asset = assets.get("away.js")
        assert asset is not None
        # Below the root, so that it counts for all pages; asked for again at each visit.
        response = Response(asset.data, content_type=asset.mime)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _icon(url: str, sizes: str, purpose: str) -> dict[str, str]:
    mime = "image/svg+xml" if url.endswith(".svg") else "image/png"
    return {"src": url, "sizes": sizes, "type": mime, "purpose": purpose}
