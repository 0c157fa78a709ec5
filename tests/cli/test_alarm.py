"""`sitehub alarm` and `sitehub plate-list` where no hub runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from hub.services.alarms.judge import AlarmJudge
from hub.store.opening import open_store
from hub.wire.uploads.records import EventDetail
from tests.cli.conftest import Sitehub
from tests.support.clock import FrozenClock
from tests.support.stores import batch


@pytest.fixture
def filled(sitehub: Sitehub, data_dir: Path) -> Sitehub:
    """A data directory with two alarms."""
    assert sitehub("user", "list").status == 0
    trio.run(_fill, data_dir)
    return sitehub


async def _fill(data_dir: Path) -> None:
    clock = FrozenClock()
    async with open_store(data_dir, now=clock, on_records=lambda records: None) as store:
        store.alarms.use(AlarmJudge(lambda: clock.reading))
        for seed, type in enumerate((2, 8), 1):
            detail = EventDetail(type)
            await store.records.append(batch(clock, seed, kind="event", detail=detail))


def test_alarms_are_listed_acknowledged_and_closed(filled: Sitehub) -> None:
    head, first, second = filled("alarm", "list").out.splitlines()
    assert head.split() == [
        *("ALARM", "SEVERITY", "STATE", "KIND", "COUNT", "LAST", "CAMERAS", "ABOUT")
    ]
    assert first.split()[:5] == ["1", "major", "new", "event", "1"]
    assert second.endswith("Fire")
    assert filled("alarm", "ack", "1", "--note", "on my way").status == 0
    assert filled("alarm", "close", "1", "2").status == 0
    assert json.loads(filled("alarm", "list", "--json").out) == []
    closed = json.loads(filled("alarm", "list", "--state", "closed", "--json").out)
    assert [(one["seq"], one["state"], one["note"]) for one in closed] == [
        (1, "closed", "on my way"),
        (2, "closed", ""),
    ]
    assert len(json.loads(filled("alarm", "list", "--state", "all", "--json").out)) == 2


def test_what_is_no_open_alarm_is_named(filled: Sitehub) -> None:
    some = filled("alarm", "ack", "1", "77")
    assert (some.status, "77" in some.err) == (0, True)
    none = filled("alarm", "close", "77")
    assert (none.status, none.out) == (1, "")
    assert filled("alarm", "ack").status == 2


def test_plate_lists_are_added_listed_changed_and_removed(sitehub: Sitehub, tmp_path: Path) -> None:
    file = tmp_path / "plates.csv"
    file.write_text("\ufeff粤b·1*,white van,2027-01-01T00:00:00Z\n\n'=A1\n", encoding="utf-8")
    added = sitehub("plate-list", "add", "Stolen", "--plate", "A 1", "--csv", str(file))
    assert (added.status, added.out) == (0, "1\n")
    head, row = sitehub("plate-list", "list").out.splitlines()
    assert head.split() == ["LIST", "SEVERITY", "PLATES", "NAME"]
    assert row.split() == ["1", "critical", "3", "Stolen"]
    args = ("--severity", "minor", "--name", "Found")
    assert sitehub("plate-list", "set", "Stolen", *args).status == 0
    (found,) = json.loads(sitehub("plate-list", "list", "--json").out)
    assert (found["name"], found["severity"]) == ("Found", "minor")
    assert {one["pattern"]: (one["note"], one["until"]) for one in found["entries"]} == {
        "A1": ("", None),
        "=A1": ("", None),
        "粤B1*": ("white van", "2027-01-01T00:00:00.000Z"),
    }
    assert sitehub("plate-list", "set", "1", "--no-plates").status == 0
    (found,) = json.loads(sitehub("plate-list", "list", "--json").out)
    assert found["entries"] == []
    assert sitehub("plate-list", "remove", "Found").status == 0
    assert sitehub("plate-list", "remove", "Found").status == 1


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_plates_are_read_as_spreadsheets_write_them(
    sitehub: Sitehub, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "plates.csv"
    text = "车牌;备注;截止\n京A12346;被盗, 白色;2026-12-31\n京B7;;2026/12/31\n"
    file.write_text(text, encoding=encoding)
    assert sitehub("plate-list", "add", "Stolen", "--csv", str(file)).status == 0
    (found,) = json.loads(sitehub("plate-list", "list", "--json").out)
    after = datetime(2027, 1, 1).astimezone().astimezone(UTC)
    end = f"{after:%Y-%m-%dT%H:%M:%S}.000Z"
    assert [(one["pattern"], one["note"], one["until"]) for one in found["entries"]] == [
        ("京A12346", "被盗, 白色", end),
        ("京B7", "", end),
    ]


def test_bad_plate_lists_are_refused(sitehub: Sitehub, tmp_path: Path) -> None:
    file = tmp_path / "plates.csv"
    file.write_text("A1,x,tomorrow\n")
    refused = sitehub("plate-list", "add", "x", "--csv", str(file))
    assert refused.status == 1
    assert "row 1" in refused.err
    assert sitehub("plate-list", "add", "x", "--csv", str(tmp_path / "none")).status == 1
    assert sitehub("plate-list", "set", "x").status == 2
    assert sitehub("plate-list", "set", "x", "--plate", "A", "--no-plates").status == 2
