"""`sitehub person` and `sitehub group` where no hub runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hub.services.photos.photos import MAX_FILE_MB
from tests.cli.conftest import Sitehub

ID_CARD = "110101199003071234"


def people(sitehub: Sitehub, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sitehub("person", "list", "--json", *arguments).out)
    return found


def test_a_person_is_added_shown_changed_and_removed(sitehub: Sitehub, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 200), "teal").save(photo)
    added = sitehub(
        *("person", "add", "--name", "王芳", "--gender", "female", "--birth-year", "1990"),
        *("--id-card-no", ID_CARD, "--category", "vip", "--photo", str(photo)),
        *("--valid-until", "2099-01-01T00:00:00Z"),
    )
    assert (added.status, added.out) == (0, "1000001\n")
    (person,) = people(sitehub)
    assert person["id_card_no"] == ID_CARD
    assert (person["category"], person["gender"], person["birth_year"]) == (3, 2, 1990)
    assert (person["valid_until"], person["changed_by"]) == (
        "2099-01-01T00:00:00.000Z",
        "command line",
    )
    assert person["photo"] is not None
    changed = sitehub("person", "set", "1000001", "--category", "blacklist", "--clear", "photo")
    assert changed.status == 0
    shown = sitehub("person", "show", "1000001").out
    assert "category      blacklist\n" in shown
    assert "name          王芳\n" in shown
    assert "photo" not in shown
    assert sitehub("person", "remove", "1000001").status == 0
    assert people(sitehub) == []
    gone = sitehub("person", "show", "1000001")
    assert (gone.status, gone.err) == (1, "sitehub: there is no person 1000001\n")


def test_people_are_listed_by_filters(sitehub: Sitehub) -> None:
    sitehub("group", "add", "Gate")
    sitehub("person", "add", "--name", "Ada", "--pid", "7", "--group", "Gate", "--work-id", "W-7")
    sitehub("person", "add", "--name", "Bob", "--pid", "8", "--category", "blacklist")
    head, *rows = [line.split() for line in sitehub("person", "list").out.splitlines()]
    assert head == ["PID", "NAME", "CATEGORY", "WORK", "NUMBER", "PHOTO", "GROUPS"]
    assert rows == [
        ["7", "Ada", "whitelist", "W-7", "no", "1"],
        ["8", "Bob", "blacklist", "no", "all"],
    ]
    for arguments, found in (
        (("--find", "w-7"), ["Ada"]),
        (("--category", "blacklist"), ["Bob"]),
        (("--group", "1"), ["Ada"]),
        (("--group", "Gate", "--category", "vip"), []),
        (("--state", "failed"), []),
    ):
        assert [one["name"] for one in people(sitehub, *arguments)] == found
    assert sitehub("person", "list", "--group", "Hall").status == 1


def test_who_reads_personal_numbers_is_audited(sitehub: Sitehub) -> None:
    sitehub("person", "add", "--name", "Ada", "--pid", "7", "--phone", "13800000000")
    sitehub("person", "list")
    sitehub("person", "show", "7")
    people(sitehub)
    entries = json.loads(sitehub("audit", "--json").out)
    views = [one["target"] for one in entries if one["action"] == "person.numbers"]
    assert views == ["7", "7"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("add",), 2, "--name"),
        (("add", "--name", "Ada", "--age", "200"), 1, "age: "),
        (("add", "--name", "Ada", "--age", "2", "--birth-year", "1990"), 1, "birth_year: "),
        (("add", "--name", "Ada", "--valid-from", "soon"), 1, "--valid-from"),
        (("add", "--name", "Ada", "--photo", "missing.jpg"), 2, "missing.jpg"),
        (("set", "9", "--note", "x"), 1, "there is no person 9"),
        (("show", "export"), 1, "no person export"),
        (("sync", ""), 1, "Not Found"),
        (("set", "9", "--age", "3", "--clear", "age"), 2, "either given or cleared"),
    ],
)
def test_wrong_usage_is_named(
    sitehub: Sitehub, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended = sitehub("person", *arguments)
    assert ended.status == status
    assert said in ended.err


def test_a_photo_that_is_too_large_is_refused_before_it_is_sent(
    sitehub: Sitehub, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    with photo.open("wb") as file:
        file.truncate((MAX_FILE_MB << 20) + 1)
    ended = sitehub("person", "add", "--name", "Ada", "--photo", str(photo))
    assert (ended.status, "at most 20 MB" in ended.err) == (1, True)


def test_groups_are_added_listed_changed_and_removed(sitehub: Sitehub) -> None:
    for sn in ("SN1", "SN2"):
        sitehub("device", "add", "--sn", sn, "--code", "CODE0001")
    assert sitehub("group", "add", "Gate", "--device", "2", "--device", "1").out == "1\n"
    assert json.loads(sitehub("group", "list", "--json").out) == [
        {"id": 1, "name": "Gate", "dids": ["1", "2"]}
    ]
    assert sitehub("group", "set", "Gate", "--name", "Main gate").status == 0
    assert sitehub("group", "list").out.splitlines()[1].split() == ["1", "Main", "gate", "1", "2"]
    assert sitehub("group", "set", "1", "--no-devices").status == 0
    assert json.loads(sitehub("group", "list", "--json").out)[0]["dids"] == []
    assert sitehub("group", "set", "1", "--device", "9").status == 1
    assert sitehub("group", "set", "1", "--device", "1", "--no-devices").status == 2
    assert sitehub("group", "remove", "Main gate").status == 0
    assert sitehub("group", "remove", "1").status == 1


def test_how_far_cameras_are_is_shown_and_decided(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "SN1", "--code", "ABCD1234", "--name", "Gate")
    sitehub("person", "add", "--name", "Ada", "--pid", "7")
    head, row = [line.split() for line in sitehub("person", "sync").out.splitlines()]
    assert head == ["DID", "NAME", "STATE", "SHOULD", "IS", "PENDING", "FAILED", "UNKNOWN"]
    assert row == ["1", "Gate", "new", "0", "0", "0", "0", "0"]
    assert sitehub("person", "sync", "7", "--json").out == "[]\n"
    assert sitehub("person", "sync", "--device", "1", "--decide", "leave-alone").status == 0
    (shown,) = json.loads(sitehub("person", "sync", "--json").out)
    assert shown["state"] == "alone"
    assert sitehub("person", "sync", "--retry").status == 0
    offline = sitehub("person", "sync", "--device", "1", "--decide", "compare")
    assert (offline.status, offline.err) == (1, "sitehub: the device is offline\n")
    assert sitehub("person", "sync", "--device", "1").status == 2
