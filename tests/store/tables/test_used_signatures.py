from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.errors import NoSuchResource, WrongSignature
from hub.store.db import Store
from hub.store.tables import used_signatures
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.used_signatures import UsedSignature
from tests.support.clock import FrozenClock
from tests.support.stores import opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path, clock) as store:
        yield store


async def add_key(store: Store, appid: str = "A1") -> None:
    await store.api_keys.add(ApiKey(appid, "erp", False, 0), "secret")


async def test_a_signature_is_used_once(store: Store) -> None:
    await add_key(store)
    one = UsedSignature("A1", "AB", 1000)
    assert not store.used_signatures.was_used(one)
    await store.used_signatures.use(one)
    assert store.used_signatures.was_used(one)
    with pytest.raises(WrongSignature):
        await store.used_signatures.use(one)


async def test_a_signature_of_a_key_that_is_gone_is_not_noted(store: Store) -> None:
    await add_key(store)
    await store.used_signatures.use(UsedSignature("A1", "AB", 1000))
    await store.api_keys.remove("A1")
    assert not store.used_signatures.was_used(UsedSignature("A1", "AB", 1000))
    with pytest.raises(NoSuchResource):
        await store.used_signatures.use(UsedSignature("A1", "AB", 1000))


async def test_memory_is_bounded_and_what_is_forgotten_counts_as_used(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_signatures, "MAX_USED", 8)
    used = [UsedSignature("A1", f"S{n}", 1000 + n) for n in range(30)]
    async with opened(tmp_path, clock) as store:
        await add_key(store)
        for one in used:
            await store.used_signatures.use(one)
        assert len(store.used_signatures._used["A1"]) <= 8
    async with opened(tmp_path, clock) as store:
        assert len(store.used_signatures._used["A1"]) <= 8
        assert all(store.used_signatures.was_used(one) for one in used)
        assert store.used_signatures.was_used(UsedSignature("A1", "another", 1000))
        assert not store.used_signatures.was_used(UsedSignature("A1", "another", 1030))


async def test_what_was_signed_long_ago_is_forgotten_but_counts_as_used(store: Store) -> None:
    await add_key(store)
    used = [UsedSignature("A1", f"S{n}", n) for n in (1, 2, 3)]
    for one in used:
        await store.used_signatures.use(one)
    await store.used_signatures.prune(3)
    assert list(store.used_signatures._used["A1"]) == ["S3"]
    assert all(store.used_signatures.was_used(one) for one in used)
