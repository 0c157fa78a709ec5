"""Devices as pages and integrators see them: what is stored, reported and live, in one struct."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hub.live.pending_devices import PendingDevice


class DeviceView(Struct, frozen=True, kw_only=True):
    """A device as pages and integrators see it. Times are UNIX milliseconds.

    `waiting`: the last connect of an offline device where it failed, as far as known.
    `init_outcome`: how it took the initial parameters (D3). `clock_offset`: seconds, positive
    where its clock is ahead. `previous_key_until`: until when an earlier key is good too.
    """

    did: str
    sn: str
    name: str
    state: Literal["online", "offline", "disabled"]
    enabled: bool
    ip: str | None
    last_seen: int | None
    online_since: int | None
    fw_ver: str | None
    sw_ver: str | None
    os_ver: str | None
    hw_ver: str | None
    dev_name: str | None
    clock_offset: float | None
    clock_trusted: bool
    waiting: PendingDevice | None
    has_own_key: bool
    previous_key_until: int | None
    sign_form: str | None
    init_outcome: str | None
    last_picture: str | None
    created_at: int

    @property
    def waiting_reason(self) -> str | None:
        return self.waiting.reason if self.waiting else None


class DevicePage(Struct, frozen=True):
    """`next`: the did behind which the list goes on; None where that was all."""

    items: list[DeviceView]
    next: str | None
