"""Build the executable from a fresh clone: python packaging/build.py

The virtual environment and intermediate files are in `build`; the results are in `dist`:

    sitehub or sitehub.exe      the executable in one file
    onedir/                     the executable as a directory, for packages
    *.zip                       on Windows: the executable and a README
    *.deb                       if dpkg-deb is installed: the Debian package
    *.update                    with --sign-key: the update file, for `sitehub update`
    sitehub.cdx.json            the bill of materials (CycloneDX)
    LICENCES.txt                the licences of everything in it
    SHA256SUMS                  the checksums of these files

    --sign-key KEY      sign the update with this private key (Ed25519, PEM), and build its public
                        key in: the executable accepts updates that are signed with it
    --update-key KEY    build in this public key, without signing

Without a key, only an administrator at the machine can update a hub. The private key must never be
in the tree.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
DIST = ROOT / "dist"
ENVIRONMENT = BUILD / "venv"
_WINDOWS = sys.platform == "win32"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if _WINDOWS else "bin/python")
EXECUTABLE = DIST / ("sitehub.exe" if _WINDOWS else "sitehub")
SUMS = "SHA256SUMS"
#: The public key that is built in; pyinstaller.spec looks for it.
UPDATE_KEY = BUILD / "update-key.pem"


def main() -> None:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"Python 3.11 to 3.13 is needed; this is {sys.version.split()[0]}")
    options = read_options()
    if missing := list(what_is_missing()):
        sys.exit(f"first install what this needs; on Debian: sudo apt install {' '.join(missing)}")
    make_environment()
    place_key(options)
    freeze()
    write_bill()
    make_packages()
    if options.sign_key:
        python("packaging/sign.py", "update", options.sign_key.resolve(), EXECUTABLE)
    write_sums()
    python("packaging/smoke.py", EXECUTABLE)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the executable and its packages.")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--sign-key", type=Path, metavar="KEY", help="a private key (Ed25519, PEM)")
    keys.add_argument("--update-key", type=Path, metavar="KEY", help="a public key (Ed25519, PEM)")
    return parser.parse_args()


def what_is_missing() -> Iterator[str]:
    """Name the packages of Debian that the build needs and this machine lacks."""
    if importlib.util.find_spec("ensurepip") is None:
        yield "python3-venv"
    if sys.platform == "linux":
        if shutil.which("objdump") is None:
            yield "binutils"
        # The executable contains this library, which Debian's python3 does not use.
        library = str(sysconfig.get_config_var("INSTSONAME"))
        try:
            ctypes.CDLL(library if ".so" in library else None)
        except OSError:
            yield library.partition(".so")[0]


def place_key(options: argparse.Namespace) -> None:
    """Lay down the public key that is built in, or none."""
    UPDATE_KEY.unlink(missing_ok=True)
    if options.sign_key:
        python("packaging/sign.py", "public", options.sign_key.resolve(), UPDATE_KEY)
    elif options.update_key:
        shutil.copyfile(options.update_key, UPDATE_KEY)


def make_environment() -> None:
    """Install what has the known hashes, and nothing else that could get into the executable."""
    print("== environment", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    install = ("-m", "pip", "install", "-q")
    python(*install, "--require-hashes", "-r", "packaging/requirements.txt")
    # A directory has no hash.
    python(*install, "--no-deps", "--no-build-isolation", ".")


def freeze() -> None:
    print("== executable", flush=True)
    shutil.rmtree(DIST, ignore_errors=True)
    quiet = ("--noconfirm", "--log-level", "WARN")
    python(
        *("-m", "PyInstaller", *quiet, "--distpath", DIST, "--workpath", BUILD),
        "pyinstaller.spec",
    )


def write_bill() -> None:
    python("packaging/bill.py", BUILD / "pyinstaller" / "contents.json", DIST)


def make_packages() -> None:
    if _WINDOWS:
        python("packaging/windowszip.py", EXECUTABLE, DIST)
    if shutil.which("dpkg-deb"):
        python("packaging/deb.py", DIST / "onedir", DIST)


def write_sums() -> None:
    """Write the checksums in the format of sha256sum."""
    files = sorted(path for path in DIST.iterdir() if path.is_file() and path.name != SUMS)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} *{path.name}" for path in files]
    (DIST / SUMS).write_text("\n".join(sums) + "\n", "ascii")


def python(*words: str | Path) -> None:
    """Run Python in the environment of the build; exit with its status if it fails."""
    # A fixed hash seed keeps the order of sets, and thus of files, the same in every build. Column
    # numbers, which only mark places in tracebacks, would take a megabyte of memory.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"}
    done = subprocess.run([PYTHON, *words], cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
