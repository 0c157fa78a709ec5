"""Changes of single settings in `sitehub.toml`, which keep its comments and everything else."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hub.config import SETTINGS, Value, as_toml
from hub.durable_files import write_file
from hub.errors import BadParameter

_SECTION = re.compile(r"\s*\[\s*([\w-]+)\s*\]\s*(#.*)?")
#: A basic or literal string on one line, or anything without spaces: a number or a boolean.
_VALUE = r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s#"\']+'


def edited(file: bytes, changes: Mapping[str, Value | None]) -> bytes:
    """Return the contents of the file with these values; None removes a setting from it.

    Raises BadParameter if the file is written in a way that cannot be changed line by line.
    """
    bom, text = _decoded(file)
    before = tomllib.loads(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    for name, value in changes.items():
        _change(lines, SETTINGS[name].section, SETTINGS[name].key, value)
    after = newline.join(lines)
    if not _is_expected(before, after, changes):
        raise BadParameter("cannot be changed here as the file is written: edit the file instead")
    return bom + after.encode()


def write(path: Path, data: bytes) -> None:
    """Replace the file, durably and as a whole, and keep the former one as `.bak`.

    Raises OSError; the file is then unchanged.
    """
    path = path.resolve()
    mode = 0o600
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(path.stat().st_mode)
        write_file(path.with_name(f"{path.name}.bak"), path.read_bytes(), mode)
    write_file(path, data, mode)


def _decoded(file: bytes) -> tuple[bytes, str]:
    """The byte order mark, if there is one, and the text."""
    bom = b"\xef\xbb\xbf" if file.startswith(b"\xef\xbb\xbf") else b""
    return bom, file[len(bom) :].decode()


def _change(lines: list[str], section: str, key: str, value: Value | None) -> None:
    """Set or remove one key. The line that shows its default as a comment stays."""
    header = _find_header(lines, section)
    if header is None:
        if value is not None:
            _append_section(lines, section, f"{key} = {as_toml(value)}")
        return
    end = next(
        (at for at in range(header + 1, len(lines)) if _SECTION.fullmatch(lines[at])), len(lines)
    )
    given = re.compile(rf"(\s*{key}\s*=\s*)({_VALUE})(\s*(?:#.*)?)")
    for at in range(header + 1, end):
        if found := given.fullmatch(lines[at]):
            if value is None:
                del lines[at]
            else:
                lines[at] = f"{found[1]}{as_toml(value)}{found[3]}"
            return
    if value is not None:
        lines.insert(_place(lines, header, end, key), f"{key} = {as_toml(value)}")


def _find_header(lines: list[str], section: str) -> int | None:
    for at, line in enumerate(lines):
        if (found := _SECTION.fullmatch(line)) and found[1] == section:
            return at
    return None


def _place(lines: list[str], header: int, end: int, key: str) -> int:
    """Where a key goes that is not there yet: below its default, or at the end of its section."""
    default = re.compile(rf"\s*#\s*{key}\s*=.*")
    for at in range(header + 1, end):
        if default.fullmatch(lines[at]):
            return at + 1
    while end > header + 1 and not lines[end - 1].strip():
        end -= 1
    return end


def _append_section(lines: list[str], section: str, line: str) -> None:
    while lines and not lines[-1].strip():
        lines.pop()
    lines += [*([""] if lines else []), f"[{section}]", line, ""]


def _is_expected(before: dict[str, Any], after: str, changes: Mapping[str, Value | None]) -> bool:
    """Whether the new text differs from the old document in these values alone."""
    for name, value in changes.items():
        setting = SETTINGS[name]
        section = before.setdefault(setting.section, {})
        if value is None:
            section.pop(setting.key, None)
        else:
            section[setting.key] = value
    try:
        found = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    return _without_empty(found) == _without_empty(before)


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {section: table for section, table in document.items() if table != {}}
