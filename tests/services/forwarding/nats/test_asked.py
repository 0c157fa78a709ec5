"""A hub erases whom the owner of many sites asks it to, where its administrator allows that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from hub.central.accounts import Account, accounts_conf
from hub.central.asking import Request, ask_to_erase, list_asked
from hub.central.folder import enrol, make_folder, read_central
from hub.central.prepare import prepare
from hub.central.reader import Servers
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.nats.asked import AskedList, asked_subject, read_asked, signed
from hub.services.forwarding.site_state import Asked
from hub.services.forwarding.target_file import TargetFile
from hub.services.forwarding.targets import TargetChange
from hub.services.upkeep.asked_erasures import obey
from hub.services.upkeep.state_notice import tell_state
from tests.central.test_rights import tls_config
from tests.services.forwarding.nats.conftest import HUB, NatsForwarding, open_nats_forwarding
from tests.services.forwarding.test_erasures import NUMBER, add_person
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.hub_services import open_hub_services
from tests.support.nats_server import NatsServer, running_nats

NOW = datetime(2026, 12, 3, tzinfo=UTC)
LOG = "0a" * 16


class Owner:
    """A centre, its servers, and a hub that they admit."""

    def __init__(
        self, forwarding: NatsForwarding, servers: Servers, hub: TargetFile, other: TargetFile
    ) -> None:
        self.forwarding = forwarding
        self.servers = servers
        self.hub = hub
        self.other = other
        self.id = 0

    async def allow(self, allowed: bool) -> None:
        change = TargetChange(mqtt=MqttOptions(commands=allowed))
        await self.forwarding.targets.change(self.id, change, by=COMMAND_LINE)

    @property
    def log_id(self) -> str:
        return self.forwarding.hub.store.log_id

    async def ask(self, number: str = NUMBER, *logs: str, wait: float = 30.0) -> list[Request]:
        asked = {HUB: logs or (self.log_id,)}
        return await ask_to_erase(self.servers, number, asked, NOW, wait)


@asynccontextmanager
async def telling(forwarding: NatsForwarding) -> AsyncIterator[None]:
    """Let the hub tell how it is within the block, and erase what is begun."""
    services = forwarding.hub.services
    async with trio.open_nursery() as nursery:
        await nursery.start(services.records.erasures.run)
        await nursery.start(tell_state, services)
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
async def owner(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Owner]:
    for name in ("_FIRST_SECONDS", "_EVERY_SECONDS"):
        monkeypatch.setattr(f"hub.services.upkeep.state_notice.{name}", 0.05)
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url.replace("nats://", "tls://"), with_passwords=False)
        hub, other = enrol(folder, HUB, 3), enrol(folder, "site-2", 3)
        server.kill()
        server.configure(tls_config(folder))
        server.start()
        central = read_central(folder)
        servers = Servers(central.url, cert=central.cert, key=central.key, ca=central.ca)
        await prepare(servers)
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            owner = Owner(forwarding, servers, hub, other)
            added = await forwarding.add(url=hub.url, identity=hub.identity, ca=hub.ca)
            owner.id = added.target.id
            await forwarding.until_current(owner.id)
            await forwarding.hub.services.upkeep.certificates.load()
            yield owner


async def left(forwarding: NatsForwarding) -> int:
    match = await forwarding.hub.store.eraser.find_uuid(NUMBER)
    return 0 if match is None else match.records


async def test_a_hub_that_may_erases_whom_the_owner_asks_for(owner: Owner) -> None:
    await add_person(owner.forwarding.hub, 3)
    await owner.allow(True)
    async with telling(owner.forwarding):
        (answer,) = await owner.ask()
        assert (answer.hub, answer.outcome) == (HUB, "erased")
        # What is answered is kept nowhere: it has the number of the person.
        assert await list_asked(owner.servers, [HUB]) == []
    assert await left(owner.forwarding) == 0
    (erasure,) = await owner.forwarding.hub.services.records.erasures.newest()
    assert (erasure.created_by, erasure.records) == (f"centre {answer.id}", 3)


async def test_a_hub_erases_nobody_unless_its_administrator_allows_it(owner: Owner) -> None:
    await add_person(owner.forwarding.hub)
    async with telling(owner.forwarding):
        (answer,) = await owner.ask()
    assert answer.outcome == "forbidden"
    assert await left(owner.forwarding) == 1


async def test_a_hub_that_is_away_is_asked_again_when_it_is_back(owner: Owner) -> None:
    await add_person(owner.forwarding.hub)
    await owner.allow(True)
    (answer,) = await owner.ask(wait=0.5)
    assert (answer.outcome, answer.is_final) == ("", False)
    (asked,) = await list_asked(owner.servers, [HUB])
    assert asked.id == answer.id
    async with telling(owner.forwarding):
        with trio.fail_after(30):
            while await left(owner.forwarding):  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.05)


async def test_a_number_of_an_earlier_installation_is_of_somebody_else(owner: Owner) -> None:
    await add_person(owner.forwarding.hub)
    await owner.allow(True)
    async with telling(owner.forwarding):
        (answer,) = await owner.ask(NUMBER, "0c" * 16)
    assert answer.outcome == "refused"
    assert await left(owner.forwarding) == 1


async def test_a_request_is_obeyed_once_also_by_a_hub_that_was_killed(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """It is not erased again, when the person has come again meanwhile."""
    async with open_hub_services(tmp_path, clock) as hub:
        await add_person(hub)
        asked = [Asked("e-1", NUMBER, (hub.store.log_id,), NOW)]
        assert [one.outcome for one in await obey(hub.services, asked)] == ["begun"]
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.records.erasures.carry_out()
        await add_person(hub)
        assert [one.outcome for one in await obey(hub.services, asked)] == ["erased"]
        assert len(await hub.services.records.erasures.newest()) == 1
        match = await hub.store.eraser.find_uuid(NUMBER)
        assert match is not None
        assert match.records == 1


@pytest.mark.expects_error("nothing can be stored now")
async def test_a_hub_that_can_store_nothing_says_so(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = FailingCommits()
    commits.install(monkeypatch)
    async with open_hub_services(tmp_path, clock) as hub:
        await add_person(hub)
        asked = [Asked("e-1", NUMBER, (hub.store.log_id,), NOW)]
        commits.failing = True
        assert [one.outcome for one in await obey(hub.services, asked)] == ["waiting"]
        commits.failing = False
        await commits.wait_good()
        assert [one.outcome for one in await obey(hub.services, asked)] == ["begun"]


async def test_only_the_centre_can_ask(owner: Owner) -> None:
    """A server stores what it answers wherever it is told to: the subject proves nothing."""
    servers, hub, other = owner.servers, owner.hub, owner.other
    one = Asked("e-1", NUMBER, (LOG,), NOW)
    good = signed(AskedList(HUB, (one,)), servers.cert, servers.key)
    assert read_asked(good, HUB, hub.ca) == (one,)
    assert read_asked(good, "site-2", hub.ca) == ()
    of_a_hub = signed(AskedList(HUB, (one,)), other.cert, other.key)
    with_its_name = signed(AskedList(HUB, (one,)), servers.cert, other.key)
    changed = good.replace(b"e-1", b"e-2")
    for data in (of_a_hub, with_its_name, changed, b"", b"{}", b"[" * 9_999, b"\xff"):
        assert read_asked(data, HUB, hub.ca) == ()


async def test_the_rights_of_a_hub_show_nothing_that_another_is_asked(owner: Owner) -> None:
    await owner.allow(True)
    await owner.ask(wait=0)
    server, mine = owner.forwarding.server, asked_subject(HUB)
    accounts = accounts_conf(Account("c", None), [Account(HUB, 3)], with_certificates=True)
    assert mine in accounts
    await trio.to_thread.run_sync(_check_rights, server, owner.hub, owner.other)


def _check_rights(server: NatsServer, hub: TargetFile, other: TargetFile) -> None:
    from tests.central.test_rights import _tls
    from tests.support.raw_nats import raw_nats

    asked = f"$JS.API.DIRECT.GET.KV_sitehub-asked.{asked_subject(HUB)}".encode()
    for file, is_own in (hub, True), (other, False):
        with raw_nats(server.port, _tls(file)) as client:
            inbox = f"_INBOX.{file.hub}.a".encode()
            client.subscribe(inbox)
            client.publish(asked, b"NATS/1.0\r\n\r\n", reply=inbox)
            said = client.read_until(b"signature" if is_own else b"-ERR")
            assert is_own or b"Permissions Violation" in said
            client.publish(asked_subject(HUB).encode(), b"NATS/1.0\r\n\r\n", b"{}")
            assert b"Permissions Violation" in b"".join(client.flush())


async def test_records_go_on_where_a_hub_may_not_ask(owner: Owner, tmp_path: Path) -> None:
    """With the accounts of an earlier version."""
    forwarding = owner.forwarding
    config = tls_config(tmp_path / "central")
    right = f', "$JS.API.DIRECT.GET.KV_sitehub-asked.{asked_subject(HUB)}"'
    assert right in config
    forwarding.server.kill()
    forwarding.server.configure(config.replace(right, ""))
    forwarding.server.start()
    await owner.allow(True)
    await forwarding.until_current(owner.id)
    (centre,) = forwarding.targets.state_tellers()
    for _ in range(2):
        assert list(await centre.asked()) == []
        await forwarding.hub.add_faces("a")
        assert (await forwarding.until_current(owner.id)).state == "current"
