"""The role that a signed-in user needs for each call: who reads, who changes, who takes data out.

Viewers read what the wall shows: records, alarms, cameras, firmware. Guards also read the register
and work with records, alarms and searches. What changes the site, or takes people out of it, is for
administrators.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.services.access.validation import includes
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from web.api.devices.commands import COMMAND
from web.api.endpoint import Endpoint
from web.api.routes import Routes
from web.app import create_app

_VIEWERS = """
GET /api/hub/v1/alarms
GET /api/hub/v1/alarms/{alarm}
GET /api/hub/v1/devices
GET /api/hub/v1/devices/waiting
GET /api/hub/v1/devices/{did}
GET /api/hub/v1/devices/{did}/outages
GET /api/hub/v1/firmware/campaigns
GET /api/hub/v1/firmware/campaigns/{campaign}
GET /api/hub/v1/firmware/downloads
GET /api/hub/v1/firmware/files
GET /api/hub/v1/firmware/releases
GET /api/hub/v1/firmware/releases/{release}
GET /api/hub/v1/groups
GET /api/hub/v1/groups/{group}
GET /api/hub/v1/records
GET /api/hub/v1/records/histogram
GET /api/hub/v1/records/matches
GET /api/hub/v1/records/{seq}
GET /api/hub/v1/status
GET /api/hub/v1/stream
GET /docs
GET /openapi.json
GET /media/{seq}/{name}.{extension}
"""
_GUARDS = """
GET /api/hub/v1/alarm-rules
GET /api/hub/v1/alarms.csv
POST /api/hub/v1/alarms/ack
POST /api/hub/v1/alarms/close
POST /api/hub/v1/alarms/{alarm}/ack
POST /api/hub/v1/alarms/{alarm}/close
POST /api/hub/v1/devices/{did}/commands
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
GET /api/hub/v1/jobs/{job}
POST /api/hub/v1/jobs/{job}/cancel
GET /api/hub/v1/people
GET /api/hub/v1/people/{pid}
GET /api/hub/v1/people/{pid}/photo
GET /api/hub/v1/people/{pid}/sync
GET /api/hub/v1/plate-lists
GET /api/hub/v1/plate-lists/{plate_list}
POST /api/hub/v1/search/photo
GET /media/device/{did}
GET /api/hub/v1/reports/{report}
"""
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
GET /api/hub/v1/jobs/{job}/refused
POST /api/hub/v1/people
GET /api/hub/v1/people/export
POST /api/hub/v1/people/import
POST /api/hub/v1/people/import/preview
POST /api/hub/v1/people/import/{import}
GET /api/hub/v1/people/import/{import}/rows
DELETE /api/hub/v1/people/{pid}
PUT /api/hub/v1/people/{pid}
POST /api/hub/v1/plate-lists
DELETE /api/hub/v1/plate-lists/{plate_list}
PUT /api/hub/v1/plate-lists/{plate_list}
GET /api/hub/v1/targets
POST /api/hub/v1/targets
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
ROLES = {
    call: role
    for role, calls in (("viewer", _VIEWERS), ("guard", _GUARDS), ("admin", _ADMINISTRATORS))
    for call in calls.strip().splitlines()
}


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
def endpoints(hub: HubServices, monkeypatch: pytest.MonkeyPatch) -> list[Endpoint]:
    """All that the application routes or describes."""
    endpoints: list[Endpoint] = []
    add, describe = Routes.add, Routes.describe

    def note_added(self: Routes, endpoint: Endpoint, view: Any) -> None:
        endpoints.append(endpoint)
        add(self, endpoint, view)

    def note_described(self: Routes, endpoint: Endpoint) -> None:
        endpoints.append(endpoint)
        describe(self, endpoint)

    monkeypatch.setattr(Routes, "add", note_added)
    monkeypatch.setattr(Routes, "describe", note_described)
    create_app(hub.services)
    return endpoints


async def test_each_call_has_its_role(endpoints: list[Endpoint]) -> None:
    assert {f"{one.method} {one.path}": one.role for one in endpoints} == ROLES


def test_who_may_only_read_changes_nothing() -> None:
    assert {
        call for call, role in ROLES.items() if role == "viewer" and call[:4] != "GET "
    } == set()


async def test_each_call_refuses_lower_roles(hub: HubServices, endpoints: list[Endpoint]) -> None:
    client = create_app(hub.services).test_client(use_cookies=False)
    for role in ("viewer", "guard"):
        token = await hub.add_user(role, role)
        cookie = {"Cookie": f"__Host-sitehub_session={token}"}
        for endpoint in endpoints:
            # Commands are answered in front of the application; see test_commands.
            if includes(role, endpoint.role) or endpoint is COMMAND:
                continue
            path = re.sub(r"{\w+}", "1", endpoint.path)
            answer = await client.open(path, method=endpoint.method, headers=cookie)
            message = (await answer.get_json())["msg"]
            expected = (403, f"this needs the role {endpoint.role}")
            assert (answer.status_code, message) == expected, (role, endpoint.path)
