"""Whatever a hub sends, the others' records are stored: with the real servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hub.__main__ import run as command
from hub.central.folder import enrol, make_folder
from hub.central.received import Received
from hub.services.forwarding.target_file import TargetFile
from tests.central.messages import LOG, STREAM, erasure, record
from tests.support.central import running_centres
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import rows
from tests.support.raw_nats import RawNats, raw_nats

pytestmark = pytest.mark.long

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

_SECONDS = 25.0
_RECORDS, _HEADERS = b"sitehub.3.site-1.rec", f"NATS/1.0\r\nSitehub-Log: {LOG}\r\n".encode()


def no_headers(hub: RawNats) -> None:
    hub.publish(_RECORDS, b"ABCD")


def headers_that_are_no_text(hub: RawNats) -> None:
    hub.publish(_RECORDS, b"NATS/1.0 \xff\xff\xff \xff\r\n\r\n")


def a_header_with_nul(hub: RawNats) -> None:
    hub.publish(_RECORDS, b"NATS/1.0\r\na\0b: c\0d\r\n\r\n")


def what_a_server_says_of_a_request(hub: RawNats) -> None:
    hub.publish(_RECORDS, b"NATS/1.0 503\r\n\r\n")
    hub.publish(_RECORDS, b"NATS/1.0\r\nStatus: 409\r\nDescription: Consumer Deleted\r\n\r\n")


def a_subject_that_is_no_text(hub: RawNats) -> None:
    hub.publish(b"sitehub.3.site-1.\xff", _HEADERS + b"\r\n", b"{}")


def a_time_that_is_in_no_year(hub: RawNats) -> None:
    late = record(1, received_at="9999-12-31T23:59:59-01:00")
    hub.publish(_RECORDS, _HEADERS + b"\r\n", late.payload)


def more_than_is_asked_for_at_a_time(hub: RawNats) -> None:
    hub.publish(_RECORDS, _HEADERS + b"\r\n", bytes(6 * 1024 * 1024))


@pytest.mark.parametrize(
    "send",
    [
        no_headers,
        headers_that_are_no_text,
        a_header_with_nul,
        what_a_server_says_of_a_request,
        a_subject_that_is_no_text,
        a_time_that_is_in_no_year,
        more_than_is_asked_for_at_a_time,
    ],
    ids=lambda send: send.__name__.replace("_", " "),
)
def test_what_one_hub_sends_holds_up_no_other(
    server: NatsServer, folder: Path, address: str, send: object
) -> None:
    good = record(1, hub="site-2")
    with running_centres(1, folder, address):
        with raw_nats(server.port) as hub:
            send(hub)  # type: ignore[operator]
            hub.publish(good.subject.encode(), _HEADERS + b"\r\n", good.payload)
            assert hub.flush() == []
        _until(lambda: rows(address, "SELECT hub FROM sitehub.record") == [("site-2",)])
        _until(lambda: not _is_pending(server))
    assert rows(address, "SELECT count(*) > 0 FROM sitehub.unreadable") == [(True,)]


def test_a_hub_erases_nothing_of_another_through_a_servers_answer(
    tmp_path: Path, address: str
) -> None:
    """A server answers wherever it is told to, also where the hub itself may not send."""
    with running_nats(tmp_path / "nats") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url, with_passwords=False)
        hostile, other = enrol(folder, "site-1", 3), enrol(folder, "site-2", 3)
        server.kill()
        server.configure((folder / "accounts.conf").read_text())
        server.start()
        assert command(["central", "prepare", "--folder", str(folder)]) == 0
        with (
            running_centres(1, folder, address),
            _logged_in(server, hostile) as first,
            _logged_in(server, other) as second,
        ):
            _send(second, record(1, hub="site-2"))
            forged = erasure((0, 99))
            _send(first, forged)
            # A server stores later than it answers a ping, but in this order.
            _send(second, record(2, hub="site-2"))
            _until(lambda: len(rows(address, "SELECT seq FROM sitehub.record")) == 2)
            asked = f"$JS.API.DIRECT.GET.{STREAM}.{forged.subject}".encode()
            first.publish(asked, b"NATS/1.0\r\n\r\n", reply=b"sitehub.3.site-2.erasure")
            assert first.flush() == []
            _send(second, record(3, hub="site-2"))
            _until(lambda: len(rows(address, "SELECT seq FROM sitehub.record")) == 3)
    found = rows(address, "SELECT seq, erased FROM sitehub.record ORDER BY seq")
    assert found == [(1, False), (2, False), (3, False)]
    found = rows(address, "SELECT subject, reason FROM sitehub.unreadable")
    assert found == [("sitehub.3.site-2.erasure", "an answer of a server, which no hub sends")]


def _logged_in(server: NatsServer, hub: TargetFile) -> AbstractContextManager[RawNats]:
    return raw_nats(server.port, user=hub.user, **{"pass": hub.password})


def _send(hub: RawNats, message: Received) -> None:
    lines = "".join(f"{name}: {text}\r\n" for name, text in message.headers.items())
    hub.publish(message.subject.encode(), f"NATS/1.0\r\n{lines}\r\n".encode(), message.payload)
    assert hub.flush() == []


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def _is_pending(server: NatsServer) -> bool:
    consumer = server.ask(f"$JS.API.CONSUMER.INFO.{STREAM}.sitehub-central")
    return (consumer["num_pending"], consumer["num_ack_pending"]) != (0, 0)
