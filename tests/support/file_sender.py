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

    async def stream_file(self, path: str, name: str, data: bytes, **fields: str) -> Response:
        """As `send_file`, but the fields come before the file `name`, as browsers send them."""
        field = 'Content-Disposition: form-data; name="{}"'
        form = {"csrf_token": self.token, **fields}
        parts = [f"{field.format(key)}\r\n\r\n{value}" for key, value in form.items()]
        parts.append(f'{field.format("file")}; filename="{name}"\r\n\r\n')
        head = "".join(f"--edge\r\n{part}\r\n" for part in parts).removesuffix("\r\n")
        self.response = await self._client.post(
            path,
            data=head.encode() + data + b"\r\n--edge--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=edge"},
        )
        self.text = (await self.response.get_data()).decode()
        return self.response
