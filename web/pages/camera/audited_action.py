"""Having a camera do something, noted in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.errors import HubError, NotSent
from hub.services.access.users import User
from hub.services.devices.views import DeviceView
from hub.services.shielding import shielded
from web import auth
from web.pages.device_errors import DEVICE_ERRORS


async def have_done(
    device: DeviceView,
    by: User,
    action: str,
    ask: Callable[[], Awaitable[object]],
    *,
    of: str = "",
) -> HubError | None:
    """What kept the camera from it, one of DEVICE_ERRORS, or None.

    `of` is what on the camera it is done to. It is noted too where the camera refused or did not
    answer: it may have done it all the same.
    """
    trouble: HubError | None = None
    with shielded():
        try:
            await ask()
        except DEVICE_ERRORS as error:
            trouble = error
        if not isinstance(trouble, NotSent):
            target = f"{device.did} {of}".rstrip()
            await auth.services().audit.add(auth.actor(by), action, target)
    return trouble
