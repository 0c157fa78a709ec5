from __future__ import annotations

import pytest

from hub.errors import InvalidAppId, NoSuchResource, NotAuthorised, WrongSignature
from hub.services.access.audit import COMMAND_LINE
from hub.wire.signing import sign_params
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices


async def test_a_key_is_accepted_only_with_its_secret(hub: HubServices) -> None:
    key = await hub.services.api_keys.add("erp", True, by=COMMAND_LINE)
    known = hub.services.api_keys.authenticate(f"{key.appid}:{key.secret}")
    assert (known.name, known.read_only) == ("erp", True)
    for wrong in ("", ":", key.appid, f"{key.appid}:", f"{key.appid}:x", f"nobody:{key.secret}"):
        with pytest.raises(NotAuthorised):
            hub.services.api_keys.authenticate(wrong)


async def test_a_removed_key_is_refused(hub: HubServices) -> None:
    key = await hub.services.api_keys.add("erp", True, by=COMMAND_LINE)
    await hub.services.api_keys.remove(key.appid, by=COMMAND_LINE)
    with pytest.raises(NotAuthorised):
        hub.services.api_keys.authenticate(f"{key.appid}:{key.secret}")
    with pytest.raises(NoSuchResource):
        await hub.services.api_keys.remove(key.appid, by=COMMAND_LINE)


async def test_a_signed_request_is_checked_as_chapter_3_says(
    hub: HubServices, clock: FrozenClock
) -> None:
    key = await hub.services.api_keys.add("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": str(int(clock())), "kind": "face", "did": ""}
    params["sign"] = sign_params(params, key.secret)
    assert hub.services.api_keys.authenticate_signed(params).name == "erp"
    with pytest.raises(WrongSignature):
        hub.services.api_keys.authenticate_signed(params | {"kind": "event"})
    with pytest.raises(InvalidAppId):
        hub.services.api_keys.authenticate_signed(params | {"appid": "nobody"})
    with pytest.raises(WrongSignature):
        hub.services.api_keys.authenticate_signed(params | {"sign": ""})
    clock.advance(301)
    with pytest.raises(WrongSignature, match="ts"):
        hub.services.api_keys.authenticate_signed(params)


async def test_a_signed_request_whose_ts_is_not_a_time_has_a_wrong_signature(
    hub: HubServices,
) -> None:
    key = await hub.services.api_keys.add("erp", False, by=COMMAND_LINE)
    params = {"appid": key.appid, "ts": "yesterday"}
    with pytest.raises(WrongSignature, match="ts"):
        hub.services.api_keys.authenticate_signed(
            params | {"sign": sign_params(params, key.secret)}
        )


async def test_the_last_use_of_a_key_is_shown_at_once_and_saved_at_intervals(
    hub: HubServices, clock: FrozenClock
) -> None:
    keys = hub.services.api_keys
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
