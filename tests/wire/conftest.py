"""RSA keys, generated once because that is slow; hypothesis with the same examples in each run."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, settings

# No deadline: the machine may be busy.
settings.register_profile(
    "wire",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("wire")


@pytest.fixture(scope="session")
def small_key() -> rsa.RSAPrivateKey:
    """1024 bits, as real cameras have (D8)."""
    return rsa.generate_private_key(65537, 1024)
