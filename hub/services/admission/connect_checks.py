"""The checks that a connect must pass, in the order of D2."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hub.errors import DeviceNotRegistered, HubError, NotAuthorised, WrongSignature
from hub.live.pending_devices import PendingDevice, PendingDevices
from hub.live.refusal_reasons import RefusalReason
from hub.services.admission.provisioning import Provisioning
from hub.services.devices.directory import Devices
from hub.services.devices.verification import VerifiedSign, all_reasons, verify_connect
from hub.services.signed_times import SignedTimes
from hub.store.tables.devices import Device
from hub.wire.session import ConnectParam

if TYPE_CHECKING:
    from hub.services.core import Core

#: Two connects this far apart have different timestamps (1.1) unless the clock stands still.
_SAME_TIME_MS = 2000


class MissingDid(DeviceNotRegistered):
    """D2: a good connect without a did. `offer`: send the initial parameters now."""

    def __init__(self, did: str, *, offer: bool) -> None:
        super().__init__("did: missing: store the initial parameters, then connect with it")
        self.did = did
        self.offer = offer


class ConnectRefused(Exception):
    """A check failed. `signed`: the signature was good, so the answer is not delayed (D2)."""

    def __init__(self, error: HubError, *reasons: RefusalReason, signed: bool = True) -> None:
        super().__init__(reasons[0].sentence)
        self.error = error
        self.reasons = reasons
        self.signed = signed


class ConnectChecks:
    """Checks connects of enrolled devices; a check that fails raises Refused."""

    def __init__(
        self, core: Core, pending: PendingDevices, devices: Devices, provisioning: Provisioning
    ) -> None:
        self._store = core.store
        self._pending = pending
        self._devices = devices
        self._provisioning = provisioning
        self._settings = core.settings
        self._now = core.now
        self._times = SignedTimes(core)

    def run(self, device: Device, param: ConnectParam) -> VerifiedSign:
        """Run the checks that need no write, up to the one for a foreign did. Raises Refused."""
        verified = verify_connect(
            param,
            keys=self._devices.keys.of(device),
            code=self._store.devices.secrets(device.did).code,
        )
        time = None
        if device.clock_trusted:
            time = self.time_reason(param, self._pending.failure(device.did))
        if isinstance(verified, RefusalReason):
            if verified.code == "no-signature" and self._devices.device(device.did).sign_form:
                # D12: it signed before. Never reclassify it, or this would be the attack.
                verified = RefusalReason("signature-dropped")
            reasons = all_reasons(verified, time)
            raise ConnectRefused(WrongSignature(verified.refusal), *reasons, signed=False)
        if time is not None:
            if time.code == "clock-off":
                self._devices.note(device.sn, clock_offset=param.ts - self._now())
            raise ConnectRefused(WrongSignature(time.refusal), time)
        if self._store.tokens.was_accepted(param.sn, param.ts_text) or (
            device.clock_trusted and self._may_be_forgotten(param)
        ):
            raise replayed()
        if not device.enabled:
            reason = RefusalReason("disabled")
            raise ConnectRefused(NotAuthorised(reason.refusal), reason)
        if param.did and param.did != device.did:
            reason = RefusalReason("foreign-did", {"did": param.did})
            raise ConnectRefused(DeviceNotRegistered(reason.refusal), reason)
        return verified

    def time_reason(
        self, param: ConnectParam, before: PendingDevice | None
    ) -> RefusalReason | None:
        """Return why the connect's timestamp is refused; None if it is not.

        `before` is the last connect of the device, if that failed.
        """
        if self._times.is_near(param.ts, self._settings.current.devices.clock_skew):
            return None
        stands_still = (
            before is not None
            and before.attempt.ts_text == param.ts_text
            and int(self._now() * 1000) - before.last_seen > _SAME_TIME_MS
        )
        # The timestamp of an earlier connect does not show whether the clock is off now.
        if stands_still or self._store.tokens.was_accepted(param.sn, param.ts_text):
            return RefusalReason("replayed")
        return RefusalReason("clock-off", {"seconds": f"{param.ts - self._now():.0f}"})

    def _may_be_forgotten(self, param: ConnectParam) -> bool:
        """Whether the hub's clock is doubted, and this may have been accepted long ago."""
        find = partial(self._store.tokens.newest_accepted, param.sn)
        newest = self._times.newest(find, self._settings.current.devices.clock_skew)
        return newest is not None and param.ts <= newest

    async def check_empty_did(self, device: Device, param: ConnectParam) -> None:
        """Check whether a connect may lack a did, and store what it shows about the device.

        Raises Refused with MissingDid.
        """
        state = self._provisioning.did_state(device)
        if param.did:
            if state in ("sent", "none"):
                await self._provisioning.settle_did(device.did, "known")
            return
        mode = self._settings.current.devices.require_did
        if mode == "never" or (mode == "auto" and state == "none"):
            return
        if mode == "auto" and state == "sent":
            # It accepted the parameters, and still connects without a did: it cannot keep one.
            await self._provisioning.settle_did(device.did, "none")
            return
        offer = not self._provisioning.is_offering(device.did)
        raise ConnectRefused(MissingDid(device.did, offer=offer), RefusalReason("no-did"))


def replayed() -> ConnectRefused:
    reason = RefusalReason("replayed")
    return ConnectRefused(WrongSignature(reason.refusal), reason)
