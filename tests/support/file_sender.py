"""A browser without a screen that sends files."""

from __future__ import annotations

import io

from quart import Response
from quart.datastructures import FileStorage

from tests.support.browsing import Visitor


class FileSender(Visitor):
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
