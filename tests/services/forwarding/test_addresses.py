"""What is secret in the address of a webhook is sealed, and shown nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.targets import TargetChange
from hub.services.forwarding.webhooks.address import masked
from hub.store.targets.target import NewTarget, TargetOptions, TargetSecrets
from tests.services.forwarding.conftest import Forwarding, Receiver, open_forwarding
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services

TOKEN = "s3cr3t-t0k3n"
SECRET_URL = f"https://vms.example/in?site=4&token={TOKEN}"
SHOWN = "https://vms.example/in?site=***&token=***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://vms.example/in", "https://vms.example/in"),
        (SECRET_URL, SHOWN),
        (SHOWN, SHOWN),
        (f"https://vms.example?{TOKEN}", "https://vms.example?***"),
        (f"https://a:{TOKEN}@vms.example:8443/in#x", "https://***@vms.example:8443/in#***"),
        ("tls://a.example:4222,tls://b.example", "tls://a.example:4222,tls://b.example"),
        (f"https://[{TOKEN}?x", "***"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_query_and_user(url: str, shown: str) -> None:
    assert masked(url) == shown


def rows(data: Path) -> str:
    """Return what the database has of the targets, as text."""
    with closing(sqlite3.connect(data / "hub.sqlite")) as database:
        return str(database.execute("SELECT * FROM target").fetchall())


async def test_a_token_is_sealed_and_sent(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        view, _ = await forwarding.add(url=SECRET_URL)
        assert view.target.options.url == SHOWN
        assert view.target.name == "vms.example"
        await forwarding.hub.add_faces("a")
        await receiver.until(lambda: bool(receiver.kept))
        assert receiver.kept[0].url == SECRET_URL
        assert TOKEN not in str(await forwarding.services.core.audit.newest(limit=10))
    assert TOKEN not in rows(tmp_path)
    assert "vms.example" in rows(tmp_path)


async def test_a_token_that_was_entered_before_is_sealed_at_the_start(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        target, _ = await hub.services.forwarding.targets.add(
            "webhook", "https://vms.example/in", by=COMMAND_LINE
        )
        options = replace(target.target.options, url=SECRET_URL)
        await hub.store.targets.change(replace(target.target, name="VMS", options=options))
    assert TOKEN in rows(tmp_path)
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        (view,) = forwarding.targets.list()
        assert (view.target.name, view.target.options.url) == ("VMS", SHOWN)
        await forwarding.hub.add_faces("a")
        await receiver.until(lambda: bool(receiver.kept))
        assert receiver.kept[0].url == SECRET_URL
    assert TOKEN not in rows(tmp_path)


async def test_an_address_as_it_is_shown_stays_and_another_must_be_whole(
    forwarding: Forwarding, receiver: Receiver
) -> None:
    id = (await forwarding.add(url=SECRET_URL))[0].target.id
    await forwarding.targets.change(id, TargetChange(url=SHOWN, name="VMS"), by=COMMAND_LINE)
    secret = await forwarding.targets.change_secret(id, by=COMMAND_LINE)
    await forwarding.hub.add_faces("a")
    await receiver.until(lambda: bool(receiver.kept))
    assert receiver.kept[0].url == SECRET_URL
    assert receiver.kept[0].is_signed_by(secret)
    for wrong in ("https://else.example/in?token=***", f"{SHOWN}&x=1"):
        with pytest.raises(BadParameter) as fault:
            await forwarding.targets.change(id, TargetChange(url=wrong), by=COMMAND_LINE)
        assert fault.value.field == "url"
    with pytest.raises(BadParameter):
        await forwarding.add(url=SHOWN, name="other")
    plain = TargetChange(url="https://else.example/in")
    await forwarding.targets.change(id, plain, by=COMMAND_LINE)
    await forwarding.hub.add_faces("b")
    await receiver.until(lambda: len(receiver.kept) == 2)
    assert receiver.kept[1].url == "https://else.example/in"


async def test_why_it_failed_is_told_without_the_token(
    forwarding: Forwarding, receiver: Receiver
) -> None:
    receiver.error = httpx.ConnectError(f"no way to {SECRET_URL} (/in?site=4&token={TOKEN})")
    id = (await forwarding.add(url=SECRET_URL))[0].target.id
    await forwarding.hub.add_faces("a")
    await receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    assert str(forwarding.targets.get(id).reason) == f"no way to {SHOWN} (/in?***)"
    (delivery,) = forwarding.targets.deliveries(id)
    assert TOKEN not in str(delivery.reason)


async def test_a_target_whose_address_cannot_be_read_any_more_is_held_until_it_is_entered_again(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        cursor = (
            await hub.services.forwarding.targets.add("webhook", SECRET_URL, by=COMMAND_LINE)
        )[0].target.cursor
        new = NewTarget(
            kind="webhook",
            name="lost",
            options=TargetOptions(url=SHOWN),
            created_at=0,
            cursor=cursor,
        )
        id = (await hub.store.targets.add(new, TargetSecrets(secret="whsec_c2VjcmV0"))).id
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        await forwarding.hub.add_faces("a")
        await receiver.until(lambda: forwarding.targets.get(id).state == "held")
        reason = "its address can no longer be read: enter it again"
        assert str(forwarding.targets.get(id).reason) == reason
        assert str((await forwarding.targets.test(id, by=COMMAND_LINE)).reason) == reason
        await forwarding.targets.change(id, TargetChange(url=SECRET_URL), by=COMMAND_LINE)
        await receiver.until(lambda: len(receiver.kept) == 2)
        assert {one.url for one in receiver.kept} == {SECRET_URL}
