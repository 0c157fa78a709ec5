"""The files of `web/static`, read once and served under URLs that change with them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Not the module mimetypes: on Windows it reads the registry, which any program may have changed.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@dataclass(frozen=True)
class Asset:
    """One file."""

    mime: str
    data: bytes

    @cached_property
    def gzipped(self) -> bytes:
        """The file as most browsers get it. Made when it is first asked for, within 5 ms."""
        return gzip.compress(self.data, mtime=0)


class Assets:
    """All static files, in memory.

    They share one version, so that scripts can import each other by relative paths.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _asset(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }
        digest = hashlib.sha256()
        for name, asset in self._files.items():
            digest.update(name.encode() + b"\0" + asset.data)
        self.version = digest.hexdigest()[:12]

    def get(self, name: str) -> Asset | None:
        return self._files.get(name)

    def url(self, name: str) -> str:
        """The URL of a file. Raises KeyError: an unknown name is a bug."""
        if name not in self._files:
            raise KeyError(f"no static file {name}")
        return f"/static/{self.version}/{name}"


def _asset(path: Path) -> Asset:
    return Asset(_TYPES[path.suffix], path.read_bytes())
