"""Make an image for containers from the executable in one directory.

    python3 packaging/container.py dist/onedir dist

Lays out in build/container what `container/Containerfile` copies, and prints the path of an image
that `podman load` and `docker load` take. Without buildah it stops after the first. Nothing is
fetched: the libraries and the certificates of authorities are those of this machine.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hub import __version__  # noqa: E402

CONTEXT = ROOT / "build/container"
USER_ID = 10001
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_FILES = {
    "etc/passwd": f"sitehub:x:{USER_ID}:{USER_ID}::/data:/sbin/nologin\n",
    "etc/group": f"sitehub:x:{USER_ID}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def main() -> None:
    program, out = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.rmtree(CONTEXT, ignore_errors=True)
    lay_out(program, CONTEXT)
    if shutil.which("buildah") is None:
        sys.exit(f"{CONTEXT} is laid out; there is no buildah to make the image")
    print(build(CONTEXT, out))


def lay_out(program: Path, context: Path) -> None:
    """Lay out the files of the image in `root`, and the empty volume in `data`."""
    root = context / "root"
    shutil.copytree(program, root / "usr/lib/sitehub", symlinks=True)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/sitehub").symlink_to("../lib/sitehub/sitehub")
    for library in _libraries(root / "usr/lib/sitehub"):
        _copy(library, root)
    for name, text in _FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, "utf-8")
    if _AUTHORITIES.exists():
        _copy(_AUTHORITIES, root)
    # For what a container engine mounts, since the root is read-only.
    for folder in ("dev", "proc", "sys", "run", "tmp"):
        (root / folder).mkdir()
    documents = root / "usr/share/doc/sitehub"
    documents.mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", documents)
    if (licences := program.with_name("LICENCES.txt")).exists():
        shutil.copy(licences, documents)
    (context / "data").mkdir(mode=0o700)
    shutil.copy(ROOT / "packaging/container/Containerfile", context)


def _libraries(folder: Path) -> list[Path]:
    """What the program loads from outside its folder: parts of glibc and zlib."""
    found = set()
    inside = {**os.environ, "LD_LIBRARY_PATH": str(folder / "_internal")}
    program = folder / "sitehub"
    for file in (program, *folder.rglob("*.so*")):
        # The program finds those of its folder only after it has begun.
        where = os.environ if file == program else inside
        done = subprocess.run(["ldd", file], capture_output=True, text=True, env=where)
        for path in re.findall(r"(/\S+) \(0x", done.stdout):
            if not Path(path).is_relative_to(folder):
                found.add(Path(path))
    return sorted(found)


def _copy(file: Path, root: Path) -> None:
    """Copy under the same name, and the licence of its package."""
    target = root / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)
    owner = subprocess.run(["dpkg", "-S", file.resolve()], capture_output=True, text=True).stdout
    licence = Path("/usr/share/doc") / owner.partition(":")[0] / "copyright"
    if owner and licence.exists():
        (root / licence.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(licence, root / licence.relative_to("/"))


def build(context: Path, out: Path) -> Path:
    """Build the image without any privilege or daemon; return the archive."""
    image = f"localhost/sitehub:{__version__}"
    archive = out / f"sitehub-{__version__}-{platform.machine()}.image.tar"
    storage = context.parent / "container-storage"
    buildah = ("buildah", "--storage-driver", "vfs", "--root", str(storage))
    words = ("build", "--isolation", "chroot", "--format", "docker", "--timestamp", "0")
    try:
        for step in (
            (*words, "--tag", image, str(context)),
            ("push", "--quiet", image, f"docker-archive:{archive}:localhost/sitehub:latest"),
        ):
            subprocess.run((*buildah, *step), stdout=sys.stderr, check=True)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    subprocess.run(("gzip", "-nf", archive), check=True)
    return archive.with_name(f"{archive.name}.gz")


if __name__ == "__main__":
    main()
