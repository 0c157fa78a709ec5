"""A hub shows who it is, needs few rights, and tells nothing to a server that it cannot check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.targets import TargetChange
from hub.services.forwarding.views import TargetView
from tests.services.forwarding.nats.conftest import HUB, NatsForwarding, open_nats_forwarding
from tests.support.authority import Authority
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from tests.support.nats_server import NatsServer, running_nats

ADMIN = {"user": "admin", "password": "secret-0"}
_PAGE = Path(__file__).parents[4] / "docs" / "many-sites.md"


def documented_rights() -> str:
    """Return the configuration that the page gives for a hub."""
    found = re.search(r"```conf\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def documented_stream() -> dict[str, Any]:
    """Return the stream that the page tells to make."""
    found = re.search(r"```json\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return msgspec.json.decode(found[1], type=dict[str, Any])


async def until_told(forwarding: NatsForwarding, view: TargetView, reason: str) -> None:
    view = await forwarding.until(view.target.id, lambda view: bool(view.reason))
    assert reason.lower() in str(view.reason).lower()


@pytest.mark.parametrize("old", [False, True], ids=["batches", "one by one"])
async def test_a_hub_needs_no_right_beyond_its_own_subjects(
    tmp_path: Path, clock: FrozenClock, old: bool
) -> None:
    with running_nats(tmp_path / "nats", old=old, config=documented_rights()) as server:
        await make_stream(server)
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            seqs = await forwarding.hub.add_faces("a", "b")
            identity = Identity(user=HUB, password="secret-1")
            id = (await forwarding.add(identity=identity)).target.id
            await forwarding.until_current(id)
            assert (await forwarding.targets.test(id, by=COMMAND_LINE)).reason is None
            assert await forwarding.stored_seqs(**ADMIN) == seqs

            other = await forwarding.add(identity=identity, hub="site-2", name="other")
            await until_told(forwarding, other, "permissions violation")


async def test_a_wrong_password_is_told(tmp_path: Path, clock: FrozenClock) -> None:
    with running_nats(tmp_path / "nats", config=documented_rights()) as server:
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            view = await forwarding.add(identity=Identity(user=HUB, password="secret-2"))
            await until_told(forwarding, view, "authorization violation")
            id = view.target.id
            delivery = await forwarding.targets.test(id, by=COMMAND_LINE)
            assert "authorization violation" in str(delivery.reason).lower()
            await make_stream(server)
            right = TargetChange(identity=Identity(user=HUB, password="secret-1"))
            await forwarding.targets.change(id, right, by=COMMAND_LINE)
            await forwarding.until(id, lambda view: "SITEHUB_3" in str(view.about))


async def test_a_password_is_not_replaced_by_a_webhooks_secret(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        identity = Identity(user=HUB, password="secret-1")
        targets = hub.services.forwarding.targets
        view, _ = await targets.add("nats", "nats://10.0.0.1", identity=identity, by=COMMAND_LINE)
        with pytest.raises(BadParameter):
            await targets.change_secret(view.target.id, by=COMMAND_LINE)
        kept = hub.store.targets.secrets(view.target.id)
        assert kept is not None
        assert kept.password == "secret-1"


async def test_a_hub_that_may_not_make_the_stream_says_so(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with running_nats(tmp_path / "nats", config=documented_rights()) as server:
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            view = await forwarding.add(identity=Identity(user=HUB, password="secret-1"))
            await until_told(forwarding, view, "stream SITEHUB_3 is missing and cannot be made")
            await make_stream(server)
            await forwarding.hub.add_faces("a")
            await forwarding.until_current(view.target.id)
            assert await forwarding.stored_seqs(**ADMIN) == [1]


async def test_a_hub_shows_its_certificate(tmp_path: Path, clock: FrozenClock) -> None:
    site = Authority(tmp_path)
    config = f'authorization {{ users: [ {{ user: "CN={HUB}" }} ] }}\n' + tls_config(site)
    with running_nats(tmp_path / "nats", config=config) as server:
        url = server.url.replace("nats://", "tls://")
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            await forwarding.hub.add_faces("a")
            cert, key = site.issue(HUB)
            fields = {"url": url, "ca": site.pem, "identity": Identity(cert=cert, key=key)}
            view = await forwarding.add(**fields)
            view = await forwarding.until(view.target.id, lambda view: view.cursor.seq == 1)
            assert "stream SITEHUB_3" in str(view.about)

            stranger, key = site.issue("site-9")
            identity = Identity(cert=stranger, key=key)
            view = await forwarding.add(**{**fields, "identity": identity, "name": "stranger"})
            await until_told(forwarding, view, "authorization violation")


async def test_a_server_of_another_authority_gets_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with running_nats(tmp_path / "nats", config=tls_config(Authority(tmp_path))) as server:
        url = server.url.replace("nats://", "tls://")
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            view = await forwarding.add(url=url)
            await until_told(forwarding, view, "certificate is not trusted")


async def test_a_server_without_tls_gets_no_password(tmp_path: Path, clock: FrozenClock) -> None:
    with running_nats(tmp_path / "nats", config="debug: true, trace: true") as server:
        url = server.url.replace("nats://", "tls://")
        async with open_nats_forwarding(tmp_path / "hub", clock, server) as forwarding:
            identity = Identity(user=HUB, password="secret-1")
            view = await forwarding.add(url=url, identity=identity)
            await until_told(forwarding, view, "the server does not use TLS")
    assert "CONNECT" not in (tmp_path / "nats" / "server.log").read_text()


def tls_config(site: Authority) -> str:
    """Return the configuration of a server that maps certificates to users."""
    folder = site.write_server_files().as_posix()
    return (
        f'tls {{ cert_file: "{folder}/server.crt", key_file: "{folder}/server.key", '
        f'ca_file: "{folder}/ca.crt", verify_and_map: true }}\n'
    )


async def make_stream(server: NatsServer) -> None:
    config = documented_stream()
    await trio.to_thread.run_sync(
        lambda: server.ask("$JS.API.STREAM.CREATE.SITEHUB_3", config, **ADMIN)
    )
