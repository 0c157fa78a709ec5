"""A browser without a screen that sends photos, which are read in front of Quart."""

from __future__ import annotations

import io

from PIL import Image
from quart import Response
from quart.datastructures import FileStorage

from tests.support.browsing import Visitor
from tests.support.fake_services import FakeServices
from web.bodies import Bodies
from web.photoforms import photo_forms


class Photographer(Visitor):
    def __init__(self, hub: FakeServices) -> None:
        super().__init__(hub)
        app = self.app
        app.asgi_app = photo_forms(  # type: ignore[method-assign]
            hub,  # type: ignore[arg-type]
            Bodies(hub.config.web),
            app.asgi_app,  # type: ignore[arg-type]
        )

    async def send_photo(
        self, path: str, photo: bytes = b"", *, token: str | None = None, **fields: str
    ) -> Response:
        """Send a form with the token of the last page, and with this file."""
        form = {"csrf_token": self.token if token is None else token, **fields}
        files = {"photo": FileStorage(io.BytesIO(photo), "photo.jpg" if photo else "")}
        self.response = await self._client.post(path, form=form, files=files)
        self.text = (await self.response.get_data()).decode()
        return self.response


def photo(kind: str = "JPEG", size: tuple[int, int] = (60, 80)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "tan").save(out, kind)
    return out.getvalue()
