from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import InvalidAppId, NoSuchResource, NotAllowed, NotAuthorised, WrongSignature
from hub.services.access.api_keys import NewApiKey
from hub.services.audit import COMMAND_LINE
from hub.wire.signing import sign_params
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

GET = ("GET", "/api/hub/v1/records")
DELETE = ("DELETE", "/api/hub/v1/devices/1")


async def test_a_key_is_accepted_only_with_its_secret(hub: HubServices) -> None:
    key = await hub.services.access.api_keys.add("erp", True, by=COMMAND_LINE)
    known = hub.services.access.api_keys.authenticate(f"{key.appid}:{key.secret}")
    assert (known.name, known.read_only) == ("erp", True)
    for wrong in ("", ":", key.appid, f"{key.appid}:", f"{key.appid}:x", f"nobody:{key.secret}"):
        with pytest.raises(NotAuthorised):
            hub.services.access.api_keys.authenticate(wrong)


async def test_a_removed_key_is_refused(hub: HubServices) -> None:
    key = await hub.services.access.api_keys.add("erp", True, by=COMMAND_LINE)
    await hub.services.access.api_keys.remove(key.appid, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        hub.services.access.api_keys.authenticate(f"{key.appid}:{key.secret}")
    with pytest.raises(NoSuchResource):
        await hub.services.access.api_keys.remove(key.appid, by=COMMAND_LINE)


async def test_a_signed_request_is_checked_as_chapter_3_says(
    hub: HubServices, clock: FrozenClock
) -> None:
    key = await hub.services.access.api_keys.add("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": str(int(clock())), "kind": "face", "did": ""}
    params["sign"] = sign_params(params, key.secret)
    assert hub.services.access.api_keys.authenticate_signed(params, *GET).name == "erp"
    with pytest.raises(WrongSignature):
        hub.services.access.api_keys.authenticate_signed(params | {"kind": "event"}, *GET)
    with pytest.raises(InvalidAppId):
        hub.services.access.api_keys.authenticate_signed(params | {"appid": "nobody"}, *GET)
    with pytest.raises(WrongSignature):
        hub.services.access.api_keys.authenticate_signed(params | {"sign": ""}, *GET)
    clock.advance(301)
    with pytest.raises(WrongSignature, match="ts"):
        hub.services.access.api_keys.authenticate_signed(params, *GET)


def signed_change(key: NewApiKey, ts: float, method: str, path: str) -> dict[str, str]:
    params = {"appid": key.appid, "ts": f"{ts:.0f}", "method": method, "path": path}
    return params | {"sign": sign_params(params, key.secret)}


async def test_the_signature_of_a_change_stays_used_over_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        key = await hub.services.access.api_keys.add("erp", False, by=COMMAND_LINE)
        params = signed_change(key, clock(), *DELETE)
        await hub.services.access.api_keys.authenticate_signed_change(params, *DELETE)
    async with open_hub_services(tmp_path, clock) as hub:
        with pytest.raises(WrongSignature, match="used before"):
            await hub.services.access.api_keys.authenticate_signed_change(params, *DELETE)


async def test_the_signature_of_a_change_stays_used_when_the_clock_is_set_back(
    hub: HubServices, clock: FrozenClock
) -> None:
    keys = hub.services.access.api_keys
    key = await keys.add("erp", False, by=COMMAND_LINE)
    params = signed_change(key, clock(), *DELETE)
    await keys.authenticate_signed_change(params, *DELETE)
    clock.advance(3 * 86_400)
    await keys.forget_used_signatures()
    assert not hub.store.used_signatures._used[key.appid]
    clock.advance(-3 * 86_400)
    with pytest.raises(WrongSignature, match="used before"):
        await keys.authenticate_signed_change(params, *DELETE)


async def test_a_signature_of_a_read_only_key_is_not_used_up_by_a_change(
    hub: HubServices, clock: FrozenClock
) -> None:
    key = await hub.services.access.api_keys.add("erp", True, by=COMMAND_LINE)
    for _ in range(2):
        with pytest.raises(NotAllowed):
            await hub.services.access.api_keys.authenticate_signed_change(
                signed_change(key, clock(), *DELETE), *DELETE
            )


async def test_a_signed_request_whose_ts_is_not_a_time_has_a_wrong_signature(
    hub: HubServices,
) -> None:
    key = await hub.services.access.api_keys.add("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": "yesterday"}
    with pytest.raises(WrongSignature, match="ts"):
        hub.services.access.api_keys.authenticate_signed(
            params | {"sign": sign_params(params, key.secret)}, *GET
        )


async def test_the_last_use_of_a_key_is_shown_at_once_and_saved_at_intervals(
    hub: HubServices, clock: FrozenClock
) -> None:
    keys = hub.services.access.api_keys
    new = await keys.add("payroll", True, by=COMMAND_LINE)
    assert [key.last_used_at for key in keys.all()] == [None]
    clock.advance(60)
    keys.authenticate(f"{new.appid}:{new.secret}")
    assert [key.last_used_at for key in keys.all()] == [clock.ms]
    assert [key.last_used_at for key in hub.store.api_keys.all()] == [None]
    await keys.save_used()
    assert [key.last_used_at for key in hub.store.api_keys.all()] == [clock.ms]
    await keys.remove(new.appid, by=COMMAND_LINE)
    await keys.save_used()


async def test_a_signed_read_may_have_a_parameter_path_of_its_own(
    hub: HubServices, clock: FrozenClock
) -> None:
    """As `GET /media/device/DID` has."""
    key = await hub.services.access.api_keys.add("erp", True, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": str(int(clock())), "path": "/data/1.jpg"}
    params["sign"] = sign_params(params, key.secret)
    assert hub.services.access.api_keys.authenticate_signed(
        params, "GET", "/media/device/1"
    ).read_only


async def test_a_signature_from_before_the_newest_change_is_refused_while_the_clock_is_doubted(
    hub: HubServices, clock: FrozenClock
) -> None:
    right, year = clock(), 365 * 86_400
    keys = hub.services.access.api_keys
    key = await keys.add("erp", False, by=COMMAND_LINE)
    await keys.authenticate_signed_change(signed_change(key, right, *DELETE), *DELETE)
    clock.advance(-year)
    old = signed_change(key, clock(), *GET)
    with pytest.raises(WrongSignature, match="older than that of an earlier change"):
        keys.authenticate_signed(old, *GET)
    # Two programs with the same key may differ a little.
    assert keys.authenticate_signed(signed_change(key, right - 60, *GET), *GET).name == "erp"
