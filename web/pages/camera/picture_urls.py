"""Where a picture that lies on a camera is shown from."""

from __future__ import annotations

from urllib.parse import quote


def picture_url(did: str, path: str) -> str:
    """`path` stands in an answer of the camera."""
    return f"/media/device/{did}?path={quote(path, safe='')}"
