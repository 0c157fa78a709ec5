"""Personal numbers that cameras send in records (D8), by each way out of the API."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw
from quart import Response

from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.sse import open_event_stream
from tests.web.api.test_api import Client
from web.app import create_app

ID_CARD, PHONE = "110101199003071234", "13800001111"
LISTS = ("records", "records/1", "alarms", "alarms/1", "holds/1/records")


async def add_event(hub: HubServices) -> None:
    data = Raw(b'{"name":"Li","id_card":"%b"}' % ID_CARD.encode())
    extra = Raw(b'{"more":[{"Phone":%b}]}' % PHONE.encode())
    detail = EventDetail(type=2, data=data, name="Li")
    await hub.add(CheckedUpload(kind="event", occurred_at=1_000, detail=detail, extra=extra))


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    """One event, which raised an alarm and is held."""
    async with open_hub_services(tmp_path, clock) as hub:
        await add_event(hub)
        api = Client(hub, await hub.bearer())
        await api.send("POST", "holds", {"reason": "accident", "seqs": [1]})
        yield hub


async def user(hub: HubServices, role: str) -> Client:
    cookie = {"Cookie": f"__Host-sitehub_session={await hub.add_user(role, role)}"}
    return Client(hub, cookie)


async def key(hub: HubServices, *, read_only: bool) -> Client:
    return Client(hub, await hub.bearer(read_only=read_only))


async def exported(client: Client) -> str:
    answer: Response = await client.raw("GET", "holds/1/export")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(await answer.get_data(as_text=False))) as archive:
        files = (archive.read(name) for name in archive.namelist() if "." in name)
        return b"".join(files).decode()


def is_masked(text: str) -> bool:
    """Whether both numbers are in the text, masked or in full."""
    if "*1234" in text and "*1111" in text:
        assert ID_CARD not in text
        assert PHONE not in text
        return True
    assert ID_CARD in text
    assert PHONE in text
    return False


@pytest.mark.parametrize("role", ["viewer", "guard", "admin"])
async def test_who_is_signed_in_gets_records_with_numbers_masked(
    hub: HubServices, role: str
) -> None:
    client = await user(hub, role)
    for path in LISTS:
        if role != "viewer" or not path.startswith("holds"):
            answer = await client.raw("GET", path)
            assert is_masked(await answer.get_data(as_text=True)), path


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_key_gets_records_as_they_were_sent(hub: HubServices, read_only: bool) -> None:
    client = await key(hub, read_only=read_only)
    for path in LISTS:
        answer = await client.raw("GET", path)
        assert not is_masked(await answer.get_data(as_text=True)), path


@pytest.mark.parametrize("is_user", [False, True])
async def test_a_stream_masks_as_the_lists_do(hub: HubServices, is_user: bool) -> None:
    client = await (user(hub, "guard") if is_user else key(hub, read_only=True))
    app = create_app(hub.services)
    async with open_event_stream(app, "/api/hub/v1/stream", "", client.headers) as reader:
        await add_event(hub)
        events = [await reader.next() for _ in range(2)]
    assert {event.name for event in events} == {"record", "alarm"}
    for event in events:
        assert is_masked(str(event.data)) is is_user


async def test_evidence_is_whole_for_administrators_and_keys_that_may_write(
    hub: HubServices,
) -> None:
    for client, expected in (
        (await user(hub, "guard"), True),
        (await key(hub, read_only=True), True),
        (await user(hub, "admin"), False),
        (await key(hub, read_only=False), False),
    ):
        assert is_masked(await exported(client)) is expected
