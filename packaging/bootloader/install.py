"""Install PyInstaller with a bootloader of our own into the environment that runs this.

    python packaging/bootloader/install.py WORK

The sources, of the version that pip's constraints name, are fetched into the directory WORK,
`entry.c` takes the place of the entry that they have, and PyInstaller compiles itself as it
documents for whoever wants to. A bootloader that nobody else uses is also one that no virus scanner
has learnt to suspect.

It needs a C compiler: gcc, on Windows that of Visual Studio or MinGW.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: Below the directory of PyInstaller's sources.
ENTRY = Path("bootloader", "src", "main.c")


def main() -> None:
    find_compiler()
    sources = fetch_sources(Path(sys.argv[1]))
    shutil.copyfile(HERE / "entry.c", sources / ENTRY)
    compile_and_install(sources)


def find_compiler() -> None:
    """On Windows its own build finds what Visual Studio has put where."""
    if sys.platform != "win32" and not shutil.which(os.environ.get("CC", "gcc")):
        sys.exit("a C compiler is needed, on Debian: apt install gcc libc6-dev")


def fetch_sources(work: Path) -> Path:
    shutil.rmtree(work, ignore_errors=True)
    pip("download", "--no-deps", "--no-binary", "pyinstaller", "-d", str(work), "pyinstaller")
    [archive] = work.glob("pyinstaller-*.tar.gz")
    shutil.unpack_archive(archive, work)
    sources = work / archive.name.removesuffix(".tar.gz")
    if not (sources / ENTRY).is_file():
        sys.exit(f"PyInstaller has its entry no longer in {ENTRY}")
    return sources


def compile_and_install(sources: Path) -> None:
    # The message of entry.c is in UTF-8, whatever the code page of the Windows that compiles it.
    compiler = {"CL": "/utf-8"} if sys.platform == "win32" else {}
    pip("install", str(sources), PYINSTALLER_COMPILE_BOOTLOADER="1", **compiler)


def pip(command: str, *words: str, **environment: str) -> None:
    """Run it quietly; its failure is ours."""
    options = ("-q", "--disable-pip-version-check")
    # With the zlib of the sources: not every PC has one, and not every one that compiles has. (To
    # download them compiles, too: pip asks them for their name.)
    environment = {**os.environ, "PYI_STATIC_ZLIB": "1", **environment}
    done = subprocess.run([sys.executable, "-m", "pip", command, *options, *words], env=environment)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
