"""Damaged rows of whose content nothing is lost do not stay: they are written again at a start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.damage import DamagedRows
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.sessions import Session
from hub.store.tables.used_signatures import UsedSignature
from hub.store.tables.user_links import UserLink
from hub.store.tables.users import User
from tests.support.clock import FrozenClock
from tests.support.stores import opened


def change(data_dir: Path, sql: str) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount == 1


async def test_a_used_signature_without_a_readable_time_stays_used_for_its_days(
    tmp_path: Path, clock: FrozenClock
) -> None:
    one, other = UsedSignature("A1", "AB", clock.ms), UsedSignature("A1", "CD", clock.ms)
    async with opened(tmp_path, clock) as store:
        await store.api_keys.add(ApiKey("A1", "erp", False, 0), "secret")
        await store.used_signatures.use(one)
        await store.used_signatures.use(other)
    change(tmp_path, "UPDATE used_signature SET ts = -7 WHERE sign = 'AB'")
    for _ in range(2):
        async with opened(tmp_path, clock) as store:
            assert store.damaged_rows.counts() == {}
            await store.used_signatures.prune(clock.ms - 1000)
            assert store.used_signatures.was_used(one)
            assert store.used_signatures.was_used(other)
        clock.advance(0.1)
    clock.advance(60)
    async with opened(tmp_path, clock) as store:
        await store.used_signatures.prune(clock.ms - 1000)
        rows = await store.read(lambda c: c.execute("SELECT sign FROM used_signature").fetchall())
        assert rows == [("",)]


@pytest.mark.parametrize("junk", [-7, 2**63 - 1])
async def test_what_a_session_and_a_link_allowed_ends_with_them(
    junk: int, tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.users.add(User("mei", "admin", "hash", clock.ms))
        for digest in (b"1" * 32, b"2" * 32):
            await store.sessions.add(Session(digest, "mei", clock.ms, clock.ms, "10.0.0.9"))
        await store.user_links.put(UserLink("jan", "guard", b"3" * 32, clock.ms + 1000))
    change(tmp_path, f"UPDATE session SET created_at = {junk} WHERE token_hash = x'{'31' * 32}'")
    change(tmp_path, f"UPDATE user_link SET expires_at = {junk}")
    async with opened(tmp_path, clock) as store:
        assert [one.token_hash for one in store.sessions.of_user("mei")] == [b"2" * 32]
        assert store.damaged_rows.counts() == {}
    assert "a row of the table session is damaged: mei (created_at)" in caplog.text
    caplog.clear()
    async with opened(tmp_path, clock) as store:
        assert [one.token_hash for one in store.sessions.of_user("mei")] == [b"2" * 32]
    assert "damaged" not in caplog.text


def test_one_row_is_told_from_the_others_of_its_table() -> None:
    damaged = DamagedRows(is_told=False)
    damaged.note("device", "7", ("code",))
    assert damaged.knows("device")
    assert damaged.knows("device", "7")
    assert not damaged.knows("device", "8")
    assert not damaged.knows("user", "7")
    damaged.forget_table("device")
    assert not damaged.knows("device")
