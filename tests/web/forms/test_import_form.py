"""The form of an import: files are written to disk as they arrive, once the form is ours."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from quart import Response, jsonify

from hub.errors import HubError
from hub.services.audit import COMMAND_LINE
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.page_site import PASSWORD
from web.forms.import_form import stage_import

CSV = "name,work_id\nAda,A-1\n"


_BOUNDARY = "a-boundary"


def _part(disposition: str, data: bytes) -> bytes:
    """A part of a form as browsers send it: the fields come in the order of the page."""
    head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + data + b"\r\n"


class Importer(Visitor):
    """A signed-in administrator on a page that stages an import."""

    async def stage(self, *contents: bytes, token: str | None = None) -> Response:
        parts = [_part('name="csrf_token"', (self.token if token is None else token).encode())]
        for place, data in enumerate(contents):
            parts.append(_part(f'name="file"; filename="file {place}"', data))
        body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self.response = await self._client.post("/test-import", data=body, headers=headers)
        return self.response


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
async def importer(hub: HubServices) -> Importer:
    await hub.services.access.users.add("admin", "admin", PASSWORD, by=COMMAND_LINE)
    visitor = Importer(hub)  # type: ignore[arg-type]

    async def view() -> Response:
        try:
            preview = await stage_import()
        except HubError as error:
            refused = jsonify(error.message)
            refused.status_code = error.status
            return refused
        return jsonify({"rows": preview.rows, "photos": preview.photos})

    visitor.app.add_url_rule(
        "/test-import", view_func=view, methods=["POST"], role="admin", check="file"
    )
    await visitor.sign_in()
    await visitor.get("/account")
    return visitor


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 100_000)
    return out.getvalue()


def left(hub: HubServices) -> int:
    return len(list((hub.services.core.data_dir / "imports").glob("*.part")))


async def test_a_csv_file_and_a_zip_are_taken_in_any_order(
    hub: HubServices, importer: Importer
) -> None:
    response = await importer.stage(zipped("A-1.jpg"), CSV.encode())
    assert await response.get_json() == {"rows": 1, "photos": 1}
    response = await importer.stage(CSV.encode())
    assert await response.get_json() == {"rows": 1, "photos": 0}


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ((), "file: a file is expected"),
        ((CSV.encode(), zipped("1.jpg"), b"x"), "file: a CSV file, a ZIP, or both are expected"),
        ((b"salary\n1\n",), "csv: one of the columns"),
    ],
)
async def test_what_cannot_be_imported_is_refused_and_removed(
    hub: HubServices, importer: Importer, contents: tuple[bytes, ...], sentence: str
) -> None:
    response = await importer.stage(*contents)
    assert response.status_code == 400
    assert (await response.get_json()).startswith(sentence)
    assert left(hub) == 0


async def test_nothing_is_stored_of_a_form_of_another_page(
    hub: HubServices, importer: Importer
) -> None:
    response = await importer.stage(CSV.encode(), token="0" * 64)
    assert response.status_code == 403
    assert left(hub) == 0
