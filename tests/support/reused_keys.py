"""Makes the first, second, ... RSA key of a size once for all tests of a process.

One of the hub's authority takes half a second. Within a test no key comes twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

#: Smaller ones, which cameras have, take no time.
_LARGE = 2048

_made: defaultdict[int, list[rsa.RSAPrivateKey]] = defaultdict(list)
_used: Counter[int] = Counter()


def begin_with_first_keys() -> None:
    """Hand the first key of each size out next."""
    _used.clear()


@contextmanager
def reused_keys() -> Iterator[None]:
    """Within the block, keys are handed out in the order in which they were made."""
    generate = rsa.generate_private_key

    def reuse(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        if key_size < _LARGE:
            return generate(public_exponent, key_size)
        keys = _made[key_size]
        if _used[key_size] == len(keys):
            keys.append(generate(public_exponent, key_size))
        _used[key_size] += 1
        return keys[_used[key_size] - 1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", reuse)
        yield
