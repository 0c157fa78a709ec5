"""`sitehub person import` and `export` where no hub runs."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from hub.process.control.people_files import ImportPeople
from hub.services import Services
from hub.services.audit import COMMAND_LINE
from hub.store.jobs.jobs import Job
from tests.cli.conftest import Sitehub

CSV = "pid,name,age,phone\n7,Ada,,13800000000\n8,Eve,200,\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    photo, path = tmp_path / "photo.jpg", tmp_path / "photos.zip"
    Image.new("RGB", (200, 200), "teal").save(photo)
    with ZipFile(path, "w") as archive:
        archive.write(photo, "photos/7.jpg")
        archive.write(photo, "photos/9.jpg")
    return path


def left(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "imports").rglob("*") if path.is_file()]


def test_a_dry_run_tells_what_would_happen(
    sitehub: Sitehub, data_dir: Path, table: Path, photos: Path
) -> None:
    told = sitehub("person", "import", str(table), "--photos", str(photos), "--dry-run")
    assert (told.status, told.out.splitlines()) == (
        0,
        [
            "2 rows: 1 to add, 0 to change, 1 refused; 1 with a photo",
            "line 3: age: an integer from 0 to 150 is expected",
            "photos that belong to no row: 1, such as photos/9.jpg",
        ],
    )
    shown = json.loads(sitehub("person", "import", str(table), "--dry-run", "--json").out)
    assert (shown["adds"], shown["refused_rows"][0]["line"]) == (1, 3)
    assert json.loads(sitehub("person", "list", "--json").out) == []
    assert left(data_dir) == []


def test_people_are_imported_and_the_refused_rows_written(
    sitehub: Sitehub, data_dir: Path, table: Path, photos: Path, tmp_path: Path
) -> None:
    refused = tmp_path / "refused.csv"
    done = sitehub(
        *("person", "import", str(table), "--photos", str(photos), "--refused", str(refused))
    )
    assert done.status == 1
    assert f"1 of 2 rows were refused; they are in {refused}" in done.err
    assert refused.read_text("utf-8-sig").splitlines() == [
        "pid,name,age,phone,reason",
        "8,Eve,200,,age: an integer from 0 to 150 is expected",
    ]
    refused.write_text(refused.read_text("utf-8-sig").replace("200", "20"), encoding="utf-8")
    again = sitehub("person", "import", str(refused), "--json")
    assert (again.status, json.loads(again.out)["done"]) == (0, 1)
    ada, eve = json.loads(sitehub("person", "list", "--json").out)
    assert (ada["name"], ada["photo"] is None, eve["age"]) == ("Ada", False, 20)
    assert left(data_dir) == []


def test_an_export_is_what_an_import_reads(
    sitehub: Sitehub, table: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitehub("person", "import", str(table), "--photos", str(photos))
    file = tmp_path / "export.zip"
    assert sitehub("person", "export", str(file), "--language", "zh").status == 0
    assert file.stat().st_mode & 0o77 == 0
    (tmp_path / "other" / "media").mkdir(parents=True)
    monkeypatch.setenv("SITEHUB_DATA", str(tmp_path / "other"))
    assert sitehub("person", "import", str(file)).status == 0
    (ada,) = json.loads(sitehub("person", "list", "--json").out)
    assert (ada["pid"], ada["phone"], ada["photo"] is None) == ("7", "13800000000", False)
    assert "person.export" in sitehub("audit", "--data", str(tmp_path / "data")).out


def test_a_file_that_cannot_be_imported_is_refused_with_one_line(
    sitehub: Sitehub, data_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("salary\n1\n")
    told = sitehub("person", "import", str(path))
    assert (told.status, told.err) == (
        1,
        "sitehub: csv: one of the columns pid, work_id, name is required\n",
    )
    assert left(data_dir) == []


def test_an_import_whose_hub_has_ended_is_not_waited_for(
    sitehub: Sitehub, data_dir: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(self: ImportPeople, services: Services) -> Job:
        """As a hub does that is killed before it has imported anything."""
        return await services.jobs.add("import", None, COMMAND_LINE, total=2)

    monkeypatch.setattr(ImportPeople, "perform", begin)
    told = sitehub("person", "import", str(table))
    assert told.status == 1
    assert "the import ended early, it is interrupted: import the file again" in told.err
