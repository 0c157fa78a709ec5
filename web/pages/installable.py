"""The hub as an installable web app: its manifest, and its service worker."""

from __future__ import annotations

import msgspec
from quart import Response
from quart_trio import QuartTrio

from web import auth
from web.assets import Assets
from web.pages import language

_THEME = "#0d1113"


def install(app: QuartTrio, assets: Assets) -> None:
    """Add `/app.webmanifest` and `/away.js`. Anybody may get them: they tell nothing secret."""

    @app.get("/app.webmanifest")
    async def manifest() -> Response:
        name = auth.services().site.name()
        fields = {
            "id": "/",
            "name": name,
            "short_name": name[:20],
            "lang": language.current().tag,
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": _THEME,
            "background_color": _THEME,
            "icons": [
                _icon(assets, "icon-192.png", "192x192", "any"),
                _icon(assets, "icon-512.png", "512x512", "any"),
                _icon(assets, "icon-512.png", "512x512", "maskable"),
                _icon(assets, "mark.svg", "any", "any"),
            ],
        }
        response = Response(msgspec.json.encode(fields))
        response.headers["Content-Type"] = "application/manifest+json"
        return response

    @app.get("/away.js")
    async def service_worker() -> Response:
        asset = assets.get("away.js")
        assert asset is not None
        # Below the root, so that it counts for all pages; asked for again at each visit.
        response = Response(asset.data, content_type=asset.mime)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _icon(assets: Assets, name: str, sizes: str, purpose: str) -> dict[str, str]:
    mime = "image/svg+xml" if name.endswith(".svg") else "image/png"
    return {"src": assets.url(name), "sizes": sizes, "type": mime, "purpose": purpose}
