"""Why pending and failing devices are refused, kept current as keys and codes change (D3).

Of a pending device, only the last connect attempt is known. Whether a code and a key match is
computed from the signature of that attempt.
"""

from __future__ import annotations

from msgspec import UNSET

from hub.errors import WrongSignature
from hub.live.pending_devices import ConnectAttempt, PendingDevice, PendingDevices
from hub.live.refusal_reasons import RefusalReason, has_proved_key
from hub.services.devices.keys import DeviceKeys
from hub.services.devices.verification import VerifiedSign, all_reasons, verify_connect
from hub.store.db import Store
from hub.store.tables.devices import Device, DeviceChange

#: Reasons that come after a good signature and do not depend on the device's settings.
_AFTER_SIGNATURE = ("foreign-did", "no-did")


class Refusals:
    """Computes the reasons to refuse devices, and updates those that PendingDevices holds."""

    def __init__(self, store: Store, keys: DeviceKeys, pending: PendingDevices) -> None:
        self._store = store
        self._keys = keys
        self._pending = pending

    def of_unknown(
        self, attempt: ConnectAttempt, time: RefusalReason | None
    ) -> tuple[RefusalReason, ...]:
        """Return the reasons to show for a device that is not enrolled."""
        verified = verify_connect(attempt, keys=self._keys.or_site_key(None), code=None)
        return all_reasons(verified, time)

    def verify_pending(
        self, device: PendingDevice, *, key: str | None, code: str
    ) -> VerifiedSign | None:
        """Verify a pending device's signature; None if it sends none (D3).

        The site key is used unless a `key` is given. Raises WrongSignature, after storing the
        reason with the pending device.
        """
        verified = self._verify(device, key, code)
        if isinstance(verified, VerifiedSign):
            return verified
        if verified.code == "no-signature":
            return None
        raise self._wrong_signature(device, verified)

    def check_replacement(self, device: Device, sn: str, change: DeviceChange) -> None:
        """Verify the camera with this SN, which replaces the device's, if it is pending.

        Raises WrongSignature. Attempts that are not signed with a known key are ignored: anyone can
        send that SN.
        """
        pending = self._pending.find(sn)
        if pending is None:
            return
        key = device.key if change.key is UNSET else change.key
        code = change.code
        if code is UNSET:
            code = self._store.devices.secrets(device.did).code
        verified = self._verify(pending, key, code)
        if isinstance(verified, VerifiedSign):
            return
        is_signed = has_proved_key(self.of_unknown(pending.attempt, None))
        if verified.code == "code-mismatch" or is_signed:
            raise self._wrong_signature(pending, verified)

    def reassess(self, device: Device, code: str) -> None:
        """Update the reasons for which the device's last connect would now be refused."""
        pending = self._pending.find(device.sn) or self._pending.failure(device.did)
        self._pending.forget(device.sn)
        if pending is None:
            return
        if device.connects == "unsigned":
            self._pending.reassess_failure(device.did, pending, ())
            return
        verified = verify_connect(pending.attempt, keys=self._keys.of(device), code=code)
        reasons = list(all_reasons(verified, self._time_reason(device, pending)))
        if isinstance(verified, VerifiedSign):
            reasons += [reason for reason in pending.reasons if reason.code in _AFTER_SIGNATURE]
        self._pending.reassess_failure(device.did, pending, reasons)

    def reassess_site_key_devices(self) -> None:
        """Reassess every device that is verified with the site key, which has changed."""
        for device in self._keys.devices_of_site_key():
            self.reassess(device, self._store.devices.secrets(device.did).code)
        for pending in self._pending.pending():
            reasons = self.of_unknown(pending.attempt, pending.time_reason)
            self._pending.set_reasons(pending.sn, reasons)

    def _verify(
        self, device: PendingDevice, key: str | None, code: str
    ) -> VerifiedSign | RefusalReason:
        return verify_connect(device.attempt, keys=self._keys.or_site_key(key), code=code)

    def _wrong_signature(self, device: PendingDevice, reason: RefusalReason) -> WrongSignature:
        reasons = all_reasons(reason, device.time_reason)
        self._pending.set_reasons(device.sn, reasons)
        return WrongSignature("; ".join(reason.sentence for reason in reasons))

    def _time_reason(self, device: Device, pending: PendingDevice) -> RefusalReason | None:
        """Return why the attempt's time is still refused. Untrusted clocks are not checked."""
        was_accepted = self._store.tokens.was_accepted(pending.sn, pending.attempt.ts_text)
        return pending.time_reason if device.clock_trusted or was_accepted else None
