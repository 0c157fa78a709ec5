"""The API for integrators: /api/hub/v1, and its description as openapi.json and docs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from importlib import import_module

import msgspec
import trio
from quart import Blueprint, Response, render_template

import hub
from hub.services import Services
from web import auth
from web.api.docs import chapters, paragraphs
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.openapi import document
from web.api.records.media import DEVICE_MEDIA, MEDIA
from web.api.routes import Call, Routes

#: The modules of this package with calls, in the order of the description: each has an `add`.
_MODULES = (
    "devices.enrolment",
    "devices.devices",
    "devices.outages",
    "devices.commands",
    "devices.relay",
    "devices.many",
    "devices.trace",
    "people.people",
    "people.groups",
    "people.import_export",
    "jobs",
    "people.sync",
    "firmware.files",
    "firmware.releases",
    "firmware.campaigns",
    "records.records",
    "records.histogram",
    "records.matches",
    "stream",
    "alarms.alarms",
    "alarms.rules",
    "reports",
    "targets.targets",
    "records.erasures",
    "status",
    "audit",
    "backups",
)
_OPENAPI = Endpoint(
    method="GET",
    path="/openapi.json",
    # Also below the prefix of the API, where people look first.
    alias=f"{PREFIX}/openapi.json",
    tag="This API",
    summary="OpenAPI 3.1 of this API",
    role="viewer",
)
_DOCS = Endpoint(
    method="GET",
    path="/docs",
    alias=f"{PREFIX}/docs",
    tag="This API",
    summary="This description as a page",
    media_type="text/html",
    role="viewer",
)


def blueprint(services: Services) -> Blueprint:
    """The routes of all calls of the API, and of its description."""
    api = Blueprint("integrator", __name__)
    routes = Routes(api, services)
    for name in _MODULES:
        import_module(f"web.api.{name}").add(routes, services)
    endpoints = [*routes.endpoints, MEDIA, DEVICE_MEDIA, _OPENAPI, _DOCS]
    description = _Description(endpoints, services.config.web.prefix)

    async def openapi_json(call: Call[Nothing, Nothing]) -> Response:
        return Response(await description.encoded(), content_type="application/json")

    async def docs(call: Call[Nothing, Nothing]) -> Response:
        described = msgspec.json.decode(await description.encoded())
        page = await render_template(
            "api/docs.html",
            introduction=paragraphs(described["info"]["description"]),
            version=hub.__version__,
            chapters=chapters(described, auth.base_url()),
            host_url=auth.base_url(),
        )
        return Response(page, content_type="text/html; charset=utf-8")

    routes.add(_OPENAPI, openapi_json)
    routes.add(_DOCS, docs)
    return api


class _Description:
    """openapi.json: made when it is first asked for, in 50 ms, and kept in a tenth of its size."""

    def __init__(self, endpoints: Sequence[Endpoint], prefix: str) -> None:
        self._endpoints = endpoints
        self._prefix = prefix
        self._compressed = b""

    async def encoded(self) -> bytes:
        if not self._compressed:
            self._compressed = await trio.to_thread.run_sync(self._make, abandon_on_cancel=True)
        return zlib.decompress(self._compressed)

    def _make(self) -> bytes:
        described = document(self._endpoints, hub.__version__, self._prefix)
        return zlib.compress(msgspec.json.encode(described))
