"""From a hub through NATS into PostgreSQL, with the real servers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.__main__ import run as command
from hub.central.certificates import issue
from hub.central.folder import enrol, make_folder, read_central, remove
from hub.central.received import Received
from tests.central.messages import STREAM, alarm, erasure, gap, message, picture, record
from tests.central.test_rights import tls_config
from tests.support.central import CentreProcess, running_centres
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import PostgresServer, rows

pytestmark = pytest.mark.long

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

_SECONDS = 60.0


def publish(server: NatsServer, messages: Sequence[Received], **login: Any) -> None:
    async def send() -> None:
        from nats.aio.client import Client

        client = Client()
        await client.connect(server.url, allow_reconnect=False, **login)
        try:
            js = client.jetstream()
            for one in messages:
                await js.publish(one.subject, one.payload, headers=dict(one.headers))
        finally:
            await client.close()

    asyncio.run(send())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def count(address: str, table: str) -> int:
    found = rows(address, f"SELECT count(*) FROM sitehub.{table}")
    number: int = found[0][0]
    return number


def test_everything_that_a_hub_sends_arrives(
    server: NatsServer, folder: Path, address: str, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    with running_centres(1, folder, address, "--pictures", str(pictures)) as (centre,):
        publish(server, [picture(1, b"JPEG"), record(1), record(2), alarm(1, 1), gap(3, 4)])
        publish(server, [record(5), erasure((2, 2)), message("new", {})])
        until(lambda: count(address, "record") == 3 and count(address, "unreadable") == 1)
        until(lambda: centre.metric("sitehub_central_records_total") == 3)
        assert count(address, "alarm") == count(address, "gap") == count(address, "erasure") == 1
        assert centre.stop() == 0
    found = rows(address, "SELECT seq FROM sitehub.record WHERE erased")
    assert found == [(2,)]
    assert [path.read_bytes() for path in pictures.rglob("*.jpg")] == [b"JPEG"]
    consumer = server.ask(f"$JS.API.CONSUMER.INFO.{STREAM}.sitehub-central")
    assert (consumer["num_pending"], consumer["num_ack_pending"]) == (0, 0)


def test_what_was_sent_while_no_centre_ran_is_stored_later(
    server: NatsServer, folder: Path, address: str
) -> None:
    publish(server, [record(seq) for seq in range(1, 1_201)])
    with running_centres(2, folder, address) as centres:
        until(lambda: count(address, "record") == 1_200)
        until(lambda: _sum(centres, "sitehub_central_records_total") == 1_200)
        # Each message goes to one of them.
        publish(server, [record(seq) for seq in range(1_201, 1_211)])
        until(lambda: _sum(centres, "sitehub_central_records_total") == 1_210)
        time.sleep(0.5)
        assert _sum(centres, "sitehub_central_repeated_total") == 0


def _sum(centres: Sequence[CentreProcess], name: str) -> float:
    return sum(centre.metric(name) for centre in centres)


def test_a_database_that_is_away_is_told_and_waited_for(
    server: NatsServer, folder: Path, address: str
) -> None:
    away = address.replace("/test", "/nowhere")
    with running_nats(folder / "other"):  # Any server: the centre's own is in `folder`.
        centre = CentreProcess(folder, away)
        centre.start()
        try:
            until(lambda: "does not exist" in (centre.health() or {}).get("database", ""))
            assert (centre.health() or {})["nats"] == ""
        finally:
            centre.kill()


def test_the_status_tells_of_hubs_and_streams(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--folder", str(folder), "--database", address]
    out = ["--out", str(folder / "hub.json")]
    assert command(["central", "enrol", "site-9", *out, *options]) == 0
    publish(server, [record(1)])
    with running_centres(1, folder, address):
        until(lambda: count(address, "record") == 1)
    capfd.readouterr()
    assert command(["central", "status", "--json", *options]) == 0
    told = json.loads(capfd.readouterr().out)
    assert {hub["name"]: hub["state"] for hub in told["hubs"]} == {
        "site-1": "behind" if told["hubs"][0]["lag_seconds"] > 300 else "current",
        "site-9": "never",
    }
    assert len(told["streams"]) == 16
    assert command(["central", "status", *options]) == 0
    assert "site-9" in capfd.readouterr().out


def status(folder: Path, address: str, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capfd.readouterr()
    options = ["--folder", str(folder), "--database", address]
    assert command(["central", "status", "--json", *options]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_a_stream_that_was_deleted_is_told(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(server, [record(1)])
    with running_centres(1, folder, address) as (centre,):
        until(lambda: count(address, "record") == 1)
        server.ask(f"$JS.API.STREAM.DELETE.{STREAM}")
        told = f'{STREAM} is missing: run "sitehub central prepare"'
        until(lambda: (centre.health() or {})["streams"] == told)
        assert status(folder, address, capfd)["missing"] == [STREAM]
        assert command(["central", "prepare", "--folder", str(folder)]) == 0
        until(lambda: (centre.health() or {})["streams"] == "")


def test_a_full_server_is_told(tmp_path: Path, address: str) -> None:
    with running_nats(tmp_path / "nats", max_file_store="1MB") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url, with_passwords=False)
        assert command(["central", "prepare", "--folder", str(folder)]) == 0
        large = [picture(seq, bytes(100_000)) for seq in range(1, 20)]
        with pytest.raises(Exception, match="insufficient resources"):
            publish(server, large)
        with running_centres(1, folder, address) as (centre,):
            told = f"{STREAM} takes nothing: insufficient resources"
            until(lambda: told in (centre.health() or {})["streams"])
            assert count(address, "unreadable") == 0


def test_a_database_that_was_put_back_is_told_and_read_again(
    server: NatsServer,
    folder: Path,
    postgres: PostgresServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address, before = postgres.make_database(), postgres.make_database()
    publish(server, [record(seq) for seq in (1, 2)])
    with running_centres(1, folder, address):
        until(lambda: count(address, "record") == 2)
    publish(server, [record(3)])
    # As it was before anything was stored.
    (lost,) = [one for one in status(folder, before, capfd)["lost"] if one["stream"] == STREAM]
    assert lost["first"] == 1
    assert lost["last"] >= 2
    with running_centres(1, folder, before) as (centre,):
        told = f"{STREAM}: the database has lost"
        until(lambda: told in (centre.health() or {})["streams"])
        asked = ["--since", "2020-01-01", "--folder", str(folder)]
        assert command(["central", "read-again", *asked]) == 0
        until(lambda: count(before, "record") == 3)
        until(lambda: (centre.health() or {})["streams"] == "")
    assert status(folder, before, capfd)["lost"] == []


def test_what_expired_before_it_was_stored_is_told_as_gone(
    server: NatsServer, folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config: Any = server.ask(f"$JS.API.STREAM.INFO.{STREAM}")["config"]
    short = {"max_age": 2_000_000_000, "duplicate_window": 1_000_000_000}
    publish(server, [record(seq) for seq in (1, 2, 3)])
    # Of what was taken when it expired, the server says that it is acknowledged.
    server.take(STREAM, "sitehub-central", 2)
    server.ask(f"$JS.API.STREAM.UPDATE.{STREAM}", config | short)
    until(lambda: not server.read(STREAM))
    server.ask(f"$JS.API.STREAM.UPDATE.{STREAM}", config)
    publish(server, [record(4)])
    with running_centres(1, folder, address) as (centre,):
        until(lambda: count(address, "record") == 1)
        until(lambda: (centre.health() or {})["streams"] == "")
        until(lambda: centre.metric('sitehub_central_up{side="streams"}') == 1)
    (gone,) = status(folder, address, capfd)["lost"]
    assert gone == {"stream": STREAM, "first": 1, "last": 3, "oldest": 4}
    assert command(["central", "status", "--folder", str(folder), "--database", address]) == 0
    told = capfd.readouterr().out
    assert f"{STREAM}: up to 3 messages are gone" in told
    assert "read-again" not in told


def test_the_centre_goes_on_where_its_account_may_not_try(tmp_path: Path, address: str) -> None:
    """With the accounts of an earlier version, until a hub is enrolled."""
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url, with_passwords=True)
        hub = enrol(folder, "site-1", 3)
        accounts = folder / "accounts.conf"
        accounts.write_text(accounts.read_text().replace(', "sitehub.*.sitehub-central.try"', ""))
        server.kill()
        server.configure(accounts.read_text())
        server.start()
        assert command(["central", "prepare", "--folder", str(folder)]) == 0
        login = {"user": hub.user, "password": hub.password, "inbox_prefix": "_INBOX.site-1"}
        publish(server, [record(1)], **login)
        with running_centres(1, folder, address) as (centre,):
            until(lambda: count(address, "record") == 1)
            until(lambda: centre.log().count("accounts.conf is older than this") == 1)
            publish(server, [record(2)], **login)
            until(lambda: count(address, "record") == 2)


def test_servers_let_a_hub_send_as_itself_alone(tmp_path: Path) -> None:
    """With the accounts and certificates that `init` and `enrol` make."""
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        url = server.url.replace("nats://", "tls://")
        make_folder(folder, url, with_passwords=False)
        hub = enrol(folder, "site-1", 3)
        server.kill()
        server.configure(tls_config(folder))
        server.start()
        assert command(["central", "prepare", "--folder", str(folder)]) == 0
        assert asyncio.run(_is_allowed(folder, hub.cert, hub.key, "sitehub.3.site-1.rec", url))
        assert not asyncio.run(_is_allowed(folder, hub.cert, hub.key, "sitehub.3.site-2.rec", url))
        stranger = issue(folder, "site-2")
        with pytest.raises(Exception, match="Authorization Violation"):
            asyncio.run(_is_allowed(folder, *stranger, "sitehub.3.site-2.rec", url))
        assert read_central(folder).cert


def test_a_certificate_is_worth_nothing_once_its_hub_is_enrolled_again_or_removed(
    tmp_path: Path,
) -> None:
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        url = server.url.replace("nats://", "tls://")
        make_folder(folder, url, with_passwords=False)
        subject = "sitehub.3.site-1.rec"
        stolen = [issue(folder, "site-1")]

        def reload() -> None:
            server.kill()
            server.configure(tls_config(folder))
            server.start()

        def is_refused(cert: str, key: str) -> bool:
            try:
                return not asyncio.run(_is_allowed(folder, cert, key, subject, url))
            except Exception as error:
                return "Authorization Violation" in str(error)

        for _ in range(2):
            hub = enrol(folder, "site-1", 3)
            reload()
            assert not is_refused(hub.cert, hub.key)
            assert [is_refused(*one) for one in stolen] == [True] * len(stolen)
            stolen.append((hub.cert, hub.key))
        remove(folder, "site-1")
        reload()
        assert [is_refused(*one) for one in stolen] == [True] * len(stolen)
        hub = enrol(folder, "site-1", 3)
        reload()
        assert not is_refused(hub.cert, hub.key)
        assert [is_refused(*one) for one in stolen] == [True] * len(stolen)


async def _is_allowed(folder: Path, cert: str, key: str, subject: str, url: str) -> bool:
    """Whether the holder of a certificate may send to a subject."""
    import ssl

    from nats.aio.client import Client

    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    path = folder / "client.pem"
    path.write_text(cert + key)
    context.load_cert_chain(path)
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        refused.append(error)

    client = Client()
    await client.connect(
        url, allow_reconnect=False, tls=context, error_cb=note, max_reconnect_attempts=1
    )
    await client.publish(subject, b"{}", headers={"Sitehub-Log": "0a"})
    await client.flush()
    await asyncio.sleep(0.1)
    await client.close()
    return not refused
