"""What a centre of many sites says about the target that a hub is to add."""

from __future__ import annotations

from msgspec.structs import asdict, replace
from quart import request
from werkzeug.datastructures import FileStorage

from hub.errors import BadParameter
from hub.services.forwarding.target_file import MAX_BYTES, TargetFile, read_target_file
from web import auth
from web.pages.site.target_form import Values


async def as_said(values: Values) -> tuple[Values, str]:
    """Return what was entered with what the centre or a file says, and the name that it suggests.

    Raises BadParameter.
    """
    said = await _said(values) if values.kind == "nats" else None
    return (values, "") if said is None else (_filled(values, said), said.name)


async def _said(values: Values) -> TargetFile | None:
    """Return what the centre or the chosen file says; None if neither is entered.

    Raises BadParameter.
    """
    if values.centre or values.code:
        return await auth.services().forwarding.targets.of_code(values.centre, values.code)
    file: FileStorage | None = (await request.files).get("file")
    data = b"" if file is None else file.read(MAX_BYTES + 1)
    return read_target_file(data) if data else None


def _filled(values: Values, file: TargetFile) -> Values:
    """Return what was entered, with what is said in its place."""
    said = {name: value for name, value in asdict(file).items() if name not in ("kind", "name")}
    partition = "" if file.partition is None else str(file.partition)
    return replace(values, **{**said, "partition": partition})


def partition_of(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise BadParameter("0 to 15 is expected", field="partition")
    return int(text)
