"""Commands that change something on a camera, recorded in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.errors import HubError, NotSent
from hub.services.access.users import User
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.device_errors import DEVICE_ERRORS


async def perform_audited(
    device: DeviceView,
    by: User,
    action: str,
    ask: Callable[[], Awaitable[object]],
    *,
    item: str = "",
) -> HubError | None:
    """Run `ask`, which commands the device, and record it in the audit log.

    Return the error that the device caused, one of DEVICE_ERRORS, or None. `item` names an item on
    the camera, such as a person. A command that was sent is recorded even if it was refused or not
    answered, because the device may have carried it out.
    """
    error_of_device: HubError | None = None
    try:
        await ask()
    except DEVICE_ERRORS as error:
        error_of_device = error
    if not isinstance(error_of_device, NotSent):
        target = f"{device.did} {item}".rstrip()
        await auth.services().audit.add(auth.actor(by), action, target)
    return error_of_device
