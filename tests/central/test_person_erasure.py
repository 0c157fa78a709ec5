"""A person is erased at the centre, of all sites, when somebody asks for it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.__main__ import run as command
from hub.central.folder import make_folder
from hub.central.pictures import PictureFolder
from tests.central.messages import LOG, alarm, log_is, picture, record
from tests.support.postgres import rows

pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")

from hub.central.database import Database, open_database

LATER = "0b" * 16


@pytest.fixture
def database(address: str, tmp_path: Path) -> Database:
    """Two sites, one of which has a second log, that know a person; another one and a stranger."""
    database = open_database(address, PictureFolder(tmp_path / "pictures"))
    other = {"name": "李雷", "uuid": "7"}
    database.store([record(1), picture(1, b"x"), record(2, **other), alarm(1, 1)])
    database.store([record(1, "site-2", uuid="001234567890", name="Wang Fang")])
    database.store([record(5, log=LATER), record(2, "site-2", **other)])
    access = {"kind": "access", "name": None}
    database.store(
        [record(6, log=LATER, **access), record(7, log=LATER, of=6, uuid=None, **access)]
    )
    database.close()
    return database


def erase(tmp_path: Path, address: str, *words: str) -> int:
    options = ["--folder", str(tmp_path), "--database", address]
    return command(["central", "erase", *words, *options])


def left(address: str) -> list[tuple[str, int]]:
    """The records that are not erased."""
    sql = "SELECT hub, seq FROM sitehub.record WHERE NOT erased ORDER BY hub, log, seq"
    return [(hub, seq) for hub, seq in rows(address, sql)]


def test_a_number_is_erased_of_all_sites_and_logs(
    address: str, tmp_path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--number", "1234567890", "--confirm", "1234567890"]
    assert erase(tmp_path, address, *words, "--pictures", str(tmp_path / "pictures")) == 0
    told = capfd.readouterr()
    assert left(address) == [("site-1", 2), ("site-2", 2)]
    assert list((tmp_path / "pictures").rglob("*.jpg")) == []
    assert rows(address, "SELECT 1 FROM sitehub.alarm WHERE strpos(body::text, '王芳') > 0") == []
    assert f"site-2, log {LOG}: 1 records, 2026-11-25 to 2026-11-25: Wang Fang" in told.err
    assert "4 records, 1 pictures erased" in told.out
    assert "erase it at these hubs too: site-1, site-2" in told.out
    # What the streams give again stays erased, also under the log of a restored hub.
    again = open_database(address, PictureFolder(tmp_path / "pictures"))
    again.store([record(1), picture(1, b"x"), log_is("0c" * 16, (LOG, 9))])
    again.store([record(1, log="0c" * 16)])
    again.close()
    assert left(address) == [("site-1", 2), ("site-2", 2)]


def test_hubs_are_asked_by_number_and_in_the_name_of_a_certificate(
    address: str, tmp_path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path, "nats://127.0.0.1:9", with_passwords=False)
    assert erase(tmp_path, address, "--name", "王芳", "--confirm", "王芳", "--ask") == 2
    words = ["--number", "1234567890", "--confirm", "1234567890", "--ask"]
    assert erase(tmp_path, address, *words) == 1
    assert "tls://" in capfd.readouterr().err
    assert len(left(address)) > 2


def test_a_site_can_be_chosen_where_a_number_is_of_somebody_else(
    address: str, tmp_path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--number", "1234567890", "--site", "site-2", "--confirm", "1234567890"]
    assert erase(tmp_path, address, *words) == 0
    assert ("site-1", 1) in left(address)
    assert ("site-2", 1) not in left(address)
    assert "their pictures are not" in capfd.readouterr().out


def test_a_log_can_be_chosen_of_a_site_that_was_installed_anew(
    address: str, tmp_path: Path, database: Database
) -> None:
    words = ["--number", "1234567890", "--log", LATER, "--confirm", "1234567890"]
    assert erase(tmp_path, address, *words) == 0
    assert left(address) == [("site-1", 1), ("site-1", 2), ("site-2", 1), ("site-2", 2)]


def test_a_name_is_erased_as_it_is_written(
    address: str, tmp_path: Path, database: Database
) -> None:
    assert erase(tmp_path, address, "--name", " wang fang", "--confirm", "wang fang") == 0
    assert ("site-2", 1) not in left(address)
    assert ("site-1", 1) in left(address)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--number", "1234567890", "--confirm", "7"], 1),
        (["--number", "1234567890"], 2),
        (["--number", "404", "--confirm", "404"], 1),
        (["--number", "7", "--name", "x"], 2),
        ([], 2),
    ],
)
def test_nothing_is_erased_by_mistake(
    address: str, tmp_path: Path, database: Database, words: list[str], status: int
) -> None:
    before = left(address)
    assert erase(tmp_path, address, *words) == status
    assert left(address) == before
