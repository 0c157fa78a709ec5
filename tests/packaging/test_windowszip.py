"""The ZIP for Windows: the executable, and a README for Windows editors."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from hub.cli.service import service
from hub.config import Config
from tests.packaging.conftest import ROOT

WORDS = (ROOT / "packaging" / "windows" / "README.txt").read_text("utf-8")


def make_zip(folder: Path) -> Path:
    folder.mkdir()
    (folder / "sitehub.exe").write_bytes(b"MZ, and so on")
    script = str(ROOT / "packaging" / "windowszip.py")
    words = [sys.executable, script, str(folder / "sitehub.exe"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_it_holds_the_executable_and_the_read_me(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_zip(tmp_path / "dist")) as archive:
        assert archive.namelist() == ["sitehub.exe", "README.txt"]
        assert archive.read("sitehub.exe") == b"MZ, and so on"
        shown = archive.read("README.txt")
    assert shown.decode("utf-8-sig").replace("\r\n", "\n") == WORDS
    assert shown.count(b"\n") == shown.count(b"\r\n")


def test_the_same_files_give_the_same_zip(tmp_path: Path) -> None:
    one, other = make_zip(tmp_path / "one"), make_zip(tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()


def test_the_read_me_names_the_same_facts_in_both_languages() -> None:
    english, chinese = WORDS.split("\n\n\n")
    config = Config()
    facts = [
        *(str(config.web.port), str(config.devices.port)),
        *("SmartScreen", "Get-FileHash", "SHA256SUMS", "service install", "service uninstall"),
        *(r"%LOCALAPPDATA%\sitehub", r"C:\ProgramData\sitehub", r"C:\Program Files\sitehub"),
    ]
    for fact in facts:
        assert fact in english
        assert fact in chinese
    assert {"install", "uninstall"} <= set(service.commands)
