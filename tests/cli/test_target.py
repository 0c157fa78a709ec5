"""`sitehub target` where no hub runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.store.targets.target import AFTER_RESTORE
from tests.cli.conftest import Sitehub

URL = "https://vms.example/in"


def test_targets_are_added_listed_changed_and_removed(sitehub: Sitehub) -> None:
    added = sitehub("target", "add", "webhook", "--url", URL, "--kinds", "face,event")
    assert added.status == 0, added.err
    found = json.loads(added.out)
    assert found["id"] == 1
    assert found["secret"].startswith("whsec_")
    assert sitehub("target", "set", "vms.example", "--name", "VMS", "--pictures", "all").status == 0
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["name"], shown["kinds"], shown["pictures"]) == ("VMS", ["face", "event"], "all")
    assert (shown["state"], shown["behind"], shown["parked"]) == ("current", 0, 0)
    head, row = [line.split() for line in sitehub("target", "list").out.splitlines()]
    assert head == ["TARGET", "KIND", "NAME", "STATE", "BEHIND", "PARKED", "GAPS", "WHY"]
    assert row == ["1", "webhook", "VMS", "current", "0", "0", "0"]
    assert sitehub("target", "remove", "1").status == 0
    assert json.loads(sitehub("target", "list", "--json").out) == []


def test_a_target_gets_records_of_some_cameras_and_events(sitehub: Sitehub) -> None:
    asked = ("--cameras", "7, 8", "--types", "3,11")
    assert sitehub("target", "add", "webhook", "--url", URL, *asked).status == 0
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["dids"], shown["types"]) == (["7", "8"], [3, 11])
    assert sitehub("target", "set", "1", "--cameras", "").status == 0
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["dids"], shown["types"]) == ([], [3, 11])
    assert "'x' is no number" in sitehub("target", "set", "1", "--types", "x").err


def test_what_is_secret_in_an_address_is_not_listed(sitehub: Sitehub) -> None:
    added = sitehub("target", "add", "webhook", "--url", f"{URL}?token=quiet")
    assert added.status == 0, added.err
    listed = sitehub("target", "list", "--json").out
    assert json.loads(listed)[0]["url"] == f"{URL}?token=***"
    assert "quiet" not in listed


def test_a_target_of_nats_is_added_with_a_user_and_has_no_secret(sitehub: Sitehub) -> None:
    nats = ("target", "add", "nats", "--url", "nats://127.0.0.1:9", "--hub", "site-1")
    added = sitehub(*nats, "--partition", "3", "--user", "a", "--password-stdin", stdin="secret\n")
    assert added.status == 0, added.err
    assert json.loads(added.out) == {"id": 1}
    changed = sitehub("target", "set", "1", "--user", "b", "--password-stdin", stdin="other\n")
    assert changed.status == 0, changed.err
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["kind"], shown["hub"], shown["partition"]) == ("nats", "site-1", 3)
    assert (shown["user"], shown["about"]) == ("b", "")
    assert "secret" not in json.dumps(shown)


def test_a_target_is_added_from_the_file_of_the_centre(sitehub: Sitehub, tmp_path: Path) -> None:
    file = tmp_path / "site-1.json"
    file.write_text(json.dumps({"hub": "site-1", "partition": 3, **FILE}))
    added = sitehub("target", "add", "--file", str(file), "--pictures", "all")
    assert added.status == 0, added.err
    assert json.loads(added.out) == {"id": 1}
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["kind"], shown["name"], shown["url"]) == ("nats", "Centre", FILE["url"])
    assert (shown["hub"], shown["partition"], shown["user"]) == ("site-1", 3, "a")
    assert shown["pictures"] == "all"
    assert sitehub("target", "add", "--file", str(file)).status == 0
    names = [one["name"] for one in json.loads(sitehub("target", "list", "--json").out)]
    assert names == ["Centre", "Centre 2"]
    assert sitehub("target", "set", "1", "--commands").status == 0
    assert sitehub("target", "add", "--file", str(file), "--commands").status == 0
    allowed = [one["commands"] for one in json.loads(sitehub("target", "list", "--json").out)]
    assert allowed == [True, False, True]


FILE = {
    "kind": "nats",
    "name": "Centre",
    "url": "nats://127.0.0.1:9",
    "user": "a",
    "password": "secret",
}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"kind": "webhook", "url": "https://x"}', '{"kind": "nats", "url": 7}']
)
def test_another_file_is_refused(sitehub: Sitehub, tmp_path: Path, text: str) -> None:
    file = tmp_path / "site-1.json"
    file.write_text(text)
    done = sitehub("target", "add", "--file", str(file))
    assert done.status == 1
    assert f"{file} cannot be used" in done.err


def test_a_target_of_mqtt_is_told_to_home_assistant_and_obeys_nothing_unless_that_is_changed(
    sitehub: Sitehub,
) -> None:
    mqtt = ("target", "add", "mqtt", "--url", "mqtt://127.0.0.1:9", "--hub", "site-1")
    added = sitehub(*mqtt, "--user", "a", "--password-stdin", stdin="secret\n")
    assert added.status == 0, added.err
    assert json.loads(added.out) == {"id": 1}
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["home_assistant"], shown["commands"], shown["partition"]) == (True, False, None)
    assert sitehub("target", "set", "1", "--commands").status == 0
    changed = sitehub("target", "set", "1", "--no-home-assistant", "--pictures", "all")
    assert changed.status == 0, changed.err
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["home_assistant"], shown["commands"], shown["user"]) == (False, True, "a")


def test_a_target_of_mail_keeps_what_a_change_does_not_name(sitehub: Sitehub) -> None:
    mail = ("target", "add", "mail", "--url", "smtps://127.0.0.1:9", "--sender", "hub@example.org")
    added = sitehub(*mail, "--to", "a@example.org, b@example.org", "--minutes", "5")
    assert added.status == 0, added.err
    changed = sitehub("target", "set", "1", "--severity", "minor", "--pictures", "alarms")
    assert changed.status == 0, changed.err
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert shown["mail"] == {
        "sender": "hub@example.org",
        "recipients": ["a@example.org", "b@example.org"],
        "severity": "minor",
        "minutes": 5,
    }


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (("add", "mail", "--url", "smtps://x"), 1, "sender"),
        (("add", "mail", "--url", "smtps://x", "--sender", "a@b.c", "--to", "d"), 1, "recipients"),
        (("add", "webhook", "--url", URL, "--sender", "a@b.c", "--to", "d@e.f"), 1, "mail"),
        (("add", "webhook", "--url", "ftp://x"), 1, "url"),
        (("add", "webhook", "--url", URL, "--kinds", "fax"), 2, "fax"),
        (("add", "fax", "--url", URL), 2, "fax"),
        (("add", "webhook", "--url", URL, "--ca", "missing.pem"), 1, "missing.pem"),
        (("add", "nats", "--url", URL), 1, "tls://"),
        (("add", "nats", "--url", "nats://x", "--partition", "16"), 2, "16"),
        (("add", "nats", "--url", "nats://x", "--user", "a"), 2, "--password-stdin"),
        (("add", "nats", "--url", "tls://x", "--cert", "missing.pem"), 1, "missing.pem"),
        (("add", "webhook", "--url", URL, "--partition", "3"), 1, "partition"),
        (("add", "webhook", "--url", URL, "--commands"), 1, "commands"),
        (("add", "mqtt", "--url", URL), 1, "mqtts://"),
        (("add", "mqtt", "--url", "mqtt://x", "--from", "beginning"), 1, "from"),
        (("add", "--file", "missing.json"), 1, "missing.json"),
        (("add", "nats", "--file", "a.json"), 2, "--file"),
        (("add", "--file", "a.json", "--user", "a"), 2, "--file"),
        (("add", "webhook"), 2, "--url"),
        (("add",), 2, "--file"),
        (("add", "--centre", "x", "--file", "a.json"), 2, "--centre"),
        (("add", "nats", "--centre", "x"), 2, "--centre"),
        (("add", "--code-stdin"), 2, "--centre"),
        (("add", "--centre", "x"), 2, "--code-stdin"),
        (("add", "--centre", "x", "--code-stdin"), 1, "16 letters"),
        (("remove", "7"), 1, "no target 7"),
        (("test", "7"), 1, "no target 7"),
    ],
)
def test_mistakes_are_named(
    sitehub: Sitehub, args: tuple[str, ...], status: int, text: str
) -> None:
    done = sitehub("target", *args)
    assert done.status == status
    assert text in done.err


def test_a_test_that_fails_says_why(sitehub: Sitehub, data_dir: Path) -> None:
    sitehub("target", "add", "webhook", "--url", "http://127.0.0.1:9/")
    done = sitehub("target", "test", "1")
    assert done.status == 1
    assert "it was not delivered" in done.err


def test_after_a_restore_targets_wait_for_a_choice(sitehub: Sitehub, tmp_path: Path) -> None:
    assert sitehub("target", "add", "webhook", "--url", URL, "--name", "VMS").status == 0
    file = str(tmp_path / "site.backup")
    assert sitehub("backup", file).status == 0
    restored = sitehub("restore", file, "--force", "--hold-targets")
    assert "targets that wait for `sitehub target restored`: 1" in restored.out
    (shown,) = json.loads(sitehub("target", "list", "--json").out)
    assert (shown["state"], shown["reason"]) == ("held", str(AFTER_RESTORE))
    assert "restored from a backup" in sitehub("target", "retry", "VMS").err
    assert sitehub("target", "restored", "new").out == "VMS: current, 0 records behind\n"
    assert json.loads(sitehub("target", "list", "--json").out)[0]["state"] == "current"
