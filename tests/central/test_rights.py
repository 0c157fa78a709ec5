"""With the accounts of `enrol`, a hub writes and reads what is its own, and nothing else."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.central.folder import enrol, make_folder, read_central
from hub.services.forwarding.nats.identity import load_certificate
from hub.services.forwarding.target_file import TargetFile
from tests.central.messages import LOG, STREAM
from tests.support.nats_server import NatsServer, Stored, running_nats
from tests.support.raw_nats import RawNats, raw_nats

_HEADERS = f"NATS/1.0\r\nSitehub-Log: {LOG}\r\n\r\n".encode()
_NONE = b"NATS/1.0\r\n\r\n"
_SECRET = b"what the other hub has sent"
_INBOX = b"_INBOX.site-1.a"


class Owner:
    """A server with two hubs, of which the second one has sent something."""

    def __init__(self, server: NatsServer, central: TargetFile, hubs: list[TargetFile]) -> None:
        self._server = server
        self._central = central
        self._hubs = hubs

    @contextmanager
    def hub(self, number: int) -> Iterator[RawNats]:
        with raw_nats(self._server.port, _tls(self._hubs[number])) as client:
            yield client

    def stored(self) -> list[Stored]:
        return self._server.read(STREAM, **self.login)

    def make_stream(self) -> None:
        config = {"name": STREAM, "subjects": ["sitehub.3.>"], "allow_direct": True}
        answer = self._server.ask(f"$JS.API.STREAM.CREATE.{STREAM}", config, **self.login)
        assert "error" not in answer

    @property
    def login(self) -> dict[str, Any]:
        return {"tls": _tls(self._central), "inbox_prefix": "_INBOX.sitehub_central"}


def _tls(file: TargetFile) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=file.ca)
    load_certificate(context, file.cert, file.key)
    return context


@pytest.fixture(params=["new", "old"])
def owner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Owner]:
    with running_nats(tmp_path / "nats", old=request.param == "old") as server:
        folder = tmp_path / "central"
        make_folder(folder, server.url.replace("nats://", "tls://"), with_passwords=False)
        hubs = [enrol(folder, name, 3) for name in ("site-1", "site-2")]
        server.kill()
        server.configure(tls_config(folder))
        server.start()
        owner = Owner(server, read_central(folder), hubs)
        owner.make_stream()
        with owner.hub(1) as other:
            other.publish(b"sitehub.3.site-2.rec", _HEADERS, _SECRET)
            assert other.flush() == []
        yield owner


def tls_config(folder: Path) -> str:
    """Return the part of a server's configuration that is about who may do what."""
    files = {"cert_file": "server.pem", "key_file": "server.key", "ca_file": "ca.pem"}
    lines = ", ".join(f'{name}: "{(folder / file).as_posix()}"' for name, file in files.items())
    accounts = (folder / "accounts.conf").read_text()
    return f"tls {{ {lines}, verify_and_map: true }}\n{accounts}"


@pytest.mark.parametrize(
    "subject",
    [
        "sitehub.3.site-2.rec",
        "sitehub.3.site-10.rec",
        "sitehub.4.site-1.rec",
        "sitehub.3.site-1",
        f"$JS.API.STREAM.CREATE.{STREAM}",
        f"$JS.API.STREAM.DELETE.{STREAM}",
        f"$JS.API.STREAM.PURGE.{STREAM}",
        f"$JS.API.STREAM.MSG.GET.{STREAM}",
        f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
        f"$JS.API.CONSUMER.CREATE.{STREAM}",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.x.sitehub.3.site-1.rec",
        f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.sitehub-central",
        f"$JS.API.DIRECT.GET.{STREAM}",
        f"$JS.API.DIRECT.GET.{STREAM}.sitehub.3.site-2.rec",
        f"$JS.ACK.{STREAM}.sitehub-central.1.1.1.1.0",
    ],
)
def test_a_hub_may_send_to_no_subject_but_its_own(owner: Owner, subject: str) -> None:
    with owner.hub(0) as hub:
        hub.subscribe(_INBOX)
        hub.publish(subject.encode(), _NONE, b"{}", reply=_INBOX)
        (said,) = hub.flush()
        assert said.startswith(b"-ERR 'Permissions Violation for Publish")
    assert [one.data for one in owner.stored()] == [_SECRET]


@pytest.mark.parametrize(
    "subject",
    [
        "sitehub.3.site-2.rec",
        "sitehub.3.site-1.rec",
        "sitehub.>",
        ">",
        "_INBOX.>",
        "_INBOX.site-2.>",
    ],
)
def test_a_hub_may_listen_to_nothing_but_answers(owner: Owner, subject: str) -> None:
    with owner.hub(0) as hub:
        hub.subscribe(subject.encode())
        (said,) = hub.flush()
        assert said.startswith(b"-ERR 'Permissions Violation for Subscription")


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b'{"last_by_subj":"sitehub.3.site-2.rec"}',
        b'{"seq":1}',
        b'{"seq":1,"next_by_subj":"sitehub.3.>","batch":10}',
        b'{"multi_last":["sitehub.3.>"]}',
        b'{"subjects_filter":">"}',
    ],
)
def test_what_a_hub_may_ask_shows_nothing_that_another_has_sent(owner: Owner, asked: bytes) -> None:
    with owner.hub(0) as hub:
        hub.subscribe(_INBOX)
        hub.publish(b"sitehub.3.site-1.rec", _HEADERS, b"my own", reply=_INBOX)
        hub.read_until(b'"seq":')
        own = f"$JS.API.DIRECT.GET.{STREAM}.sitehub.3.site-1.rec"
        for subject in (own, f"$JS.API.STREAM.INFO.{STREAM}"):
            hub.publish(subject.encode(), _NONE, asked, reply=_INBOX)
        time.sleep(0.3)  # It may not answer at all.
        said = b"\n".join(hub.flush())
        assert asked or b"my own" in said
        assert _SECRET not in said
