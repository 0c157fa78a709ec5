"""Changing single lines of sitehub.toml."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from hub.config import SETTINGS, Config, as_toml, value_of
from hub.config_sources import Sources, default_file
from hub.errors import BadParameter
from hub.services.settings.file import edited, write

DEFAULT = default_file().encode()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_can_be_set_in_the_file_of_the_first_run_and_removed_again(
    setting: object, tmp_path: Path
) -> None:
    name = setting.name  # type: ignore[attr-defined]
    value = value_of(Config(), name)
    changed = edited(DEFAULT, {name: value})
    assert changed != DEFAULT
    assert Sources(tmp_path).load(changed).file == {name: value}
    assert edited(changed, {name: None}) == DEFAULT


def test_a_new_value_goes_below_the_line_with_the_default() -> None:
    lines = edited(DEFAULT, {"store.keep_days": 60}).decode().splitlines()
    at = lines.index("#keep_days = 30")
    assert lines[at + 1] == "keep_days = 60"
    assert len(lines) == len(DEFAULT.decode().splitlines()) + 1


def test_comments_and_spaces_stay_where_they_are() -> None:
    file = b"# mine\n[store] # s\n  keep_days   =  3   # as the law says\n\n[log]\nlevel = 'info'\n"
    assert edited(file, {"store.keep_days": 4, "log.level": "debug"}) == (
        b'# mine\n[store] # s\n  keep_days   =  4   # as the law says\n\n[log]\nlevel = "debug"\n'
    )


def test_a_section_that_is_missing_is_added_at_the_end() -> None:
    assert edited(b"", {"log.level": "debug"}) == b'[log]\nlevel = "debug"\n'
    assert edited(b"[web]\nport = 1\n", {"log.level": "debug"}) == (
        b'[web]\nport = 1\n\n[log]\nlevel = "debug"\n'
    )
    assert edited(b"[web]\nport = 1\n", {"log.level": None}) == b"[web]\nport = 1\n"


def test_a_key_goes_into_its_own_section() -> None:
    file = b"[web]\nport = 1\n\n[devices]\nport = 2\n"
    assert edited(file, {"devices.port": 3}) == b"[web]\nport = 1\n\n[devices]\nport = 3\n"


def test_line_ends_of_windows_and_a_byte_order_mark_stay() -> None:
    file = b'\xef\xbb\xbf[log]\r\nlevel = "info"\r\n'
    assert edited(file, {"log.level": "error"}) == b'\xef\xbb\xbf[log]\r\nlevel = "error"\r\n'


@pytest.mark.parametrize("text", ['a "b" \\ c', "#1", "站点", "a\tb", "]", "x = 1", "\x7f"])
def test_any_text_is_written_so_that_it_is_read_back(text: str, tmp_path: Path) -> None:
    changed = edited(DEFAULT, {"site.name": text})
    assert Sources(tmp_path).load(changed).config.site.name == text
    again = edited(changed, {"site.name": "plain"})
    assert Sources(tmp_path).load(again).config.site.name == "plain"
    assert as_toml(text).isprintable()


@pytest.mark.parametrize(
    "file",
    [
        b"store = {keep_days = 3}\n",
        b"store.keep_days = 3\n",
        b'[store]\n"keep_days" = 3\n',
        b'[site]\nname = """\n[store]\nkeep_days = 3\n"""\n',
    ],
)
def test_a_file_that_is_written_in_another_way_is_left_alone(file: bytes) -> None:
    with pytest.raises(BadParameter, match="edit the file instead"):
        edited(file, {"store.keep_days": 4})


def test_the_former_file_and_its_mode_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sitehub.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert (tmp_path / "sitehub.toml.bak").read_bytes() == b"old"
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "sitehub.toml",
        "sitehub.toml.bak",
    ]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "sitehub.toml"
    write(path, b"new")
    assert path.read_bytes() == b"new"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "etc.toml"
    real.write_bytes(b"old")
    link = tmp_path / "sitehub.toml"
    link.symlink_to(real)
    write(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
