"""Cameras by name, which lead to their pages."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.services import Services


class CameraName(Struct, frozen=True):
    """`url`: of its page; "" if there is none."""

    name: str
    url: str


def camera_name(services: Services, did: str, kept: str = "") -> CameraName:
    """The name of a camera today. Of a removed one, what is `kept`, else its did."""
    try:
        device = services.cameras.devices.device(did)
    except NoSuchResource:
        return CameraName(kept or did, "")
    return CameraName(device.name or device.sn, f"/cameras/{did}")
