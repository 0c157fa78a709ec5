"""Update files of programs that are shell scripts."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.update.update_file import this_platform, write_update

#: A test's own key: it protects nothing.
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def script(
    path: Path, *, version: str = "0.2.0", self_test: str = "exit 0", run: str = "exit 0"
) -> Path:
    """Write a program that says its version, and does these shell commands for the others."""
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"    version) echo sitehub {version} ;;\n"
        f"    selftest) {self_test} ;;\n"
        f"    *) {run} ;;\n"
        "esac\n"
    )
    path.chmod(0o700)
    return path


def signed(
    program: Path,
    *,
    version: str = "0.2.0",
    key: Ed25519PrivateKey = KEY,
    platform: str | None = None,
) -> Path:
    """Write the update file of a program beside it."""
    update = program.with_name(f"{program.name}-{version}.update")
    write_update(program, update, key, version, platform or this_platform())
    return update
