"""The owner of many sites is told how each hub is; the servers keep the last word of each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import trio

from hub import __version__
from hub.central.accounts import Account, accounts_conf
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.site_state import (
    BUCKET_CONFIG,
    MAX_PROBLEMS,
    MAX_STATE_BYTES,
    STATES,
    SiteState,
    state_subject,
)
from hub.services.upkeep.site_state import read_site_state
from hub.services.upkeep.state_notice import tell_state
from hub.store.targets.target import Selection
from tests.services.forwarding.nats.conftest import HUB, NatsForwarding, open_nats_forwarding
from tests.support.clock import FrozenClock
from tests.support.nats_server import NatsServer, running_nats

STATE = SiteState(at=datetime(2026, 12, 2, tzinfo=UTC))


async def make_bucket(forwarding: NatsForwarding) -> None:
    config = {"name": STATES, "subjects": [state_subject("*")], **BUCKET_CONFIG}
    config.pop("allow_atomic")
    assert "error" not in await forwarding.ask(f"STREAM.CREATE.{STATES}", config)


async def kept(server: NatsServer, **login: str) -> list[SiteState]:
    found = await trio.to_thread.run_sync(lambda: server.read(STATES, **login))
    assert {one.subject for one in found} <= {state_subject(HUB)}
    return [msgspec.json.decode(one.data, type=SiteState) for one in found]


async def until_kept(server: NatsServer, state: SiteState, **login: str) -> None:
    with trio.fail_after(30):
        while [one.at for one in await kept(server, **login)] != [state.at]:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_the_servers_keep_the_last_state_of_a_hub(forwarding: NatsForwarding) -> None:
    await make_bucket(forwarding)
    view = await forwarding.add()
    await forwarding.until_current(view.target.id)
    (centre,) = forwarding.targets.state_tellers()
    later = msgspec.structs.replace(STATE, at=datetime(2026, 12, 3, tzinfo=UTC))
    for state in (STATE, later):
        await centre.tell(state)
    await until_kept(forwarding.server, later)
    (state,) = await kept(forwarding.server)
    assert (state.partition, state.identity_ends) == (3, None)


async def test_a_hub_that_was_cut_off_tells_its_state_with_the_next_connection(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    await make_bucket(forwarding)
    id = (await forwarding.add()).target.id
    await forwarding.until_current(id)
    forwarding.server.kill()
    await forwarding.until(id, lambda view: view.state == "waiting")
    (centre,) = forwarding.targets.state_tellers()
    await centre.tell(STATE)
    forwarding.server.start()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await until_kept(forwarding.server, STATE)


async def test_records_go_on_where_the_state_is_not_permitted(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """With the accounts of an earlier version."""
    accounts = accounts_conf(
        Account("central", None, "c"), [Account(HUB, 3, "h")], with_certificates=False
    )
    old = accounts.replace(f', "{state_subject(HUB)}"', "")
    assert old != accounts
    central = {"user": "central", "password": "c", "inbox_prefix": "_INBOX.sitehub_central"}
    with running_nats(tmp_path / "nats", config=old) as server:
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            identity = Identity(user=HUB, password="h")
            streams = {"SITEHUB_3": ["sitehub.3.>"], STATES: [state_subject("*")]}
            for name, subjects in streams.items():
                body = {"name": name, "subjects": subjects, "allow_direct": True}
                subject = f"$JS.API.STREAM.CREATE.{name}"
                await trio.to_thread.run_sync(
                    lambda: server.ask(subject, body, **central)  # noqa: B023
                )
            id = (await forwarding.add(identity=identity)).target.id
            await forwarding.until_current(id)
            (centre,) = forwarding.targets.state_tellers()
            for _ in range(3):
                await centre.tell(STATE)
                await forwarding.hub.add_faces("a")
                await forwarding.until_current(id)
            assert forwarding.targets.get(id).state == "current"
            assert await kept(server, **central) == []
            server.kill()
            server.configure(accounts)
            server.start()
            await until_kept(server, STATE, **central)


async def test_a_state_says_how_the_hub_is_and_names_nobody(
    new_forwarding: NatsForwarding,
) -> None:
    hub = new_forwarding.hub
    await hub.add_faces("王芳")
    await hub.services.upkeep.certificates.load()
    hub.services.upkeep.health.mark_serving()
    state = await read_site_state(hub.services)
    assert (state.version, state.last_seq) == (__version__, 1)
    assert state.schema > 0
    assert state.disk_free
    assert state.certificate_ends
    assert set(state.problems) == {one.code for one in hub.services.upkeep.health.reasons()}
    assert "王芳" not in str(state)


def test_a_state_is_bounded() -> None:
    largest = SiteState(
        at=STATE.at,
        version="9" * 80,
        site="王" * 80,
        state="a" * 40,
        problems=("a" * 40,) * MAX_PROBLEMS,
        **{  # type: ignore[arg-type]
            name: 2**53
            for name in SiteState.__struct_fields__
            if name.startswith(("cameras", "targets", "people", "last_seq", "alarms", "schema"))
        },
        disk_free=2**53,
        days_left=1.23456789012345e5,
        last_backup=STATE.at,
        certificate_ends=STATE.at,
        identity_ends=STATE.at,
    )
    assert len(msgspec.json.encode(largest)) < MAX_STATE_BYTES - 100


async def test_without_such_a_target_nothing_is_read(
    new_forwarding: NatsForwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[None] = []

    async def note(services: object) -> SiteState:
        read.append(None)
        return STATE

    monkeypatch.setattr("hub.services.upkeep.site_state.read_site_state", note)
    monkeypatch.setattr("hub.services.upkeep.state_notice._FIRST_SECONDS", 0.01)
    monkeypatch.setattr("hub.services.upkeep.state_notice._EVERY_SECONDS", 0.01)
    forwarding = new_forwarding
    await make_bucket(forwarding)
    async with trio.open_nursery() as nursery:
        await nursery.start(tell_state, forwarding.hub.services)
        await trio.sleep(0.1)
        assert not read
        await forwarding.add(selection=Selection(alarms=False))
        await until_kept(forwarding.server, STATE)
        nursery.cancel_scope.cancel()
