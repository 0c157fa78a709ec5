"""A browser without a screen that uploads files; they are read in front of Quart."""

from __future__ import annotations

import io

from quart import Response
from quart.datastructures import FileStorage

from tests.support.browsing import Visitor
from tests.support.fake_services import FakeServices
from web.forms.file_forms import file_forms
from web.http.bodies import Bodies


class FileSender(Visitor):
    def __init__(self, hub: FakeServices) -> None:
        super().__init__(hub)
        app = self.app
        app.asgi_app = file_forms(  # type: ignore[method-assign]
            hub,  # type: ignore[arg-type]
            Bodies(hub.config.web),
            app.asgi_app,  # type: ignore[arg-type]
        )

    async def send_file(
        self,
        path: str,
        field: str,
        name: str,
        data: bytes = b"",
        /,
        *,
        token: str | None = None,
        **fields: str,
    ) -> Response:
        """Submit a form with the last CSRF token, and with a file in `field` unless it is empty."""
        form = {"csrf_token": self.token if token is None else token, **fields}
        files = {field: FileStorage(io.BytesIO(data), name if data else "")}
        self.response = await self._client.post(path, form=form, files=files)
        self.text = (await self.response.get_data()).decode()
        return self.response
