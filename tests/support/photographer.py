"""A browser without a screen that uploads photos."""

from __future__ import annotations

import io

from PIL import Image
from quart import Response

from tests.support.file_sender import FileSender


class Photographer(FileSender):
    async def send_photo(
        self, path: str, photo: bytes = b"", *, token: str | None = None, **fields: str
    ) -> Response:
        return await self.send_file(path, "photo", "photo.jpg", photo, token=token, **fields)


def photo(kind: str = "JPEG", size: tuple[int, int] = (60, 80)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "tan").save(out, kind)
    return out.getvalue()
