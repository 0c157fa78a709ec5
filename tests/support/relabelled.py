"""A one-file executable with another version number, which is not built for it.

The version is in the file METADATA of the archive behind the bootloader (PyInstaller's CArchive):
its compressed bytes are replaced in place by those of a shorter text, and its sizes in the table of
contents.
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

_MAGIC = b"MEI\014\013\012\013\016"
#: Magic, length of the archive, position and length of its table, version and library of Python.
_COOKIE = struct.Struct("!8sIIII64s")
#: Length of the entry, position, compressed size, size, whether it is compressed, kind.
_ENTRY = struct.Struct("!IIIIBc")


def relabel(executable: Path, target: Path, version: str) -> Path:
    """Write a copy of the executable to `target` that says it is `version`."""
    content = bytearray(executable.read_bytes())
    at = content.rfind(_MAGIC)
    _, length, table, table_length, _, _ = _COOKIE.unpack_from(content, at)
    start = at + _COOKIE.size - length
    position = start + table
    while position < start + table + table_length:
        size, *_ = _ENTRY.unpack_from(content, position)
        name = bytes(content[position + _ENTRY.size : position + size]).rstrip(b"\0")
        if re.fullmatch(rb"sitehub-[^/\\]*\.dist-info[/\\]METADATA", name):
            _replace(content, start, position, version)
            target.write_bytes(content)
            target.chmod(0o755)
            return target
        position += size
    raise AssertionError(f"{executable} has no version")


def _replace(content: bytearray, start: int, entry: int, version: str) -> None:
    size, offset, packed, _, is_compressed, kind = _ENTRY.unpack_from(content, entry)
    text = f"Metadata-Version: 2.4\nName: sitehub\nVersion: {version}\n".encode()
    data = zlib.compress(text, 9) if is_compressed else text
    assert len(data) <= packed
    content[start + offset : start + offset + len(data)] = data
    _ENTRY.pack_into(content, entry, size, offset, len(data), len(text), is_compressed, kind)
