"""Reading the log's files in order, while the hub writes and rotates them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.config import LogConfig
from hub.log import start
from hub.process.log_files import LevelFilter, LogFileReader, show_lines

INFO = "2026-11-25 12:00:00.000 INFO     one  [hub]"
WARNING = "2026-11-25 12:00:01.000 WARNING  two  [hub]"
ERROR = "2026-11-25 12:00:02.000 ERROR    three  [hub]"
JSON = '{"time":"2026-11-25T12:00:03.000Z","level":"warning","logger":"hub","message":"four"}'
TRACE = "    Traceback (most recent call last):"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, name: str, *lines: str) -> None:
    with (folder / name).open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def rotate(folder: Path) -> None:
    """Rename the files as the hub does."""
    for number in (3, 2, 1):
        source = folder / f"sitehub.log.{number}"
        if source.exists():
            source.replace(folder / f"sitehub.log.{number + 1}")
    (folder / "sitehub.log").replace(folder / "sitehub.log.1")


def test_the_rotated_files_are_read_oldest_first(folder: Path) -> None:
    write(folder, "sitehub.log", "c")
    write(folder, "sitehub.log.1", "b")
    write(folder, "sitehub.log.2", "a")
    write(folder, "other.log", "x")
    reader = LogFileReader(folder)
    assert reader.has_files()
    assert list(reader.read()) == ["a", "b", "c"]
    assert list(reader.read()) == []


def test_a_folder_without_a_log_has_no_lines(folder: Path) -> None:
    reader = LogFileReader(folder / "none")
    assert not reader.has_files()
    assert list(reader.read()) == []


def test_new_lines_are_read_across_rotations(folder: Path) -> None:
    write(folder, "sitehub.log", "1")
    reader = LogFileReader(folder)
    assert list(reader.read()) == ["1"]
    write(folder, "sitehub.log", "2")
    rotate(folder)
    write(folder, "sitehub.log", "3")
    rotate(folder)
    write(folder, "sitehub.log", "4")
    assert list(reader.read()) == ["2", "3", "4"]
    rotate(folder)
    assert list(reader.read()) == []
    write(folder, "sitehub.log", "5")
    assert list(reader.read()) == ["5"]


def test_a_file_that_was_emptied_or_removed_is_read_anew(folder: Path) -> None:
    write(folder, "sitehub.log", "a long first line")
    reader = LogFileReader(folder)
    list(reader.read())
    (folder / "sitehub.log").write_bytes(b"")
    write(folder, "sitehub.log", "2")
    assert list(reader.read()) == ["2"]
    (folder / "sitehub.log").unlink()
    assert list(reader.read()) == []
    write(folder, "sitehub.log", "3")
    assert list(reader.read()) == ["3"]


def test_a_line_is_given_once_it_is_complete(folder: Path) -> None:
    path = folder / "sitehub.log"
    path.write_bytes(b"whole\nto")
    reader = LogFileReader(folder)
    assert list(reader.read()) == ["whole"]
    with path.open("ab") as file:
        file.write(b"rn\nnext")
    assert list(reader.read()) == ["torn"]
    # The process was killed there: the file after it shows that no more comes.
    rotate(folder)
    write(folder, "sitehub.log", "first")
    assert list(reader.read()) == ["next", "first"]


def test_bytes_that_are_no_text_do_no_harm(folder: Path) -> None:
    (folder / "sitehub.log").write_bytes(b'\xff\xfe\n{"level":\n{"level":7}\n\n' + b"x" * 3_000_000)
    lines = LogFileReader(folder).last(100, LevelFilter("info"))
    assert lines[:2] == ["\ufffd\ufffd", '{"level":'] or lines == []
    assert all(len(line) <= 2_000_000 for line in lines)


def test_lines_below_the_level_are_left_out_with_what_follows_them() -> None:
    lines = [TRACE, INFO, TRACE, WARNING, ERROR, TRACE, "torn", JSON, "{torn", INFO]
    shown = list(show_lines(lines, LevelFilter("warning")))
    assert shown == [WARNING, ERROR, TRACE, "torn", JSON, "{torn"]
    assert list(show_lines(lines, LevelFilter("debug"))) == lines
    assert list(show_lines(lines, LevelFilter("error"))) == [ERROR, TRACE, "torn"]


def test_the_last_lines_are_those_that_are_shown(folder: Path) -> None:
    write(folder, "sitehub.log", WARNING, INFO, INFO, ERROR, INFO)
    assert LogFileReader(folder).last(2, LevelFilter("warning")) == [WARNING, ERROR]
    assert LogFileReader(folder).last(0, LevelFilter("warning")) == []


@pytest.fixture
def _restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.mark.usefixtures("_restored_logging")
@pytest.mark.parametrize("format", ["text", "json"])
def test_the_log_of_a_hub_is_filtered_in_both_formats(folder: Path, format: str) -> None:
    config = LogConfig(level="debug", format=format)  # type: ignore[arg-type]
    with open(os.devnull, "w") as stream:
        stop = start(config, folder, stream)
        logger = logging.getLogger("hub.test")
        logger.debug("a detail")
        logger.warning("two")
        try:
            raise ValueError("a reason")
        except ValueError:
            logger.warning("three", exc_info=True)
        logger.info("four")
        stop()
    text = "\n".join(LogFileReader(folder).last(100, LevelFilter("warning")))
    assert "two" in text
    assert "three" in text
    assert "ValueError: a reason" in text
    assert "a detail" not in text
    assert "four" not in text
