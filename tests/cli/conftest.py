"""Running commands in this process, on a data directory of the test."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.__main__ import run


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Sitehub = Callable[..., Outcome]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a hub began to make its data: commands are refused where there is none."""
    path = tmp_path / "data"
    (path / "media").mkdir(parents=True)
    monkeypatch.setenv("SITEHUB_DATA", str(path))
    return path


@pytest.fixture
def sitehub(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sitehub:
    """Run a command line; returns its exit status and output."""

    def give(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = run(arguments)
        return Outcome(status, *capsys.readouterr())

    return give


@pytest.fixture(scope="session")
def key_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()
