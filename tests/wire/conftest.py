"""RSA keys, made once: they are slow to make."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa


@pytest.fixture(scope="session")
def small_key() -> rsa.RSAPrivateKey:
    """1024 bits, as real cameras of this make have (D8)."""
    return rsa.generate_private_key(65537, 1024)
