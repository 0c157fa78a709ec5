"""Commands that change something on a camera, noted in the audit log."""

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
    of: str = "",
) -> HubError | None:
    """Run `ask`, which commands the device, and note it in the audit log.

    Return the error that the device caused, one of DEVICE_ERRORS, or None. `of` names the item on
    the camera, such as a person. A command that was sent is noted even if it was refused or not
    answered, because the device may have carried it out.
    """
    error_of_device: HubError | None = None
    try:
        await ask()
    except DEVICE_ERRORS as error:
        error_of_device = error
    if not isinstance(error_of_device, NotSent):
        target = f"{device.did} {of}".rstrip()
        await auth.services().audit.add(auth.actor(by), action, target)
    return error_of_device
