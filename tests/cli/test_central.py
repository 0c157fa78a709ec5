"""`sitehub central`, as far as it needs no servers; with them: tests/central."""

from __future__ import annotations

import json
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.conftest import Sitehub


@pytest.fixture
def with_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs no database runs as if psycopg was there."""
    monkeypatch.setattr("hub.cli.central.find_spec", lambda name: ModuleSpec(name, None))


@pytest.mark.parametrize(
    "args", [("run",), ("status",), ("init", "--url", "nats://x"), ("enrol", "a"), ("prepare",)]
)
def test_without_the_extra_it_says_so_in_one_line(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setattr("hub.cli.central.find_spec", lambda name: None)
    told = sitehub("central", *args)
    assert told.status == 1
    assert "pip install '.[central]'" in told.err
    assert len(told.err.splitlines()) == 1


def test_a_hub_is_enrolled_and_its_target_added(
    sitehub: Sitehub, tmp_path: Path, with_extra: None
) -> None:
    folder = ("--folder", str(tmp_path / "central"))
    made = sitehub("central", "init", "--url", "tls://nats.example.org:4222", *folder)
    assert made.status == 0, made.err
    for name in ("accounts.conf", "ca.pem", "server.pem", "server.key"):
        assert name in made.out
    path = tmp_path / "site-1.json"
    enrolled = sitehub("central", "enrol", "site-1", "--out", str(path), *folder)
    assert enrolled.status == 0, enrolled.err
    assert "accounts.conf" in enrolled.out
    fields = json.loads(path.read_text())
    assert (fields["kind"], fields["hub"], fields["name"]) == ("nats", "site-1", "central")


def test_codes_are_given_to_a_list_of_hubs(
    sitehub: Sitehub, tmp_path: Path, with_extra: None
) -> None:
    folder = ("--folder", str(tmp_path / "central"))
    sitehub("central", "init", "--url", "tls://nats.example.org:4222", *folder)
    sitehub("central", "enrol", "site-1", "--out", str(tmp_path / "site-1.json"), *folder)
    given = sitehub(
        "central", "codes", "site-4", "--list", "-", *folder, stdin="site-1\n\nsite-2\n"
    )
    assert given.status == 0, given.err
    assert [line.split()[0] for line in given.out.splitlines()] == ["HUB", "site-4", "site-2"]
    assert "site-1: enrolled already" in given.err
    assert "accounts.conf" in given.err
    (one,) = json.loads(sitehub("central", "codes", "site-3", "--json", *folder).out)
    assert (one["name"], len(one["code"])) == ("site-3", 19)
    assert "CN=site-2," in (tmp_path / "central" / "accounts.conf").read_text()
    for args, status, text in (
        ((), 2, "--list"),
        (("site-1",), 1, "central remove"),
        (("Site",), 1, "a to z"),
    ):
        told = sitehub("central", "codes", *args, *folder)
        assert (told.status, text in told.err) == (status, True)


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (("init", "--url", "https://x"), 1, "tls://"),
        (("enrol", "site-1"), 1, "sitehub central init"),
        (("enrol", "site-1", "--partition", "16"), 2, "16"),
        (("remove", "site-1"), 1, "sitehub central init"),
        (("prepare",), 1, "sitehub central init"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    sitehub: Sitehub,
    tmp_path: Path,
    with_extra: None,
    args: tuple[str, ...],
    status: int,
    text: str,
) -> None:
    told = sitehub("central", *args, "--folder", str(tmp_path / "central"))
    assert told.status == status
    assert text in told.err


@pytest.mark.skipif(find_spec("psycopg") is None, reason="the extra 'central' is not installed")
@pytest.mark.parametrize("listen", ["8460", "127.0.0.1:", "127.0.0.1:70000"])
def test_an_address_that_nothing_can_listen_at_is_refused(
    sitehub: Sitehub, tmp_path: Path, listen: str
) -> None:
    folder = ("--folder", str(tmp_path / "central"))
    assert sitehub("central", "init", "--url", "nats://127.0.0.1:9", *folder).status == 0
    told = sitehub("central", "run", "--listen", listen, *folder)
    assert told.status == 2
    assert "HOST:PORT" in told.err
