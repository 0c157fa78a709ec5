"""RSA keys, made once: they are slow to make. And examples by hypothesis, the same in each run."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, settings

# No deadline: the machine that runs the tests may be busy with something else.
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
    """1024 bits, as real cameras of this make have (D8)."""
    return rsa.generate_private_key(65537, 1024)
