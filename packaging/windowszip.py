"""Make the ZIP for Windows: the executable and a README.

    python packaging/windowszip.py dist/sitehub.exe dist

It runs on every system. Prints the path of the ZIP.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hub import __version__  # noqa: E402

_README = ROOT / "packaging" / "windows" / "README.txt"
#: The earliest date of a ZIP; a fixed one, so that the same files give the same ZIP.
_DATE = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    executable, out = Path(sys.argv[1]), Path(sys.argv[2])
    made = out / f"sitehub-{__version__}-windows.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "sitehub.exe", executable.read_bytes())
        _add(archive, "README.txt", readme())
        licences = executable.with_name("LICENCES.txt")
        if licences.exists():
            _add(archive, licences.name, licences.read_bytes())
    print(made)


def readme() -> bytes:
    """Return the README with the line ends and the byte order mark of Windows."""
    text = _README.read_text("utf-8")
    return text.replace("\n", "\r\n").encode("utf-8-sig")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


if __name__ == "__main__":
    main()
