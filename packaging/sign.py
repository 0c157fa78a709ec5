"""Sign updates: `packaging/build.py --sign-key KEY` calls this.

    python packaging/sign.py public KEY OUT          write the public key of a private one
    python packaging/sign.py update KEY EXECUTABLE   write the update file beside the executable

KEY is the PEM file of an Ed25519 key: openssl genpkey -algorithm ed25519 -out KEY
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hub import __version__  # noqa: E402
from hub.update.update_file import this_platform, write_update  # noqa: E402


def main() -> None:
    task, key_file, path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    key = read_private_key(key_file)
    if task == "public":
        path.write_bytes(public_pem(key))
    else:
        print(sign(path, key, __version__))


def read_private_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        sys.exit(f"{path} is not an Ed25519 key")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(executable: Path, key: Ed25519PrivateKey, version: str) -> Path:
    """Write the update file beside the executable; return its path."""
    update = executable.with_name(f"sitehub-{version}-{this_platform()}.update")
    write_update(executable, update, key, version, this_platform())
    return update


if __name__ == "__main__":
    main()
