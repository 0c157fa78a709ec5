"""Every way in to the commands that erase data, or can take a camera away (docs/security.md, D12).

For each page: nothing is sent before it was confirmed, and what is sent is in the audit log. Beside
the pages: API keys, jobs for many cameras and the command line. Roles: tests/web/test_roles.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, DeviceSilent
from hub.simulator.faults import Quirks
from hub.store.tables.devices import DeviceChange, UnsignedPins
from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.dialect import DIALECT, Command
from hub.wire.commands.params import encode_param
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.firmware import FirmwareSite
from tests.support.page_site import PageSite, open_page_site
from tests.support.simulated_link import SimulatedLink
from web.api.devices.many import COMMANDS as MANY
from web.api.owner import answer_owner
from web.pages.camera.settings.forms import param_values

ROOT = Path(__file__).parents[2]
NAME = "Gate"

#: Each dangerous command, by the name of its constant, and the modules that may name it.
SENDERS = {
    "DISK_FORMAT": {"web/pages/camera/recordings/format_card.py"},
    "PERSON_CLEAR": {
        "hub/services/people/sync/people_sync.py",
        # What follows from it, whoever has sent it.
        "hub/services/commands/sender.py",
    },
    "SET_ETHERNET": {
        "hub/services/camera_functions/moves.py",
        "web/pages/camera/device/address.py",
    },
    "SET_SERVER": {"hub/services/admission/unsigned/addresses.py"},
    "OTA_START": {
        "hub/services/firmware/prompting.py",
        "hub/services/commands/abilities.py",
    },
}
DANGEROUS: list[Command[Any, Any]] = [getattr(edition_3, name) for name in SENDERS]


class Way(Struct, frozen=True):
    """A page that orders a dangerous command.

    `question`: the form before anything was confirmed; `order`: with the confirmation. `uri`: what
    is sent to the camera; "" if it is told later. `wrong`: what is typed wrongly, if something must
    be typed.
    """

    path: str
    question: dict[str, str]
    order: dict[str, str]
    uri: str
    action: str
    wrong: dict[str, str] = {}


_ADDRESS = param_values(edition_3.SET_ETHERNET.example)
WAYS = {
    "format": Way(
        "/cameras/1/recordings/format",
        {"size": "64"},
        {"size": "64", "typed": NAME},
        edition_3.DISK_FORMAT.uri,
        "device.format_card",
        {"size": "64", "typed": "gate"},
    ),
    "clear": Way(
        "/cameras/1/remove",
        {"clear": "yes"},
        {"clear": "yes", "typed": NAME},
        edition_3.PERSON_CLEAR.uri,
        "device.person_clear",
        {"clear": "yes", "typed": "Yard"},
    ),
    "network address": Way(
        "/cameras/1/device/address",
        _ADDRESS,
        {**_ADDRESS, "confirmed": "1"},
        edition_3.SET_ETHERNET.uri,
        "device.set_address",
    ),
    "server address": Way(
        "/cameras/1/unsigned/address",
        {},
        {"confirmed": "1"},
        edition_3.SET_SERVER.uri,
        "device.give-address",
    ),
    "firmware": Way(
        "/cameras/firmware/releases/1/give",
        {"did": "1"},
        {"did": "1", "confirmed": "1"},
        "",
        "campaign.start",
    ),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        yield site


@pytest.fixture
async def link(site: PageSite) -> SimulatedLink:
    """Camera 1, named "Gate", of edition 3 and without a signature; and release 1."""
    link = await site.connect(NAME, Quirks(edition=3))
    link.hub_address = "ws://192.168.1.2:8081"
    learn = site.services.cameras.capabilities.learn
    await learn("1", lambda known: replace(known, connect="unsigned"), "connect")
    pins = UnsignedPins(link.address, link.state.identity.mac, "3001", "ab" * 32)
    await site.hub.store.devices.change("1", DeviceChange(pins=pins))
    await FirmwareSite(site.hub, site.clock).add_release(b"firmware")
    return link


def asked(link: SimulatedLink) -> list[str]:
    dangerous = {command.uri for command in DANGEROUS}
    return [uri for uri, _ in link.asked if uri in dangerous]


async def actions(site: PageSite) -> list[tuple[str, str]]:
    return [(who, action) for who, action, _ in await site.audited()]


@ways
async def test_nothing_is_sent_before_it_is_confirmed(
    site: PageSite, link: SimulatedLink, way: Way
) -> None:
    admin = await Visitor.signed_in(site)
    await admin.get(way.path)
    for form in filter(None, (way.question, way.wrong)):
        await admin.send(way.path, **form)
        assert admin.response.status_code in (200, 400)
    if not way.question:
        assert (await admin.send(way.path)).status_code == 200
    assert asked(link) == []
    assert await actions(site) == []
    assert site.services.firmware.campaigns.campaigns() == []


@ways
async def test_what_is_confirmed_is_sent_once_and_in_the_audit_log(
    site: PageSite, link: SimulatedLink, way: Way
) -> None:
    admin = await Visitor.signed_in(site)
    await admin.get(way.path)
    await admin.send(way.path, **way.order)
    assert admin.response.status_code == 303, admin.text
    assert asked(link) == ([way.uri] if way.uri else [])
    assert ("user admin", way.action) in await actions(site)
    assert len(site.services.firmware.campaigns.campaigns()) == (0 if way.uri else 1)


@pytest.mark.parametrize(
    "way", [way for way in WAYS.values() if way.uri], ids=[k for k, w in WAYS.items() if w.uri]
)
async def test_what_was_sent_and_not_answered_is_in_the_audit_log(
    site: PageSite, link: SimulatedLink, way: Way
) -> None:
    """The camera may have done it."""
    admin = await Visitor.signed_in(site)
    await admin.get(way.path)
    link.outcome = DeviceSilent("nothing")
    await admin.send(way.path, **way.order)
    assert ("user admin", way.action) in await actions(site)


@pytest.mark.parametrize("command", DANGEROUS, ids=lambda command: command.name)
async def test_an_api_key_cannot_send_it(
    site: PageSite, link: SimulatedLink, command: Command[Any, Any]
) -> None:
    """The API sends the commands of 1.5 to 1.16; to many devices, settings and restarts."""
    assert command.uri not in {uri for one in DIALECT.commands for uri in one.uris}
    examples = [msgspec.to_builtins(one) for one in (MANY.body_examples or {}).values()]
    assert len(examples) >= 3
    assert command.uri not in {one["uri"] for one in examples}
    bearer = await site.hub.bearer()
    client = Visitor(site).app.test_client(use_cookies=False)
    body = {"uri": command.uri, "param": msgspec.to_builtins(command.example), "dids": ["1"]}
    answer = await client.post("/api/hub/v1/devices/commands", json=body, headers=bearer)
    assert answer.status_code == 400
    with pytest.raises(BadParameter):
        await site.services.cameras.commands.send(
            "1", command.uri, encode_param(command, command.example)
        )
    assert asked(link) == []


@pytest.mark.parametrize("read_only", [True, False])
async def test_firmware_by_the_api_needs_the_right_and_is_in_the_audit_log(
    site: PageSite, link: SimulatedLink, read_only: bool
) -> None:
    bearer = await site.hub.bearer(read_only=read_only)
    client = Visitor(site).app.test_client(use_cookies=False)
    answer = await client.post(
        "/api/hub/v1/firmware/campaigns", json={"release": 1, "dids": ["1"]}, headers=bearer
    )
    assert answer.status_code == (403 if read_only else 200)
    started = [action for _, action in await actions(site) if action == "campaign.start"]
    assert (
        len(started) == len(site.services.firmware.campaigns.campaigns()) == (0 if read_only else 1)
    )


async def test_firmware_by_the_command_line_is_in_the_audit_log(
    site: PageSite, link: SimulatedLink
) -> None:
    body = b'{"release": 1, "dids": ["1"]}'
    await answer_owner(Visitor(site).app, "POST", "firmware/campaigns", body)
    assert ("command line", "campaign.start") in await actions(site)


def test_no_other_module_sends_a_dangerous_command() -> None:
    """Whoever adds one adds it to the table of docs/security.md, and to WAYS."""
    found: dict[str, set[str]] = {name: set() for name in SENDERS}
    for path in [*ROOT.glob("hub/**/*.py"), *ROOT.glob("web/**/*.py")]:
        module = path.relative_to(ROOT).as_posix()
        if module.startswith(("hub/simulator/", "hub/wire/")):
            continue
        for name in _names(path.read_text(encoding="utf-8")) & found.keys():
            found[name].add(module)
    assert found == SENDERS


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def test_the_table_of_the_documents_has_each_way() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for way in WAYS.values():
        path = re.sub(r"/[0-9]+", "/…", way.path)
        (row,) = [row for row in rows if f"`{path}`" in row]
        assert f"`{way.action}`" in row
        assert ("name typed" in row) is bool(way.wrong)
