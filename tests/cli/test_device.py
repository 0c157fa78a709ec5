"""`sitehub device` and `site-key` where no hub runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Sitehub


def listed(sitehub: Sitehub) -> list[dict[str, Any]]:
    outcome = sitehub("device", "list", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    devices: list[dict[str, Any]] = json.loads(outcome.out)
    return devices


def test_add_prints_the_did_alone(sitehub: Sitehub) -> None:
    assert sitehub("device", "add", "--sn", "SN-A", "--code", "12345678") == (0, "1\n", "")
    given = sitehub("device", "add", "--sn", "SN-B", "--code", "x", "--did", "77", "--name", "大门")
    assert given == (0, "77\n", "")


def test_list_shows_did_sn_name_state_and_ip(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "SN-A", "--code", "12345678", "--name", "大门")
    [device] = listed(sitehub)
    assert device["did"] == "1"
    assert device["sn"] == "SN-A"
    assert device["name"] == "大门"
    assert device["state"] == "offline"
    assert device["ip"] is None
    table = sitehub("device", "list").out.splitlines()
    assert table[0].split() == ["DID", "SN", "NAME", "STATE", "ADDRESS", "LAST", "SEEN"]
    assert table[1].split() == ["1", "SN-A", "大门", "offline", "never"]


def test_a_second_device_with_the_same_sn_is_refused(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "SN-A", "--code", "1")
    outcome = sitehub("device", "add", "--sn", "SN-A", "--code", "1")
    assert outcome.status == 1
    assert outcome.err.startswith("sitehub: sn: ")


def test_a_key_is_read_from_its_file(sitehub: Sitehub, tmp_path: Path, key_pem: str) -> None:
    key = tmp_path / "key.pem"
    key.write_text(key_pem)
    assert sitehub("device", "add", "--sn", "A", "--code", "1", "--key", str(key)).status == 0
    key.write_text("not a key")
    outcome = sitehub("device", "add", "--sn", "B", "--code", "1", "--key", str(key))
    assert outcome.status == 1
    assert outcome.err.startswith("sitehub: key: ")
    outcome = sitehub("device", "add", "--sn", "B", "--code", "1", "--key", str(tmp_path / "no"))
    assert outcome.status == 1
    assert "cannot read" in outcome.err


def test_disable_enable_and_remove(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "A", "--code", "1")
    assert sitehub("device", "disable", "1") == (0, "", "")
    assert listed(sitehub)[0]["state"] == "disabled"
    assert sitehub("device", "enable", "1") == (0, "", "")
    assert listed(sitehub)[0]["state"] == "offline"
    assert sitehub("device", "remove", "1") == (0, "", "")
    assert listed(sitehub) == []


def test_set_changes_only_the_given_properties(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "A", "--code", "1", "--name", "Gate")
    assert sitehub("device", "set", "1", "--no-clock-check").status == 0
    assert listed(sitehub)[0]["name"] == "Gate"
    assert sitehub("device", "set", "1", "--name", "Lobby").status == 0
    assert listed(sitehub)[0]["name"] == "Lobby"
    assert sitehub("device", "set", "1").status == 2


def test_replace_keeps_did_and_name(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "OLD", "--code", "1", "--did", "9", "--name", "Gate")
    assert sitehub("device", "replace", "9", "--sn", "NEW", "--code", "2").status == 0
    [device] = listed(sitehub)
    assert (device["did"], device["sn"], device["name"]) == ("9", "NEW", "Gate")


def test_import_reads_the_csv_of_a_spreadsheet(
    sitehub: Sitehub, tmp_path: Path, key_pem: str
) -> None:
    (tmp_path / "gate.pem").write_text(key_pem)
    file = tmp_path / "cameras.csv"
    file.write_bytes(
        b"\xef\xbb\xbfsn,code,did,name,key\r\n"
        b"SN-A,11111111,5,\xe5\xa4\xa7\xe9\x97\xa8,gate.pem\r\n"
        b"\r\n"
        b"SN-B,22222222,,,\r\n"
    )
    assert sitehub("device", "import", str(file)) == (0, "2 devices enrolled\n", "")
    assert {(d["sn"], d["name"]) for d in listed(sitehub)} == {("SN-A", "大门"), ("SN-B", "")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sn,code\nA,1\nA,2\n", "line 3: "),
        ("sn,code\nA,1\n,2\n", "line 3: "),
        ("sn,code,did\nA,1,0\n", "line 2: "),
        ("sn,code,key\nA,1,\nB,2,no.pem\n", "line 3: cannot read"),
        ("sn,code\nA,1\nB,2,3\n", "line 3: more values than there are columns"),
        ("sn|code\nA|1\n", "line 1: the columns sn,code,did,name,key are allowed"),
        ("sn,code,colour\nA,1,red\n", "line 1: the columns sn,code"),
        ("", "line 1: the columns sn,code"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_nothing_is_imported(
    sitehub: Sitehub, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text(text)
    outcome = sitehub("device", "import", str(file))
    assert (outcome.status, outcome.out) == (1, "")
    assert said in outcome.err
    assert listed(sitehub) == []


def test_the_site_key_is_set_from_a_file(sitehub: Sitehub, tmp_path: Path, key_pem: str) -> None:
    file = tmp_path / "site.pem"
    file.write_text(key_pem)
    assert sitehub("site-key", str(file)) == (0, "", "")
    file.write_text("nothing")
    assert sitehub("site-key", str(file)).status == 1


def test_the_site_key_is_removed(sitehub: Sitehub, tmp_path: Path, key_pem: str) -> None:
    file = tmp_path / "site.pem"
    file.write_text(key_pem)
    sitehub("site-key", str(file))
    assert sitehub("site-key", "--remove") == (0, "", "")
    assert sitehub("site-key").status == 2
    assert sitehub("site-key", str(file), "--remove").status == 2


def test_every_bad_row_is_named(sitehub: Sitehub, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("sn,code,key\nA,1,\nB,,\nC,1,no.pem\nA,1,\n")
    outcome = sitehub("device", "import", str(file))
    assert outcome.status == 1
    for said in (
        "line 3: code: ",
        "line 4: cannot read",
        "line 5: sn: A is already in line 2",
    ):
        assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert listed(sitehub) == []


def test_an_export_can_be_imported_once_its_codes_are_filled_in(
    sitehub: Sitehub, tmp_path: Path, key_pem: str
) -> None:
    key, file = tmp_path / "key.pem", tmp_path / "cameras.csv"
    key.write_text(key_pem)
    sitehub("device", "add", "--sn", "A", "--code", "SECRET11", "--name", "大门", "--key", str(key))
    sitehub("device", "add", "--sn", "B", "--code", "SECRET12", "--did", "77")
    exported = sitehub("device", "export")
    assert exported.out.splitlines()[0] == "sn,code,did,name,key"
    assert "SECRET" not in exported.out
    assert sitehub("device", "export", str(file)) == (0, "", "")
    before = listed(sitehub)
    for did in ("1", "77"):
        sitehub("device", "remove", did)
    text = file.read_text("utf-8-sig")
    assert text.replace("\r\n", "\n") == exported.out.replace("\r\n", "\n")
    file.write_text(text.replace("A,,", "A,SECRET11,").replace("B,,", "B,SECRET12,"), "utf-8")
    assert sitehub("device", "import", str(file)) == (0, "2 devices enrolled\n", "")
    assert listed(sitehub) == before


def test_without_a_running_hub_no_device_is_pending(sitehub: Sitehub) -> None:
    assert sitehub("device", "waiting", "--json") == (0, "[]\n", "")
    assert sitehub("device", "waiting").out.split()[:2] == ["SN", "ADDRESS"]
    outcome = sitehub("device", "accept", "SN-A", "--code", "1")
    assert (outcome.status, outcome.out) == (1, "")
    assert "no device with sn SN-A is waiting" in outcome.err
    assert sitehub("device", "check", "SN-A", "--code", "1").status == 1


def test_initial_parameters_of_an_offline_camera_are_sent_later(sitehub: Sitehub) -> None:
    sitehub("device", "add", "--sn", "A", "--code", "1")
    outcome = sitehub("device", "init", "1")
    assert outcome.status == 0
    assert outcome.out.splitlines()[0] == "1"
    assert "it is offline" in outcome.out
    assert json.loads(sitehub("device", "init", "1", "--json").out)["outcome"] == "not-sent"
    assert sitehub("device", "init", "9").status == 1


def test_a_key_is_changed_by_set(sitehub: Sitehub, tmp_path: Path, key_pem: str) -> None:
    key = tmp_path / "key.pem"
    key.write_text(key_pem)
    sitehub("device", "add", "--sn", "A", "--code", "1")
    assert sitehub("device", "set", "1", "--key", str(key)).status == 0
    assert key_pem.splitlines()[1] in sitehub("device", "export").out
    assert sitehub("device", "set", "1", "--site-key").status == 0
    assert "BEGIN" not in sitehub("device", "export").out
    assert sitehub("device", "set", "1", "--drop-earlier-key").status == 0
    assert sitehub("device", "set", "1", "--key", str(key), "--site-key").status == 2
