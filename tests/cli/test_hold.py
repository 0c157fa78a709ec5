"""`sitehub hold` and `sitehub erase` where no hub runs."""

from __future__ import annotations

import json
import stat
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from hub.process.control.erasures import BeginErasure
from hub.services import Services
from hub.services.audit import COMMAND_LINE
from hub.store.opening import open_store
from hub.wire.uploads.records import FaceDetail
from tests.cli.conftest import Sitehub
from tests.support.clock import FrozenClock
from tests.support.stores import batch

WUJI = FaceDetail(name="Zhang Wuji", uuid="4711")


@pytest.fixture
def filled(sitehub: Sitehub, data_dir: Path) -> Sitehub:
    """A data directory with three captures, two of them of one person."""
    assert sitehub("user", "list").status == 0
    trio.run(_fill, data_dir)
    return sitehub


async def _fill(
    data_dir: Path, details: Sequence[FaceDetail] = (WUJI, FaceDetail(name="Anna"), WUJI)
) -> None:
    clock = FrozenClock()
    async with open_store(data_dir, now=clock, on_records=lambda records: None) as store:
        for seed, detail in enumerate(details, store.records.last_seq + 1):
            await store.records.append(batch(clock, seed, detail=detail))


def test_records_are_held_listed_and_released(filled: Sitehub) -> None:
    added = filled("hold", "add", "1", "3", "77", "--reason", "for the police")
    assert (added.status, added.out) == (0, "1\n")
    assert "1 of these records are gone" in added.err
    head, row = [line.split() for line in filled("hold", "list").out.splitlines()]
    assert head == ["HOLD", "RECORDS", "UNTIL", "STATE", "BY", "REASON"]
    assert row[:2] == ["1", "2"]
    assert filled("hold", "release", "1").status == 0
    (hold,) = json.loads(filled("hold", "list", "--json").out)
    assert (hold["reason"], hold["ended_by"]) == ("for the police", "command line")


def test_a_selection_is_held_until_a_time(filled: Sitehub) -> None:
    until = ("--until", "2099-01-01T00:00:00Z")
    assert (
        filled("hold", "add", "--kind", "face", "--did", "7", "--reason", "x", *until).out == "1\n"
    )
    (hold,) = json.loads(filled("hold", "list", "--json").out)
    assert (hold["records"], hold["until"]) == (3, "2099-01-01T00:00:00.000Z")
    assert filled("hold", "add", "--kind", "event", "--reason", "x").status == 1
    assert filled("hold", "add", "1", "--kind", "face", "--reason", "x").status == 2


def test_a_hold_is_exported(filled: Sitehub, tmp_path: Path) -> None:
    filled("hold", "add", "1", "2", "--reason", "for the police")
    file = tmp_path / "hold.zip"
    assert filled("hold", "export", "1", str(file), "--language", "zh").status == 0
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert len([name for name in names if "/pictures/" in name]) == 6
    assert not file.with_name("hold.zip.part").exists()
    refused = filled("hold", "export", "9", str(file))
    assert (refused.status, refused.err) == (1, "sitehub: there is no hold 9\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes and links")
def test_an_export_is_for_the_one_who_asked_and_follows_no_link(
    filled: Sitehub, tmp_path: Path
) -> None:
    filled("hold", "add", "1", "--reason", "for the police")
    file, other = tmp_path / "hold.zip", tmp_path / "other"
    other.write_text("mine")
    file.with_name("hold.zip.part").symlink_to(other)
    assert filled("hold", "export", "1", str(file)).status == 0
    assert other.read_text() == "mine"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_person_is_erased_after_the_number_was_typed_again(filled: Sitehub) -> None:
    wrong = filled("erase", "--number", "4711", "--confirm", "4712")
    assert wrong.status == 1
    assert "2 records with 6 pictures from 2026-11-25 to 2026-11-25" in wrong.err
    assert "nothing was erased" in wrong.err
    done = filled("erase", "--name", "zhang wuji", "--confirm", "zhang wuji")
    assert done.out.splitlines()[0] == "erasure 1: 2 records, 6 pictures"
    gone = filled("erase", "--number", "4711", "--confirm", "4711")
    assert gone.status == 1
    assert gone.err.startswith("sitehub: there are no such records: ")


def test_records_with_a_name_and_no_number_are_erased_beside_others_of_the_name(
    filled: Sitehub, data_dir: Path
) -> None:
    trio.run(_fill, data_dir, [FaceDetail(name="Zhang Wuji", uuid="00")])
    chosen = ("erase", "--name", "Zhang Wuji", "--confirm", "Zhang Wuji")
    refused = filled(*chosen)
    assert refused.status == 1
    assert "with --without-number (no number: 1 records, 4711: 2 records)" in refused.err
    done = filled(*chosen, "--without-number")
    assert done.out.splitlines()[0] == "erasure 1: 1 records, 3 pictures"
    assert filled(*chosen, "--without-number").status == 1
    assert filled(*chosen).out.splitlines()[0] == "erasure 2: 2 records, 6 pictures"


def test_an_erasure_is_carried_out_if_the_hub_that_began_it_has_ended(
    filled: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin_only(self: BeginErasure, services: Services) -> int:
        begun = await services.records.erasures.begin(
            self.subject, with_held=False, by=COMMAND_LINE
        )
        return begun.id

    monkeypatch.setattr(BeginErasure, "perform", begin_only)
    done = filled("erase", "--number", "4711", "--confirm", "4711")
    assert done.out.splitlines()[0] == "erasure 1: 2 records, 6 pictures"


def test_a_person_whom_only_a_centre_still_knows_is_erased_there(filled: Sitehub) -> None:
    asked = ("erase", "--number", "8", "--confirm", "8")
    assert "there are no such records" in filled(*asked).err
    nats = ("target", "add", "nats", "--url", "nats://127.0.0.1:9", "--name", "Centre")
    assert filled(*nats).status == 0
    hook = ("target", "add", "webhook", "--url", "http://127.0.0.1:9", "--name", "Shop")
    assert filled(*hook).status == 0
    done = filled(*asked)
    assert done.status == 0, done.err
    assert "no records here; told to erase what they have of this number: Centre" in done.err
    assert "Centre, which records are forwarded to, is told" in done.out
    assert "Shop" not in done.out
    named = filled("erase", "--name", "Bea", "--confirm", "Bea")
    assert "there are no such records" in named.err


def test_records_chosen_by_hand_are_erased_with_a_report(filled: Sitehub) -> None:
    filled("hold", "add", "2", "--reason", "for the police")
    chosen = ("--seq", "1", "--seq", "2")
    report = json.loads(filled("erase", *chosen, "--confirm", "2", "--json").out)
    assert (report["records"], report["report"]["kept"]) == (1, 1)
    report = json.loads(filled("erase", *chosen, "--with-held", "--confirm", "2", "--json").out)
    assert report["records"] == 1


def test_an_erasure_asks_only_in_a_terminal(filled: Sitehub) -> None:
    assert filled("erase", "--number", "4711").status == 2
    assert filled("erase", "--number", "4711", "--name", "x", "--confirm", "x").status == 2
