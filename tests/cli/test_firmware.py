"""`sitehub firmware` where no hub runs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.cli import outside_files
from tests.cli.conftest import Outcome, Sitehub


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.bin"
    path.write_bytes(b"an app")
    return path


def add(sitehub: Sitehub, file: Path, *more: str) -> Outcome:
    words = ("--ver-code", "7", "--ver-name", "v2.0", "--app", str(file), *more)
    return sitehub("firmware", "add", *words)


def listed(sitehub: Sitehub, *words: str) -> Any:
    outcome = sitehub("firmware", *words, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(outcome.out)


def left_over(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "firmware" / "staged").iterdir()]


def test_a_release_is_made_of_files_and_listed(
    sitehub: Sitehub, file: Path, data_dir: Path, tmp_path: Path
) -> None:
    model = tmp_path / "模型"
    model.write_bytes(b"a model")
    more = ("--model", str(model), "--date", "2026-01-02", "--reports", "fwVer=V2.0")
    assert add(sitehub, file, *more, "--least", "hwVer=1.0") == (0, "1\n", "")
    (release,) = listed(sitehub, "list")
    assert (release["id"], release["ver_code"], release["ver_name"]) == (1, 7, "v2.0")
    assert release["release_date"] == "2026-01-02 00:00:00"
    assert (release["reports"], release["least"]) == ({"fwVer": "V2.0"}, {"hwVer": "1.0"})
    assert release["components"][0] == {
        "name": "app.bin",
        "type": 3,
        "sha256": hashlib.sha256(b"an app").hexdigest(),
        "md5": hashlib.md5(b"an app").hexdigest(),
        "size": 6,
    }
    assert release["components"][1]["name"] == "模型"
    assert release["created_at"].endswith("Z")
    assert "app.bin, 模型" in sitehub("firmware", "list").out
    assert left_over(data_dir) == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--reports", "fwVer=beta"), "reports.fwVer"),
        (("--least", "version=1"), "--least: allowed are fwVer"),
        (("--date", "tomorrow"), "release_date"),
        (("--ver-name", " "), "ver_name"),
    ],
)
def test_a_bad_option_is_named_before_a_file_is_copied(
    sitehub: Sitehub, file: Path, data_dir: Path, more: tuple[str, ...], why: str
) -> None:
    outcome = add(sitehub, file, *more)
    assert outcome.status == 1
    assert outcome.err.startswith("sitehub: ")
    assert why in outcome.err
    assert not (data_dir / "firmware").exists()


def test_a_release_without_a_file_is_refused(sitehub: Sitehub) -> None:
    outcome = sitehub("firmware", "add", "--ver-code", "1", "--ver-name", "v1")
    assert (outcome.status, "1 to 5 files" in outcome.err) == (1, True)


def test_an_empty_file_is_refused_and_leaves_nothing(
    sitehub: Sitehub, file: Path, data_dir: Path
) -> None:
    file.write_bytes(b"")
    outcome = add(sitehub, file)
    assert (outcome.status, outcome.err) == (1, "sitehub: file: the file is empty\n")
    assert left_over(data_dir) == []


def test_a_full_disk_is_reported_before_a_file_is_copied(
    sitehub: Sitehub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object) -> None:
        raise AssertionError("it was copied")

    # The package has a command of that name.
    monkeypatch.setattr(outside_files, "_copy", copy)
    monkeypatch.setenv("SITEHUB_STORE_MIN_FREE_GB", "500000")
    outcome = add(sitehub, file)
    assert outcome.status == 1
    assert outcome.err.startswith("sitehub: disk: 500000 GB of the disk are kept for records")


def test_a_missing_file_is_wrong_usage(sitehub: Sitehub, tmp_path: Path) -> None:
    assert add(sitehub, tmp_path / "none").status == 2


def test_a_campaign_is_started_shown_paused_resumed_and_stopped(
    sitehub: Sitehub, file: Path
) -> None:
    for sn in ("A", "B"):
        sitehub("device", "add", "--sn", sn, "--code", "12345678", "--name", f"cam {sn}")
    add(sitehub, file)
    assert sitehub("firmware", "give", "1", "2", "1") == (0, "1\n", "")
    campaign = listed(sitehub, "campaign", "1")
    assert [one["did"] for one in campaign["devices"]] == ["2", "1"]
    assert campaign["state"] == "first"
    assert "waiting, goes first" in sitehub("firmware", "campaign", "1").out
    assert sitehub("firmware", "remove", "1").status == 1
    for step, state in (("pause", "paused"), ("resume", "first"), ("stop", "stopped")):
        assert sitehub("firmware", step, "1").status == 0
        assert listed(sitehub, "campaigns")[0]["state"] == state
    assert sitehub("firmware", "campaigns").out.splitlines()[1].split()[-4:] == [
        "stopped",
        "0",
        "of",
        "2",
    ]
    assert sitehub("firmware", "remove", "1").status == 0
    assert listed(sitehub, "list") == []


def test_every_change_is_in_the_audit_log(sitehub: Sitehub, file: Path, data_dir: Path) -> None:
    sitehub("device", "add", "--sn", "A", "--code", "12345678")
    add(sitehub, file)
    for words in (("give", "1", "1"), ("pause", "1"), ("resume", "1"), ("stop", "1")):
        sitehub("firmware", *words)
    sitehub("firmware", "remove", "1")
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as database:
        rows = database.execute("SELECT action, target FROM audit ORDER BY id").fetchall()
    assert rows[1:] == [
        ("firmware.add", "1"),
        ("campaign.start", "1"),
        ("campaign.pause", "1"),
        ("campaign.resume", "1"),
        ("campaign.stop", "1"),
        ("firmware.remove", "1"),
    ]


def test_all_means_all_enabled_cameras(sitehub: Sitehub, file: Path) -> None:
    for sn in ("A", "B", "C"):
        sitehub("device", "add", "--sn", sn, "--code", "12345678")
    sitehub("device", "disable", "2")
    add(sitehub, file)
    sitehub("firmware", "give", "1", "--all")
    assert [one["did"] for one in listed(sitehub, "campaign", "1")["devices"]] == ["1", "3"]


@pytest.mark.parametrize("words", [("1",), ("1", "1", "--all")])
def test_the_cameras_of_a_campaign_are_named_or_all(
    sitehub: Sitehub, words: tuple[str, ...]
) -> None:
    assert sitehub("firmware", "give", *words).status == 2


def test_downloads_are_listed(sitehub: Sitehub) -> None:
    assert listed(sitehub, "downloads") == []
    assert sitehub("firmware", "downloads").out.split()[0] == "DID"
