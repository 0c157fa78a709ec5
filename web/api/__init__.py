"""The API for integrators: /api/hub/v1, and its description as openapi.json and docs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
import trio
from quart import Blueprint, Response, render_template

import hub
from hub.services import Services
from web import auth
from web.api.alarms.alarms import add_alarms
from web.api.alarms.rules import add_alarm_rules
from web.api.audit import add_audit
from web.api.backups import add_backups
from web.api.devices.commands import describe_commands
from web.api.devices.devices import add_devices
from web.api.devices.enrolment import add_enrolment
from web.api.devices.many import add_many
from web.api.devices.outages import add_outages
from web.api.devices.relay import add_relay
from web.api.devices.trace import add_trace
from web.api.docs import chapters, paragraphs
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.firmware.campaigns import add_campaigns
from web.api.firmware.files import add_files
from web.api.firmware.releases import add_releases
from web.api.jobs import add_jobs
from web.api.openapi import document
from web.api.people.groups import add_groups
from web.api.people.import_export import add_import_export
from web.api.people.people import add_people
from web.api.people.sync import add_people_sync
from web.api.records.erasures import add_erasures
from web.api.records.histogram import add_histogram
from web.api.records.holds import add_holds
from web.api.records.matches import add_matches
from web.api.records.media import DEVICE_MEDIA, MEDIA
from web.api.records.record_list import RecordLists
from web.api.records.records import add_records
from web.api.reports import add_reports
from web.api.routes import Call, Routes
from web.api.status import add_status
from web.api.stream import add_stream
from web.api.targets.targets import add_targets

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
    add_enrolment(routes, services)
    add_devices(routes, services)
    add_outages(routes, services)
    describe_commands(routes)
    add_relay(routes, services)
    add_many(routes, services)
    add_trace(routes, services)
    add_people(routes, services)
    add_groups(routes, services)
    add_import_export(routes, services)
    add_jobs(routes, services)
    add_people_sync(routes, services)
    add_files(routes, services)
    add_releases(routes, services)
    add_campaigns(routes, services)
    lists = RecordLists()
    add_records(routes, services, lists)
    add_histogram(routes, services)
    add_matches(routes, services)
    add_stream(routes, services)
    add_alarms(routes, services)
    add_alarm_rules(routes, services)
    add_reports(routes, services)
    add_targets(routes, services)
    add_holds(routes, services, lists)
    add_erasures(routes, services)
    add_status(routes, services)
    add_audit(routes, services)
    add_backups(routes, services)
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
