"""Who may use each route: who reads, who changes, who takes data out. Each is tried.

Anybody signs in, and loads what a browser needs for it. Viewers read what the wall shows: records,
alarms, cameras, firmware. Guards also read the register and work with records, alarms and searches.
The office keeps the register, and sees nothing else. What changes the site is for administrators.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from hub.services.access.rights import Right, includes
from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.pages.navigation import MOVED
from web.route_access import CheckedQuart, RouteAccess

_ANYBODY = """
GET /app.webmanifest
GET /away.js
GET /ca.crt
GET /favicon.ico
GET /media/link/{expires}/{signature}/{seq}/{file}
POST /preferences
GET /setup/{token}
POST /setup/{token}
GET /setup/{token}/restore
POST /setup/{token}/restore
POST /setup/{token}/restore/file
GET /sign-in
POST /sign-in
POST /sign-in/code
POST /sign-out
GET /static/{version}/{name}
GET /wall/start/{token}
POST /wall/start/{token}
"""
_SIGNED_IN = """
GET /
GET /account
POST /account/second-factor/begin
POST /account/second-factor/confirm
POST /account/second-factor/remove
GET /api/hub/v1/groups
GET /api/hub/v1/groups/{group}
GET /help/{name}
GET /notices
GET /stream
POST /account/password
POST /account/sign-out-everywhere
"""
_REGISTER = """
GET /api/hub/v1/attendance-schedules
GET /api/hub/v1/jobs/{job}
POST /api/hub/v1/jobs/{job}/cancel
GET /api/hub/v1/people
GET /api/hub/v1/people/{pid}
GET /api/hub/v1/people/{pid}/photo
GET /api/hub/v1/people/{pid}/sync
GET /api/hub/v1/reports/{report}
GET /jobs/{id}
POST /jobs/{id}/cancel
GET /jobs/{id}/state
GET /people
GET /people/cameras
GET /people/table
GET /people/undecided
GET /people/{pid}
GET /people/{pid}/cameras
GET /people/{pid}/photo
POST /people/{pid}/retry
GET /reports
GET /reports/{kind}
GET /reports/{kind}.csv
GET /reports/{kind}.xlsx
"""
_PEOPLE = """
PUT /api/hub/v1/attendance-schedules
GET /api/hub/v1/jobs/{job}/refused
POST /api/hub/v1/people
GET /api/hub/v1/people/export
POST /api/hub/v1/people/import
POST /api/hub/v1/people/import/preview
POST /api/hub/v1/people/import/{import}
GET /api/hub/v1/people/import/{import}/rows
DELETE /api/hub/v1/people/{pid}
PATCH /api/hub/v1/people/{pid}
PUT /api/hub/v1/people/{pid}
GET /jobs/{id}/refused.csv
GET /people/add
POST /people/add
POST /people/export
GET /people/import
POST /people/import
GET /people/import/template.csv
GET /people/import/{id}
POST /people/import/{id}
GET /people/remove
POST /people/remove
GET /people/{pid}/edit
POST /people/{pid}/edit
GET /people/{pid}/remove
POST /people/{pid}/remove
POST /reports/attendance/schedules
"""
_VIEWERS = """
GET /alarms
GET /alarms/live
GET /alarms/state
GET /alarms/table
GET /alarms/{seq}
GET /alarms/{seq}/history
GET /alarms/{seq}/now
GET /api/hub/v1/alarms
GET /api/hub/v1/alarms/{alarm}
GET /api/hub/v1/devices
GET /api/hub/v1/devices/waiting
GET /api/hub/v1/devices/{did}
GET /api/hub/v1/devices/{did}/outages
GET /api/hub/v1/docs
GET /api/hub/v1/firmware/campaigns
GET /api/hub/v1/firmware/campaigns/{campaign}
GET /api/hub/v1/firmware/downloads
GET /api/hub/v1/firmware/files
GET /api/hub/v1/firmware/releases
GET /api/hub/v1/firmware/releases/{release}
GET /api/hub/v1/openapi.json
GET /api/hub/v1/records
GET /api/hub/v1/records/histogram
GET /api/hub/v1/records/matches
GET /api/hub/v1/records/{seq}
GET /api/hub/v1/status
GET /api/hub/v1/stream
GET /cameras
GET /cameras/table
GET /cameras/waiting
GET /cameras/{did}
GET /cameras/{did}/campaign
GET /cameras/{did}/outages/summary
GET /cameras/{did}/recordings
GET /cameras/{did}/recordings/{day}
GET /cameras/{did}/state
GET /docs
GET /cameras/firmware
GET /cameras/firmware/campaigns/{id}
GET /cameras/firmware/campaigns/{id}/now
GET /cameras/firmware/now
GET /cameras/firmware/releases/{id}
GET /media/{seq}/{name}.{extension}
GET /metrics
GET /openapi.json
GET /records/{seq}
GET /search
GET /strip
GET /strip/camera
GET /wall
POST /wall-seen
GET /wall/alarms
"""
_GUARDS = """
POST /alarms/change
GET /alarms/export
GET /api/hub/v1/alarm-rules
GET /api/hub/v1/alarms.csv
POST /api/hub/v1/alarms/ack
POST /api/hub/v1/alarms/close
POST /api/hub/v1/alarms/{alarm}/ack
POST /api/hub/v1/alarms/{alarm}/close
GET /api/hub/v1/devices/{did}/people
POST /api/hub/v1/devices/{did}/people/compare
POST /api/hub/v1/devices/{did}/people/retry
POST /api/hub/v1/devices/{did}/relay
GET /api/hub/v1/holds
POST /api/hub/v1/holds
DELETE /api/hub/v1/holds/{hold}
GET /api/hub/v1/holds/{hold}
PATCH /api/hub/v1/holds/{hold}
GET /api/hub/v1/holds/{hold}/export
GET /api/hub/v1/holds/{hold}/records
POST /api/hub/v1/holds/{hold}/records
GET /api/hub/v1/jobs
GET /api/hub/v1/plate-lists
GET /api/hub/v1/plate-lists/{plate_list}
POST /api/hub/v1/search/photo
GET /cameras/groups
GET /cameras/{did}/captures
POST /cameras/{did}/light
GET /cameras/{did}/pan-tilt
POST /cameras/{did}/pan-tilt/move
POST /cameras/{did}/pan-tilt/places
POST /cameras/{did}/pan-tilt/release
GET /cameras/{did}/people
POST /cameras/{did}/people/compare
GET /cameras/{did}/people/list
POST /cameras/{did}/people/retry
GET /cameras/{did}/people/state
GET /cameras/{did}/people/{pid}
GET /cameras/{did}/relay
POST /cameras/{did}/relay
POST /cameras/{did}/recordings/play
GET /cameras/{did}/recordings/play/{id}
GET /cameras/{did}/recordings/play/{id}/file
GET /cameras/{did}/recordings/play/{id}/state
POST /cameras/{did}/people/who
GET /search/kept
GET /search/kept/new
POST /search/kept/new
GET /search/kept/{id}
POST /search/kept/{id}/change
GET /search/kept/{id}/export
GET /search/kept/{id}/release
POST /search/kept/{id}/release
GET /jobs
GET /jobs/table
GET /media/device/{did}
GET /search/photo
POST /search/photo
GET /search/photo/{id}
GET /search/photo/{id}/photo
GET /search/photo/{id}/state
POST /reports/plates/gates
POST /reviewed
GET /search/export/csv
GET /search/export/print
GET /search/export/print/{seq}
GET /search/export/zip
POST /search/saved
POST /search/saved/{id}/remove
POST /search/saved/{id}/rename
"""
#: Of the API; every page that is not above is for administrators as well.
_ADMINISTRATORS = """
PUT /api/hub/v1/alarm-rules
GET /api/hub/v1/audit
GET /api/hub/v1/backups
POST /api/hub/v1/devices
POST /api/hub/v1/devices/commands
GET /api/hub/v1/devices/export
POST /api/hub/v1/devices/import
POST /api/hub/v1/devices/waiting/{sn}/accept
POST /api/hub/v1/devices/waiting/{sn}/check
GET /api/hub/v1/devices/waiting/{sn}/trace
DELETE /api/hub/v1/devices/{did}
PATCH /api/hub/v1/devices/{did}
POST /api/hub/v1/devices/{did}/init
POST /api/hub/v1/devices/{did}/people/leave-alone
POST /api/hub/v1/devices/{did}/people/manage
POST /api/hub/v1/devices/{did}/people/remove-unknown
POST /api/hub/v1/devices/{did}/people/take-over
DELETE /api/hub/v1/devices/{did}/relay
GET /api/hub/v1/devices/{did}/relay
PUT /api/hub/v1/devices/{did}/relay
GET /api/hub/v1/devices/{did}/trace
GET /api/hub/v1/erasable
GET /api/hub/v1/erasures
POST /api/hub/v1/erasures
GET /api/hub/v1/erasures/{erasure}
POST /api/hub/v1/firmware/campaigns
POST /api/hub/v1/firmware/campaigns/{campaign}/pause
POST /api/hub/v1/firmware/campaigns/{campaign}/resume
POST /api/hub/v1/firmware/campaigns/{campaign}/stop
POST /api/hub/v1/firmware/files
DELETE /api/hub/v1/firmware/files/{sha256}
POST /api/hub/v1/firmware/releases
DELETE /api/hub/v1/firmware/releases/{release}
POST /api/hub/v1/groups
DELETE /api/hub/v1/groups/{group}
PUT /api/hub/v1/groups/{group}
POST /api/hub/v1/plate-lists
DELETE /api/hub/v1/plate-lists/{plate_list}
PUT /api/hub/v1/plate-lists/{plate_list}
GET /api/hub/v1/targets
POST /api/hub/v1/targets
POST /api/hub/v1/targets/restored
DELETE /api/hub/v1/targets/{target}
GET /api/hub/v1/targets/{target}
PATCH /api/hub/v1/targets/{target}
GET /api/hub/v1/targets/{target}/deliveries
POST /api/hub/v1/targets/{target}/gaps/confirm
GET /api/hub/v1/targets/{target}/parked
POST /api/hub/v1/targets/{target}/records/{seq}/send
POST /api/hub/v1/targets/{target}/retry
POST /api/hub/v1/targets/{target}/secret
POST /api/hub/v1/targets/{target}/test
"""
KEY = Ed25519PrivateKey.generate().public_key()
ROLES: dict[str, Right | None] = {
    call: role
    for role, calls in (
        (None, _ANYBODY),
        ("signed-in", _SIGNED_IN),
        ("register", _REGISTER),
        ("people", _PEOPLE),
        ("viewer", _VIEWERS),
        ("guard", _GUARDS),
        ("admin", _ADMINISTRATORS),
    )
    for call in calls.strip().splitlines()
} | {
    f"GET {old.replace('<int:did>', '{did}')}{rest}": None
    for old, new in MOVED.items()
    for rest in ("", "/{rest}")
    if not (rest and "#" in new)
}


class Route(Struct, frozen=True):
    """`path`: of nothing that is there. `name`: as in the tables above."""

    method: str
    path: str
    name: str
    access: RouteAccess

    @property
    def changes(self) -> bool:
        return self.method != "GET"


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(
        tmp_path, clock, users=("admin", "guard", "people", "viewer"), update_key=KEY
    ) as hub:
        yield hub


def routes(app: CheckedQuart) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<any(image, media):name>", "image")
        name = re.sub(r"<(?:[^<>]+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(
                method,
                re.sub(r"<[^>]+>", "1", path),
                f"{method} {name}",
                app.access[rule.endpoint],
            )


async def test_each_route_has_its_role(hub: PageSite) -> None:
    declared = {one.name: one.access.role for one in routes(Visitor(hub).app)}
    of_pages = {name: ROLES.get(name, "admin") for name in declared if " /api/" not in name}
    assert declared == ROLES | of_pages


def test_who_may_only_read_changes_nothing() -> None:
    """Beside the own account, and what of the wall was seen."""
    assert {
        call
        for call, role in ROLES.items()
        if role and includes("viewer", role) and not call.startswith("GET ")
    } == {
        "POST /account/password",
        "POST /account/second-factor/begin",
        "POST /account/second-factor/confirm",
        "POST /account/second-factor/remove",
        "POST /account/sign-out-everywhere",
        "POST /wall-seen",
    }


def test_a_route_without_a_role_is_not_added() -> None:
    app = CheckedQuart(__name__, static_folder=None)
    with pytest.raises(TypeError, match="role"):
        app.post("/relay")(lambda: "open")


@pytest.mark.parametrize("who", ["", "viewer", "people", "guard"])
async def test_each_route_refuses_who_has_no_right_to_it(hub: PageSite, who: str) -> None:
    visitor = await Visitor.signed_in(hub, who) if who else Visitor(hub)
    await visitor.get("/account" if who else "/sign-in")
    token, before = visitor.token, await hub.services.core.audit.newest()
    for route in routes(visitor.app):
        role = route.access.role
        if role is None or (who and includes(who, role)):
            continue
        await visitor.try_route(route.method, route.path, token)
        if who:
            assert visitor.response.status_code == 403, route.name
            assert re.search("This requires the role|this needs the role", visitor.text)
        elif visitor.response.status_code != 401:
            assert visitor.goes_to.startswith("/sign-in"), route.name
    assert await hub.services.core.audit.newest() == before


async def test_a_key_that_only_reads_changes_nothing(hub: PageSite) -> None:
    bearer, visitor = await hub.hub.bearer(read_only=True), Visitor(hub)
    before = await hub.services.core.audit.newest()
    for route in routes(visitor.app):
        if route.access.check == "api" and route.changes:
            await visitor.try_route(route.method, route.path, "", bearer)
            assert visitor.response.status_code == 403, route.name
            assert "this API key is read-only" in visitor.text, route.name
    assert await hub.services.core.audit.newest() == before


async def test_what_changes_something_comes_from_our_own_page(hub: PageSite) -> None:
    # Forms with a file are read for what is there.
    await hub.enrol()
    await hub.services.people.register.add(PersonChange(name="Ann"), by=COMMAND_LINE, pid="1")
    admin = await Visitor.signed_in(hub)
    await admin.get("/account")
    before = await hub.services.core.audit.newest()
    changes = [one for one in routes(admin.app) if one.changes]
    assert len(changes) > 180
    for route in changes:
        for token, headers in (("0" * 64, {}), (admin.token, {"Sec-Fetch-Site": "cross-site"})):
            await admin.try_route(route.method, route.path, token, headers)
            assert admin.response.status_code == 403, route.name
            assert "his form" in admin.text, route.name
    await admin.get("/account")
    assert admin.response.status_code == 200
    assert await hub.services.core.audit.newest() == before
