"""RSA keys, generated once because that is slow."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa


@pytest.fixture(scope="session")
def small_key() -> rsa.RSAPrivateKey:
    """1024 bits, as real cameras have (D8)."""
    return rsa.generate_private_key(65537, 1024)
