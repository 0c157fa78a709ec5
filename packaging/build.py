"""Build the executable from a fresh clone: python packaging/build.py, and nothing before it.

Its virtual environment and its work lie in `build`; what is to be given on lies in `dist`:

    sitehub or sitehub.exe      the executable, one file
    onedir/                     the same as a directory, for packages of a system
    *.zip                       on Windows: the executable and what to read first
    *.deb                       where there is dpkg-deb
    sitehub.cdx.json            what is inside, as a bill of materials (CycloneDX)
    LICENCES.txt                the licences of all that
    SHA256SUMS                  of all the files
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
DIST = ROOT / "dist"
ENVIRONMENT = BUILD / "venv"
_WINDOWS = sys.platform == "win32"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if _WINDOWS else "bin/python")
EXECUTABLE = DIST / ("sitehub.exe" if _WINDOWS else "sitehub")
SUMS = "SHA256SUMS"
#: From ROOT: pip splits it at blanks.
CONSTRAINTS = "packaging/constraints.txt"


def main() -> None:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"Python 3.11 to 3.13 is needed; this is {sys.version.split()[0]}")
    make_environment()
    freeze()
    tell_what_is_inside()
    make_packages()
    write_sums()
    python("packaging/smoke.py", EXECUTABLE)


def make_environment() -> None:
    """The pinned versions, and nothing else that could get into the executable."""
    print("== environment", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    python("-m", "pip", "install", "-q", ".[build]")


def freeze() -> None:
    print("== executable", flush=True)
    shutil.rmtree(DIST, ignore_errors=True)
    quiet = ("--noconfirm", "--log-level", "WARN")
    python(
        *("-m", "PyInstaller", *quiet, "--distpath", DIST, "--workpath", BUILD),
        "pyinstaller.spec",
    )


def tell_what_is_inside() -> None:
    python("packaging/bill.py", BUILD / "pyinstaller" / "contents.json", DIST)


def make_packages() -> None:
    if _WINDOWS:
        python("packaging/windowszip.py", EXECUTABLE, DIST)
    if shutil.which("dpkg-deb"):
        python("packaging/deb.py", DIST / "onedir", DIST)


def write_sums() -> None:
    """As sha256sum writes them and reads them."""
    files = sorted(path for path in DIST.iterdir() if path.is_file() and path.name != SUMS)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} *{path.name}" for path in files]
    (DIST / SUMS).write_text("\n".join(sums) + "\n", "ascii")


def python(*words: str | Path) -> None:
    """Run something in the environment of the build; its failure is ours."""
    # The same sources give the same sets, and so the same order of what is packed. Where in its
    # line something is, which only marks it in a traceback, is a megabyte of each process.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"}
    # What builds the packages is pinned as they are; newer pips know it by the second name.
    environment |= dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), CONSTRAINTS)
    done = subprocess.run([PYTHON, *words], cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
