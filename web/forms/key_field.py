"""The public key of a camera in a form: a file, or text that was pasted or scanned."""

from __future__ import annotations

from quart import request


async def read_key() -> str:
    """The public key as PEM text: of the file if one was chosen, otherwise the text; may be ""."""
    file = (await request.files).get("key_file")
    if file is not None and file.filename:
        return str(file.read(), "utf-8", "replace").strip()
    return str((await request.form).get("key", "")).strip()
