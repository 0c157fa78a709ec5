"""Commands that change something on a camera, recorded in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.errors import HubError, NotSent
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.device_errors import DEVICE_ERRORS


async def perform_audited(
    device: DeviceView,
    action: str,
    ask: Callable[[], Awaitable[object]],
) -> HubError | None:
    """Run `ask`, which commands the device, and record it in the audit log.

    Return the error that the device caused, one of DEVICE_ERRORS, or None. A command that was sent
    is recorded even if it was refused or not answered, because the device may have carried it out.
    Whom it was about is not recorded: an erasure leaves nothing that says so.
    """
    error_of_device: HubError | None = None
    try:
        await ask()
    except DEVICE_ERRORS as error:
        error_of_device = error
    if not isinstance(error_of_device, NotSent):
        await auth.services().core.audit.add(auth.actor(), action, device.did)
    return error_of_device
