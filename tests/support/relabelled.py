"""A one-file executable with another version number, which is not built for it.

The version is a constant in the module `hub`. Modules are in an archive (PyInstaller's PYZ) inside
the archive behind the bootloader (CArchive): the compressed bytes of that module are replaced in
place, and its reader ignores what is left of the longer ones behind them.
"""

from __future__ import annotations

import marshal
import struct
import zlib
from pathlib import Path

import hub

_MAGIC = b"MEI\014\013\012\013\016"
#: Magic, length of the archive, position and length of its table, version and library of Python.
_COOKIE = struct.Struct("!8sIIII64s")
#: Length of the entry, position, compressed size, size, whether it is compressed, kind.
_ENTRY = struct.Struct("!IIIIBc")
_MODULES = b"z"
#: Magic, magic of Python's bytecode, position of the table.
_MODULES_HEAD = struct.Struct("!4s4si")


def relabel(executable: Path, target: Path, version: str) -> Path:
    """Write a copy of the executable to `target` that says it is `version`, of the same length."""
    content = bytearray(executable.read_bytes())
    modules = _find_modules(content)
    _, _, table = _MODULES_HEAD.unpack_from(content, modules)
    _, offset, size = dict(marshal.loads(content[modules + table :]))["hub"]
    at = modules + offset
    old, new = hub.__version__.encode(), version.encode()
    code = zlib.decompress(content[at : at + size])
    assert code.count(old) == 1
    assert len(old) == len(new)
    data = zlib.compress(code.replace(old, new), 9)
    assert len(data) <= size
    content[at : at + len(data)] = data
    target.write_bytes(content)
    target.chmod(0o755)
    return target


def _find_modules(content: bytearray) -> int:
    """Return the position of the archive of modules."""
    cookie = content.rfind(_MAGIC)
    _, length, table, table_length, _, _ = _COOKIE.unpack_from(content, cookie)
    start = cookie + _COOKIE.size - length
    position = start + table
    while position < start + table + table_length:
        size, offset, _, _, _, kind = _ENTRY.unpack_from(content, position)
        if kind == _MODULES:
            return start + offset
        position += size
    raise AssertionError("the executable has no modules")
