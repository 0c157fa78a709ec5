"""Authentication of a device's HTTP requests: by token, by signature (三), or by address (D8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hub.config import DevicesConfig
from hub.errors import (
    BadParameter,
    DeviceNotRegistered,
    InvalidAppId,
    NotAuthorised,
    WrongSignature,
)
from hub.live.registry import Registry
from hub.services.admission.tokens import DeviceTokens
from hub.services.devices.directory import Device
from hub.services.signed_times import SignedTimes
from hub.store.db import Store
from hub.wire.signing import ts_seconds, verify_params_sign


class Authentication:
    """Finds the device that sent a request, and marks it as seen. Reads only memory."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        config: DevicesConfig,
        times: SignedTimes,
        lives: Callable[[], float],
        forget_before: Callable[[], int],
    ) -> None:
        """`lives` is the clock by which tokens end."""
        self._store = store
        self._registry = registry
        self._config = config
        self._times = times
        self.tokens = DeviceTokens(store.tokens, config.token_ttl, lives, forget_before)

    def configure(self, config: DevicesConfig) -> None:
        """Take over new settings."""
        self._config = config
        self.tokens.configure(config.token_ttl)

    def by_token(self, token: str | None) -> Device:
        """Return the device that the token was issued to. Raises NotAuthorised."""
        return self._mark_seen(self._store.devices.by_did(self.tokens.lookup(token).did))

    def by_signature(self, query: Mapping[str, str]) -> Device:
        """Return the device that signed the query as in 三, with the appid and secret of D3.

        If the query has a `body_md5`, the signature covers it, and the caller compares it with the
        body. Raises InvalidAppId, WrongSignature, NotAuthorised.
        """
        device = self._store.devices.by_appid(query.get("appid", ""))
        if device is None:
            raise InvalidAppId()
        if not verify_params_sign(query, self._store.devices.secrets(device.did).secret):
            raise WrongSignature("the signature does not match the parameters")
        self._check_time(device, query.get("ts", ""))
        return self._mark_seen(device)

    def by_address(self, sn: str, did: str, address: str) -> Device | None:
        """D8: return the device with this SN if it is online from this address, otherwise None.

        Raises DeviceNotRegistered if a `did` is given but no device has it, and NotAuthorised. A
        camera that cannot store a did may send a number of its own (D12).
        """
        if not self._registry.is_online_from(sn, address):
            return None
        device = self._store.devices.by_sn(sn)
        has_did = device is None or device.did_state != "none"
        if did and has_did and self._store.devices.by_did(did) is None:
            raise DeviceNotRegistered(f"did: no device with did {did} is registered")
        return self._mark_seen(device)

    def is_address_known(self, address: str) -> bool:
        """Whether any device is online from this address."""
        return self._registry.is_any_online_from(address)

    def _check_time(self, device: Device, ts_text: str) -> None:
        try:
            signed_at = ts_seconds(ts_text)
        except BadParameter:
            raise WrongSignature("ts: a UNIX time in seconds is required") from None
        skew = self._config.clock_skew
        if not device.clock_trusted:
            return
        if not self._times.is_near(signed_at, skew):
            raise WrongSignature("ts is too far from the hub's time")
        newest = self._times.newest(partial(self._store.tokens.newest_accepted, device.sn), skew)
        if newest is not None and signed_at < newest - skew:
            raise WrongSignature("ts is older than that of an earlier connect")

    def _mark_seen(self, device: Device | None) -> Device:
        if device is None or not device.enabled:
            raise NotAuthorised("the device is disabled")
        self._registry.touch(device.did)
        return device
