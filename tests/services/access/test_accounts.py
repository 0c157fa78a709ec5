from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.errors import (
    AlreadyExists,
    BadParameter,
    InvalidAppId,
    NoSuchResource,
    NotAuthorised,
    TooManyRequests,
    WrongSignature,
)
from hub.services.access.accounts import ABSOLUTE_MS, COMMAND_LINE, IDLE_MS, Accounts, Actor
from hub.services.site.site import SiteSettings
from hub.wire.signing import sign_params
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD, HubServices, open_hub_services

ELSEWHERE = "10.0.0.66"
SITE = SiteSettings("North plant", "Asia/Shanghai", "zh")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
def accounts(hub: HubServices) -> Accounts:
    return hub.services.accounts


async def guess(accounts: Accounts, name: str, address: str, times: int = 1) -> list[int]:
    """Sign in with a wrong password; the seconds that each refusal asked to wait, 0 for a guess."""
    waits = []
    for _ in range(times):
        try:
            await accounts.sign_in(name, "wrong password", address)
        except TooManyRequests as error:
            waits.append(error.retry_after)
        except NotAuthorised:
            waits.append(0)
    return waits


def read_all(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


# Passwords and sessions


async def test_who_gives_the_right_password_has_a_session(accounts: Accounts) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    signed_in = await accounts.sign_in("ann", PASSWORD, "10.0.0.1")
    assert signed_in.user.role == "guard"
    assert await accounts.session(signed_in.token) == signed_in.user


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong password"), ("bob", PASSWORD)])
async def test_a_wrong_password_and_an_unknown_name_are_refused_alike(
    accounts: Accounts, name: str, password: str
) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised, match="name or password is wrong"):
        await accounts.sign_in(name, password, "10.0.0.1")


async def test_a_name_is_the_same_however_it_was_typed(accounts: Accounts) -> None:
    await accounts.add_user("Zoe\u0308", "guard", PASSWORD, by=COMMAND_LINE)
    assert (await accounts.sign_in(" Zo\u00eb ", PASSWORD, "10.0.0.1")).user.name == "Zo\u00eb"


async def test_passwords_and_tokens_are_stored_as_hashes_only(
    hub: HubServices, tmp_path: Path
) -> None:
    token = await hub.add_user("ann")
    secret = (await hub.services.accounts.add_api_key("x", False, by=COMMAND_LINE)).secret
    link = await hub.services.accounts.new_setup_link(by=COMMAND_LINE)
    files = read_all(tmp_path)
    assert b"$argon2id$v=19$" in files
    assert not [s for s in (token, secret, link, PASSWORD) if s.encode() in files]


async def test_a_session_survives_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        token = await hub.add_user("ann")
    async with open_hub_services(tmp_path, clock) as hub:
        user = await hub.services.accounts.session(token)
    assert user is not None
    assert user.name == "ann"


async def test_a_session_ends_after_a_shift_without_a_request(
    hub: HubServices, accounts: Accounts, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    clock.advance(IDLE_MS / 1000 - 1)
    assert await accounts.session(token)
    clock.advance(IDLE_MS / 1000 - 1)
    assert await accounts.session(token)
    clock.advance(IDLE_MS / 1000)
    assert await accounts.session(token) is None


async def test_a_session_in_use_ends_after_a_week(
    hub: HubServices, accounts: Accounts, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    for _ in range(7 * 24 - 1):
        clock.advance(3600)
        assert await accounts.session(token)
    clock.advance(3600)
    assert clock.ms - hub.store.sessions.of_user("ann")[0].created_at == ABSOLUTE_MS
    assert await accounts.session(token) is None


async def test_last_used_is_not_written_with_every_request(
    hub: HubServices, accounts: Accounts, clock: FrozenClock
) -> None:
    token = await hub.add_user("ann")
    begun = clock.ms
    clock.advance(299)
    await accounts.session(token)
    assert hub.store.sessions.of_user("ann")[0].last_used_at == begun
    clock.advance(1)
    await accounts.session(token)
    assert hub.store.sessions.of_user("ann")[0].last_used_at == clock.ms


async def test_an_unknown_token_is_nobody(accounts: Accounts) -> None:
    assert await accounts.session("no such token") is None


async def test_signing_out_ends_that_session_alone(hub: HubServices, accounts: Accounts) -> None:
    first = await hub.add_user("ann")
    second = (await accounts.sign_in("ann", PASSWORD, "10.0.0.2")).token
    await accounts.sign_out(first)
    assert await accounts.session(first) is None
    assert await accounts.session(second)


async def test_signing_out_everywhere_ends_all_of_them(
    hub: HubServices, accounts: Accounts
) -> None:
    tokens = [await hub.add_user("ann"), (await accounts.sign_in("ann", PASSWORD, "x")).token]
    other = await hub.add_user("bob")
    await accounts.sign_out_everywhere("ann", by=COMMAND_LINE)
    assert [await accounts.session(token) for token in tokens] == [None, None]
    assert await accounts.session(other)


async def test_one_user_holds_a_bounded_number_of_sessions(
    hub: HubServices, accounts: Accounts, clock: FrozenClock
) -> None:
    first = await hub.add_user("ann")
    for _ in range(64):
        clock.advance(1)
        await accounts.sign_in("ann", PASSWORD, "10.0.0.1")
    assert len(hub.store.sessions.of_user("ann")) == 64
    assert await accounts.session(first) is None


# Guessing


async def test_guessing_is_slowed_down_by_and_by(accounts: Accounts, clock: FrozenClock) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    assert await guess(accounts, "ann", ELSEWHERE, 5) == [0, 0, 0, 0, 0]
    holds = []
    for _ in range(8):
        (hold,) = await guess(accounts, "ann", ELSEWHERE)
        holds.append(hold)
        clock.advance(hold)
        assert await guess(accounts, "ann", ELSEWHERE) == [0]
    assert holds == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_who_stopped_guessing_starts_afresh(accounts: Accounts, clock: FrozenClock) -> None:
    await guess(accounts, "ann", ELSEWHERE, 6)
    clock.advance(900)
    assert await guess(accounts, "ann", ELSEWHERE, 5) == [0, 0, 0, 0, 0]


async def test_a_clock_that_is_set_back_shuts_nobody_out(
    accounts: Accounts, clock: FrozenClock
) -> None:
    await guess(accounts, "ann", ELSEWHERE, 6)
    clock.advance(-86_400)
    assert await guess(accounts, "ann", ELSEWHERE) == [0]


async def test_while_it_is_held_back_even_the_right_password_is_not_tried(
    accounts: Accounts,
) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await guess(accounts, "ann", ELSEWHERE, 5)
    with pytest.raises(TooManyRequests):
        await accounts.sign_in("ann", PASSWORD, ELSEWHERE)


async def test_many_guesses_at_once_are_no_way_around(accounts: Accounts) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    waits: list[int] = []

    async def one() -> None:
        waits.extend(await guess(accounts, "ann", ELSEWHERE))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)
    assert waits.count(0) == 5


async def test_a_guard_at_the_usual_pc_is_not_shut_out_by_guesses_from_elsewhere(
    accounts: Accounts,
) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await accounts.sign_in("ann", PASSWORD, "10.0.0.1")
    for n in range(40):
        await guess(accounts, "ann", f"10.0.1.{n}", 5)
    assert sum(await guess(accounts, "ann", "10.0.2.1"))
    assert await accounts.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_the_usual_pc_is_known_after_a_restart_too(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann")
    async with open_hub_services(tmp_path, clock) as hub:
        for n in range(30):
            await guess(hub.services.accounts, "ann", f"10.0.1.{n}")
        assert await hub.services.accounts.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_an_address_that_tries_many_names_is_slowed_down(accounts: Accounts) -> None:
    waits = [await guess(accounts, f"user {n}", ELSEWHERE) for n in range(30)]
    assert waits[:20] == [[0]] * 20
    assert waits[20:] == [[1]] * 10


async def test_an_ipv6_host_does_not_pass_by_changing_its_address(accounts: Accounts) -> None:
    for network in ("2001:db8:1:2:", "2001:db8:", "fe80:"):
        waits = [await guess(accounts, "ann", f"{network}:{n}:1:1") for n in range(1, 7)]
        assert waits == [[0]] * 5 + [[1]]


async def test_a_guard_is_not_shut_out_by_guesses_from_the_same_ipv6_network(
    accounts: Accounts,
) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    await accounts.sign_in("ann", PASSWORD, "fd00::1")
    for n in range(40):
        await guess(accounts, "ann", f"fd00::2:{n}")
    assert await accounts.sign_in("ann", PASSWORD, "fd00::1")


async def test_a_name_that_is_longer_than_any_is_not_kept_as_it_came(accounts: Accounts) -> None:
    waits = [await guess(accounts, f"{'x' * 70} {n}", ELSEWHERE) for n in range(6)]
    assert waits == [[0]] * 5 + [[1]]
    await accounts.add_user("x" * 64, "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        await accounts.sign_in("x" * 65, PASSWORD, "10.0.0.1")


async def test_a_good_sign_in_forgives_typing_errors(accounts: Accounts) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    for _ in range(10):
        await guess(accounts, "ann", "10.0.0.1", 1)
        await accounts.sign_in("ann", PASSWORD, "10.0.0.1")


async def test_too_many_waiting_sign_ins_are_refused_without_being_counted(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    monkeypatch.setattr("hub.services.access.passwords._MOST_WAITING", 0)
    assert await guess(accounts, "ann", "10.0.0.1", 20) == [5] * 20
    monkeypatch.undo()
    assert await accounts.sign_in("ann", PASSWORD, "10.0.0.1")


# Users


@pytest.mark.parametrize(
    ("name", "role", "password", "field"),
    [
        ("", "guard", PASSWORD, "name"),
        ("a" * 65, "guard", PASSWORD, "name"),
        ("a\nb", "guard", PASSWORD, "name"),
        ("ann", "root", PASSWORD, "role"),
        ("ann", "guard", "1234567", "password"),
        ("ann", "guard", "x" * 1025, "password"),
    ],
)
async def test_a_bad_user_is_refused_by_its_field(
    accounts: Accounts, name: str, role: str, password: str, field: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        await accounts.add_user(name, role, password, by=COMMAND_LINE)
    assert caught.value.field == field
    assert accounts.users() == ()


async def test_a_name_is_taken_once(accounts: Accounts) -> None:
    await accounts.add_user("ann", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(AlreadyExists):
        await accounts.add_user("ann", "admin", PASSWORD, by=COMMAND_LINE)


async def test_the_last_administrator_can_be_neither_removed_nor_demoted(
    accounts: Accounts,
) -> None:
    await accounts.add_user("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await accounts.add_user("bob", "guard", PASSWORD, by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await accounts.remove_user("ann", by=COMMAND_LINE)
    with pytest.raises(BadParameter):
        await accounts.set_role("ann", "guard", by=COMMAND_LINE)
    await accounts.set_role("bob", "admin", by=COMMAND_LINE)
    await accounts.remove_user("ann", by=COMMAND_LINE)
    assert [user.name for user in accounts.users()] == ["bob"]


async def test_two_administrators_cannot_remove_each_other_at_once(accounts: Accounts) -> None:
    await accounts.add_user("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await accounts.add_user("bob", "admin", PASSWORD, by=COMMAND_LINE)
    refused = []

    async def remove(name: str) -> None:
        try:
            await accounts.remove_user(name, by=COMMAND_LINE)
        except BadParameter:
            refused.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(remove, "ann")
        nursery.start_soon(remove, "bob")
    assert len(refused) == 1
    assert [user.name for user in accounts.users()] == refused


async def test_a_removed_user_is_signed_out(hub: HubServices, accounts: Accounts) -> None:
    await hub.add_user("ann")
    token = await hub.add_user("bob", "guard")
    await accounts.remove_user("bob", by=COMMAND_LINE)
    assert await accounts.session(token) is None
    await accounts.add_user("bob", "guard", PASSWORD, by=COMMAND_LINE)
    assert await accounts.session(token) is None


async def test_a_user_that_is_not_there_is_named(accounts: Accounts) -> None:
    with pytest.raises(NoSuchResource, match="nobody"):
        await accounts.set_role("nobody", "guard", by=COMMAND_LINE)


async def test_an_own_password_change_needs_the_old_one_and_ends_the_other_sessions(
    hub: HubServices, accounts: Accounts
) -> None:
    here = await hub.add_user("ann")
    there = (await accounts.sign_in("ann", PASSWORD, "10.0.0.2")).token
    me = Actor("user ann", "10.0.0.1")
    with pytest.raises(BadParameter) as caught:
        await accounts.change_password("ann", "not this one", "a new one", keep=here, by=me)
    assert caught.value.field == "old"
    await accounts.change_password("ann", PASSWORD, "a new one", keep=here, by=me)
    assert await accounts.session(here)
    assert await accounts.session(there) is None
    assert await accounts.sign_in("ann", "a new one", "10.0.0.1")


async def test_a_stolen_session_cannot_be_used_to_guess_the_password(
    hub: HubServices, accounts: Accounts
) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    for _ in range(5):
        with pytest.raises(BadParameter):
            await accounts.change_password("ann", "a guess", "a new one", keep=token, by=me)
    with pytest.raises(TooManyRequests):
        await accounts.change_password("ann", PASSWORD, "a new one", keep=token, by=me)


async def test_a_password_that_is_changed_while_many_sign_in_is_no_guess(
    hub: HubServices, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    me = Actor("user ann", ELSEWHERE)
    monkeypatch.setattr("hub.services.access.passwords._MOST_WAITING", 0)
    for _ in range(6):
        with pytest.raises(TooManyRequests, match="at once"):
            await accounts.change_password("ann", PASSWORD, "a new one", keep=token, by=me)
    monkeypatch.undo()
    await accounts.change_password("ann", PASSWORD, "a new one", keep=token, by=me)


async def test_an_own_change_does_not_undo_what_an_administrator_does_meanwhile(
    hub: HubServices, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    make = accounts._passwords.make

    async def overtaken(password: str) -> str:
        monkeypatch.undo()
        await accounts.set_password("ann", "an administrator's", by=COMMAND_LINE)
        return await make(password)

    monkeypatch.setattr(accounts._passwords, "make", overtaken)
    with pytest.raises(BadParameter):
        await accounts.change_password(
            "ann", PASSWORD, "a thief's own", keep=token, by=Actor("user ann")
        )
    assert await accounts.sign_in("ann", "an administrator's", "10.0.0.1")


async def test_a_password_that_was_set_by_another_signs_the_user_out(
    hub: HubServices, accounts: Accounts
) -> None:
    token = await hub.add_user("ann")
    await accounts.set_password("ann", "another one", by=COMMAND_LINE)
    assert await accounts.session(token) is None
    assert await accounts.sign_in("ann", "another one", "10.0.0.1")


# First run


async def test_the_set_up_link_makes_the_administrator_and_names_the_site(
    hub: HubServices, accounts: Accounts
) -> None:
    assert accounts.needs_setup()
    link = await accounts.new_setup_link(by=COMMAND_LINE)
    assert accounts.check_setup(link)
    signed_in = await accounts.complete_setup(link, "ann", PASSWORD, SITE, address="10.0.0.1")
    assert signed_in.user.role == "admin"
    assert await accounts.session(signed_in.token) == signed_in.user
    assert hub.services.site.name() == "North plant"
    assert not accounts.needs_setup()


async def test_the_set_up_link_is_used_once(accounts: Accounts) -> None:
    link = await accounts.new_setup_link(by=COMMAND_LINE)
    outcomes = []

    async def use(name: str) -> None:
        try:
            await accounts.complete_setup(link, name, PASSWORD, SITE, address="10.0.0.1")
            outcomes.append("in")
        except NotAuthorised:
            outcomes.append("used")

    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(use, f"user {n}")
    assert sorted(outcomes) == ["in", "used", "used", "used"]
    assert len(accounts.users()) == 1


async def test_the_set_up_link_is_good_for_a_day(accounts: Accounts, clock: FrozenClock) -> None:
    link = await accounts.new_setup_link(by=COMMAND_LINE)
    clock.advance(24 * 3600 - 1)
    assert accounts.check_setup(link)
    clock.advance(1)
    assert not accounts.check_setup(link)


async def test_a_new_set_up_link_replaces_the_earlier_one(accounts: Accounts) -> None:
    first = await accounts.new_setup_link(by=COMMAND_LINE)
    second = await accounts.new_setup_link(by=COMMAND_LINE)
    assert not accounts.check_setup(first)
    assert accounts.check_setup(second)


async def test_without_a_link_nothing_opens_the_set_up(accounts: Accounts) -> None:
    assert not accounts.check_setup("")
    with pytest.raises(NotAuthorised):
        await accounts.complete_setup("", "ann", PASSWORD, SITE, address="10.0.0.1")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": "short"}, "password"),
        ({"name": ""}, "name"),
        ({"site": SiteSettings("x", "Mars/Olympus", "zh")}, "zone"),
    ],
)
async def test_a_bad_set_up_form_leaves_the_link_good(
    accounts: Accounts, changed: dict[str, Any], field: str
) -> None:
    link = await accounts.new_setup_link(by=COMMAND_LINE)
    form = {"name": "ann", "password": PASSWORD, "site": SITE} | changed
    with pytest.raises(BadParameter) as caught:
        await accounts.complete_setup(link, **form, address="10.0.0.1")
    assert caught.value.field == field
    assert accounts.check_setup(link)
    assert accounts.needs_setup()


# API keys


async def test_a_key_is_taken_with_its_secret_alone(accounts: Accounts) -> None:
    key = await accounts.add_api_key("erp", True, by=COMMAND_LINE)
    known = accounts.authenticate_key(f"{key.appid}:{key.secret}")
    assert (known.name, known.read_only) == ("erp", True)
    for wrong in ("", ":", key.appid, f"{key.appid}:", f"{key.appid}:x", f"nobody:{key.secret}"):
        with pytest.raises(NotAuthorised):
            accounts.authenticate_key(wrong)


async def test_a_removed_key_is_refused(accounts: Accounts) -> None:
    key = await accounts.add_api_key("erp", True, by=COMMAND_LINE)
    await accounts.remove_api_key(key.appid, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        accounts.authenticate_key(f"{key.appid}:{key.secret}")
    with pytest.raises(NoSuchResource):
        await accounts.remove_api_key(key.appid, by=COMMAND_LINE)


async def test_a_signed_request_is_checked_as_in_chapter_3(
    accounts: Accounts, clock: FrozenClock
) -> None:
    key = await accounts.add_api_key("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": str(int(clock())), "kind": "face", "did": ""}
    params["sign"] = sign_params(params, key.secret)
    assert accounts.authenticate_sign(params).name == "erp"
    with pytest.raises(WrongSignature):
        accounts.authenticate_sign(params | {"kind": "event"})
    with pytest.raises(InvalidAppId):
        accounts.authenticate_sign(params | {"appid": "nobody"})
    with pytest.raises(WrongSignature):
        accounts.authenticate_sign(params | {"sign": ""})
    clock.advance(301)
    with pytest.raises(WrongSignature, match="ts"):
        accounts.authenticate_sign(params)


async def test_a_signed_request_with_a_ts_that_is_no_time_has_a_wrong_signature(
    accounts: Accounts,
) -> None:
    key = await accounts.add_api_key("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": "yesterday"}
    with pytest.raises(WrongSignature, match="ts"):
        accounts.authenticate_sign(params | {"sign": sign_params(params, key.secret)})


# Audit


async def test_who_hangs_up_does_not_stop_a_change_half_way(
    accounts: Accounts, hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await hub.add_user("ann")
    set_password = hub.store.users.set_password

    async def set_password_and_hang_up(name: str, password_hash: str) -> None:
        await set_password(name, password_hash)
        caller.cancel()

    monkeypatch.setattr(hub.store.users, "set_password", set_password_and_hang_up)
    with trio.CancelScope() as caller:
        await accounts.set_password("ann", "another one", by=COMMAND_LINE)
    assert await accounts.session(token) is None
    assert (await accounts.audit_page())[0].action == "user.password"


async def test_a_set_up_that_has_begun_is_finished_though_its_browser_hangs_up(
    accounts: Accounts, hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await accounts.new_setup_link(by=COMMAND_LINE)
    set_value = hub.store.settings.set

    async def set_and_hang_up(key: str, value: str | None) -> None:
        await set_value(key, value)
        caller.cancel()

    monkeypatch.setattr(hub.store.settings, "set", set_and_hang_up)
    with trio.CancelScope() as caller:
        await accounts.complete_setup(token, "ann", PASSWORD, SITE, address=ELSEWHERE)
    assert not accounts.needs_setup()
    assert hub.services.site.name() == SITE.name


async def test_every_change_is_in_the_audit_log(accounts: Accounts) -> None:
    by = Actor("user root", "10.0.0.9")
    await accounts.add_user("ann", "admin", PASSWORD, by=by)
    await accounts.add_user("bob", "guard", PASSWORD, by=by)
    await accounts.set_role("bob", "viewer", by=by)
    await accounts.set_password("bob", "another one", by=by)
    await accounts.sign_out_everywhere("bob", by=by)
    await accounts.remove_user("bob", by=by)
    key = await accounts.add_api_key("erp", True, by=by)
    await accounts.remove_api_key(key.appid, by=by)
    entries = await accounts.audit_page()
    assert {(entry.who, entry.address) for entry in entries} == {("user root", "10.0.0.9")}
    assert [entry.action for entry in reversed(entries)] == [
        "user.add",
        "user.add",
        "user.role",
        "user.password",
        "user.sign_out_everywhere",
        "user.remove",
        "apikey.add",
        "apikey.remove",
    ]
    assert not [entry for entry in entries if key.secret in entry.target]
