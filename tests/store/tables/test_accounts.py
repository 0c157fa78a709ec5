"""Users, sessions, API keys, settings and the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.errors import AlreadyExists, NoSuchResource
from hub.store.db import Store
from hub.store.tables import audit
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.sessions import Session
from hub.store.tables.users import User
from tests.support.clock import FrozenClock
from tests.support.stores import opened

ANN = User("ann", "admin", "argon2:x", 1)
BO = User("bo", "guard", "argon2:y", 2)


def session(token: bytes, user: str = "ann", at: int = 100) -> Session:
    return Session(token, user, at, at, "10.0.0.1")


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        await store.users.add(ANN)
        await store.users.add(BO)
        yield store


async def test_everything_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    key = ApiKey("A1", "vms", True, 3)
    others = ApiKey("A2", "erp", False, 4), ApiKey("A3", "cms", False, 5, targets=True)
    async with opened(data, clock) as store:
        for other in others:
            await store.api_keys.add(other, "other")
        await store.users.add(ANN)
        await store.sessions.add(session(b"s"))
        await store.api_keys.add(key, "secret")
        await store.settings.set("site.name", "North gate")
        await store.audit.add(1, "ann", "device.add", "7", "10.0.0.1")
    async with opened(data, clock) as store:
        assert store.users.all() == (ANN,)
        assert store.sessions.get(b"s") == session(b"s")
        assert store.api_keys.all() == (key, *others)
        assert store.api_keys.secret("A1") == "secret"
        assert store.settings.get("site.name") == "North gate"
        assert [entry.target for entry in await store.audit.newest(None, 100)] == ["7"]


async def test_users_are_added_changed_and_removed(store: Store) -> None:
    assert store.users.all() == (ANN, BO)
    with pytest.raises(AlreadyExists) as refusal:
        await store.users.add(ANN)
    assert refusal.value.field == "name"
    await store.users.set_password("bo", "argon2:z")
    await store.users.set_role("bo", "viewer")
    assert store.users.get("bo") == User("bo", "viewer", "argon2:z", 2)
    await store.users.remove("bo")
    assert store.users.get("bo") is None
    for call in (
        store.users.remove("bo"),
        store.users.set_role("bo", "admin"),
        store.users.set_password("bo", ""),
    ):
        with pytest.raises(NoSuchResource):
            await call


def test_a_user_does_not_show_its_hash() -> None:
    assert "argon2" not in repr(ANN)


async def test_removing_a_user_removes_the_sessions(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.users.add(ANN)
        await store.sessions.add(session(b"s"))
        await store.users.remove("ann")
        assert store.sessions.get(b"s") is None
        with pytest.raises(NoSuchResource):
            await store.sessions.add(session(b"t"))
    async with opened(data, clock) as store:
        assert store.sessions.get(b"s") is None


async def test_sessions_are_touched_and_ended(store: Store) -> None:
    for token, user, at in ((b"a", "ann", 100), (b"b", "ann", 50), (b"c", "bo", 100)):
        await store.sessions.add(session(token, user, at))
    assert [s.token_hash for s in store.sessions.of_user("ann")] == [b"b", b"a"]
    await store.sessions.touch(b"a", 500)
    touched = store.sessions.get(b"a")
    assert touched is not None
    assert touched.last_used_at == 500
    await store.sessions.remove(b"b")
    assert store.sessions.get(b"b") is None
    await store.sessions.remove_user("ann")
    assert store.sessions.of_user("ann") == ()
    assert store.sessions.get(b"c") is not None
    await store.sessions.touch(b"gone", 1)
    await store.sessions.remove(b"gone")


async def test_old_and_idle_sessions_are_pruned(store: Store) -> None:
    await store.sessions.add(session(b"old", at=10))
    await store.sessions.touch(b"old", 1000)
    await store.sessions.add(session(b"idle", at=200))
    await store.sessions.add(session(b"used", at=200))
    await store.sessions.touch(b"used", 1000)
    await store.sessions.prune(
        lambda session: session.created_at < 100 or session.last_used_at < 500
    )
    left = [token for token in (b"old", b"idle", b"used") if store.sessions.get(token)]
    assert left == [b"used"]


async def test_api_keys_are_added_and_removed(store: Store) -> None:
    key = ApiKey("A1", "vms", False, 5)
    await store.api_keys.add(key, "secret")
    assert store.api_keys.get("A1") == key
    with pytest.raises(AlreadyExists):
        await store.api_keys.add(key, "another")
    assert store.api_keys.secret("A1") == "secret"
    for _ in range(2):
        assert store.api_keys.fits("A1", "secret")
        assert not store.api_keys.fits("A1", "another")
    await store.api_keys.remove("A1")
    assert not store.api_keys.fits("A1", "secret")
    await store.api_keys.add(key, "new")
    assert store.api_keys.fits("A1", "new")
    assert not store.api_keys.fits("A1", "secret")
    await store.api_keys.remove("A1")
    assert store.api_keys.get("A1") is None
    with pytest.raises(NoSuchResource):
        store.api_keys.secret("A1")
    with pytest.raises(NoSuchResource):
        await store.api_keys.remove("A1")


async def test_a_setting_is_set_and_removed(store: Store) -> None:
    assert store.settings.get("site.key") is None
    await store.settings.set("site.key", "PEM")
    assert store.settings.get("site.key") == "PEM"
    await store.settings.set("site.key", None)
    assert store.settings.get("site.key") is None


async def test_the_audit_log_is_read_newest_first_and_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_MAX_ENTRIES", 4)
    for n in range(6):
        await store.audit.add(n, "ann", "device.add", str(n), "10.0.0.1")
    page = await store.audit.newest(None, 3)
    assert [entry.target for entry in page] == ["5", "4", "3"]
    rest = await store.audit.newest(page[-1].id, 100)
    assert [entry.target for entry in rest] == ["2"]
