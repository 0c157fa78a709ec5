"""Authentication of a device's HTTP requests: by token, by signature (三), or by address (D8)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from hub.errors import (
    BadParameter,
    DeviceNotRegistered,
    InvalidAppId,
    NotAuthorised,
    WrongSignature,
)
from hub.live.registry import Registry
from hub.log import limited
from hub.services.admission.tokens import DeviceTokens
from hub.services.admission.unsigned.misuse import Misuse
from hub.services.admission.unsigned.policy import UnsignedPolicy
from hub.services.signed_times import SignedTimes
from hub.store.tables.devices import Device
from hub.wire.signing import ts_seconds, verify_params_sign

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)


class Authentication:
    """Finds the device that sent a request, and marks it as seen. Reads only memory."""

    def __init__(self, core: Core, registry: Registry) -> None:
        self._store = core.store
        self._registry = registry
        self._settings = core.settings
        self._policy = UnsignedPolicy(core.settings)
        self._times = SignedTimes(core)
        #: Tokens and secret addresses of unsigned devices that were used from elsewhere.
        self.misuse = Misuse()
        self.tokens = DeviceTokens(core)

    def by_token(self, token: str | None, address: str = "") -> Device:
        """Return the device that the token was issued to. Raises NotAuthorised.

        The token of an unsigned device counts only from its address (D12).
        """
        device = self._store.devices.by_did(self.tokens.lookup(token).did)
        if device is not None and device.connects == "unsigned":
            self._check_address(device, address)
        return self._mark_seen(device)

    def by_signature(self, query: Mapping[str, str]) -> Device:
        """Return the device that signed the query as in 三, with the appid and secret of D3.

        If the query has a `body_md5`, the signature covers it, and the caller compares it with the
        body. Raises InvalidAppId, WrongSignature, NotAuthorised.
        """
        device = self._store.devices.by_appid(query.get("appid", ""))
        if device is None or device.connects == "unsigned":
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
        if device is not None and device.connects == "unsigned":
            self._check_address(device, address)
            if device.path_hash is not None:
                raise NotAuthorised("the device has an address of the hub of its own")
        return self._mark_seen(device)

    def by_path(self, path_hash: str, address: str) -> Device | None:
        """D12: return the unsigned device whose secret this is, if it is online from there.

        `path_hash`: see hub.services.admission.unsigned.paths. Raises NotAuthorised.
        """
        device = self._store.devices.by_path(path_hash)
        if device is None:
            return None
        self._check_address(device, address)
        if not self._registry.is_online_from(device.sn, address):
            return None
        return self._mark_seen(device)

    def is_address_known(self, address: str) -> bool:
        """Whether any device is online from this address."""
        return self._registry.is_any_online_from(address)

    def _check_address(self, device: Device, address: str) -> None:
        """Check that an unsigned device sends from where it was approved. Raises NotAuthorised."""
        if address != device.pinned_address:
            self.misuse.note(device.did)
            limited(
                log,
                logging.WARNING,
                f"misuse {device.did}",
                "the token or secret address of %s, which connects without a signature, was used "
                "from %s: refused",
                device.name or device.sn,
                address,
            )
            raise NotAuthorised("it counts only from the address of its device")
        if self._policy.objection(address) is not None:
            raise NotAuthorised("devices without a signature are not allowed from this address")

    def _check_time(self, device: Device, ts_text: str) -> None:
        try:
            signed_at = ts_seconds(ts_text)
        except BadParameter:
            raise WrongSignature("ts: a UNIX time in seconds is required") from None
        skew = self._settings.current.devices.clock_skew
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
