"""/firmware/files and /firmware/downloads: the files, and which devices downloaded them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from hub.errors import NoSuchResource
from hub.services import Services
from hub.store.firmware_files import MAX_FILE_BYTES
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing
from web.api.firmware import answers
from web.api.firmware.fields import download_fields, file_fields
from web.api.routes import Call, FileBody, Routes
from web.http.bodies import TooSlow

TAG = "Firmware"
_FILES = f"{PREFIX}/firmware/files"


class DownloadsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    did: Annotated[Did | None, Meta(description="of this device only")] = None


SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MD5 = "098f6bcd4621d373cade4e832627b4f6"
_FILE_EXAMPLE = answers.FirmwareFile(SHA256, MD5, 31_457_280, "2026-11-25T08:00:00.000Z")
_DOWNLOAD_EXAMPLE = answers.Download(
    did="12",
    sha256=SHA256,
    size=31_457_280,
    covered=9_437_184,
    sent=9_699_328,
    started_at="2026-11-25T08:06:11.000Z",
    ended_at="2026-11-25T08:06:14.000Z",
)

LIST_FILES = Endpoint(
    method="GET",
    path=_FILES,
    tag=TAG,
    summary="Files",
    description="Including files that belong to no release, which are removed after a day.",
    answer_example=answers.FirmwareFileList([_FILE_EXAMPLE]),
    role="viewer",
)
UPLOAD = Endpoint(
    method="POST",
    path=_FILES,
    tag=TAG,
    summary="Upload a file",
    description=(
        f"The body is the file itself, of up to {MAX_FILE_BYTES // 1024**2} MB. Uploading the same "
        "file again changes nothing. A signed request includes the file's `body_md5`."
    ),
    body_file=("application/octet-stream",),
    max_body_bytes=MAX_FILE_BYTES,
    answer_example=_FILE_EXAMPLE,
    refusals=(TooSlow,),
)
REMOVE_FILE = Endpoint(
    method="DELETE",
    path=f"{_FILES}/{{sha256}}",
    tag=TAG,
    summary="Remove a file that belongs to no release",
    answer_example=_FILE_EXAMPLE,
)
LIST_DOWNLOADS = Endpoint(
    method="GET",
    path=f"{PREFIX}/firmware/downloads",
    tag=TAG,
    summary="Which device downloaded what",
    description="The last 1000, newest first.",
    query=DownloadsQuery,
    query_example="did=12",
    answer_example=answers.DownloadList([_DOWNLOAD_EXAMPLE]),
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    releases, audit = services.firmware.releases, services.core.audit

    async def list_files(call: Call[Nothing, Nothing]) -> answers.FirmwareFileList:
        return answers.FirmwareFileList([file_fields(file) for file in releases.files()])

    async def add_file(call: Call[Nothing, Any]) -> answers.FirmwareFile:
        body: FileBody = call.body
        async with releases.receive(body.bytes_left) as upload:
            while part := await body.next():
                await upload.write(part)
            file = await upload.finish()
        await audit.add(call.caller.actor, "firmware.file-add", file.sha256)
        return file_fields(file)

    async def remove_file(call: Call[Nothing, Nothing]) -> answers.FirmwareFile:
        sha256 = call.path["sha256"]
        found = next((file for file in releases.files() if file.sha256 == sha256), None)
        if found is None:
            raise NoSuchResource("no such file")
        await releases.remove_file(sha256)
        await audit.add(call.caller.actor, "firmware.file-remove", sha256)
        return file_fields(found)

    async def list_downloads(call: Call[DownloadsQuery, Nothing]) -> answers.DownloadList:
        found = services.firmware.downloads.downloads(call.query.did)
        return answers.DownloadList([download_fields(one) for one in found])

    routes.add(LIST_FILES, list_files)
    routes.add(UPLOAD, add_file)
    routes.add(REMOVE_FILE, remove_file)
    routes.add(LIST_DOWNLOADS, list_downloads)
