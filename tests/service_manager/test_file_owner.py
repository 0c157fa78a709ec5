"""The owner of a file on Windows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("only Windows has SIDs", allow_module_level=True)

from hub.service_manager.windows.file_owner import owner_of


def test_a_folder_and_a_file_have_an_owner(tmp_path: Path) -> None:
    (tmp_path / "数据").touch()
    assert re.fullmatch(r"S-1-5-[\d-]+", owner_of(tmp_path / "数据"))
    assert owner_of(tmp_path) == owner_of(tmp_path / "数据")


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        owner_of(tmp_path / "nothing")
