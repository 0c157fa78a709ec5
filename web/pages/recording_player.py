"""A recording, read from its camera (D3) and played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import DeviceBusy, DeviceRefused, HubError, NoSuchResource
from hub.services.commands.recordings import (
    MAX_RECORDING_BYTES,
    KeptRecording,
    RecordingTooLarge,
)
from hub.services.devices.views import DeviceView
from web import auth, language
from web.http.ranges import FilePart, part_of
from web.http.sender import PeerLost
from web.language import gettext
from web.pages.camera.layout import camera_page, get_camera
from web.pages.camera.recordings.play_sign import own_page, play_value, read_play_value
from web.pages.device_errors import DEVICE_ERRORS, describe_device_error, device_message
from web.pages.firmware.labels import size_text
from web.pages.jobs.rows import job_row, job_url
from web.pages.jobs.views import may_cancel
from web.pages.layout import redirect_to
from web.pages.times import valid_day

blueprint = Blueprint(
    "camera_recording_player", __name__, url_prefix="/cameras/<int:did>/recordings/play"
)

_PIECE_BYTES = 256 * 1024


@blueprint.post("", role="guard")
async def start(did: int) -> Response:
    device, form = get_camera(did), await request.form
    recordings = auth.services().cameras.recordings
    job = await recordings.start(
        read_play_value(device.did, form.get("recording", "")), auth.actor()
    )
    return redirect_to(job_url(job))


@blueprint.get("/<int:id>", role="guard")
async def play(did: int, id: int) -> Response:
    device = get_camera(did)
    return await camera_page("camera/recordings/play.html", device, **await _played(device, id))


@blueprint.get("/<int:id>/state", role="guard")
async def state(did: int, id: int) -> Response:
    """The part that follows the progress."""
    device = get_camera(did)
    return await camera_page("camera/recordings/_play.html", device, **await _played(device, id))


@blueprint.get("/<int:id>/file", role="guard")
async def file(did: int, id: int) -> Response:
    job, subject = await auth.services().cameras.recordings.get(id)
    kept = auth.services().cameras.recordings.kept(id)
    if kept is None or job.state != "done" or subject.did != str(did):
        raise NoSuchResource("the recording is not kept any longer")
    etag = f'"{id}"'
    part = part_of(request.scope, kept.size, etag.encode())  # type: ignore[arg-type]
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, no-store"}
    if part is None:
        return Response(b"", 416, {**headers, "Content-Range": f"bytes */{kept.size}"})
    if part.is_range:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{kept.size}"
    if not kept.is_video or "save" in request.args:
        headers["Content-Disposition"] = "attachment"
    headers["Content-Length"] = str(part.end - part.start)
    kind = "video/mp4" if kept.is_video else "application/octet-stream"
    response = Response(
        _pieces(kept, part), 206 if part.is_range else 200, headers, content_type=kind
    )
    response.timeout = None
    return response


async def _pieces(kept: KeptRecording, part: FilePart) -> AsyncIterator[bytes]:
    at = part.start
    while at < part.end:
        try:
            piece = await kept.read(at, min(_PIECE_BYTES, part.end - at))
        except HubError as error:
            raise PeerLost from error
        at += len(piece)
        yield piece


async def _played(device: DeviceView, id: int) -> dict[str, Any]:
    recordings, did = auth.services().cameras.recordings, device.did
    job, subject = await recordings.get(id)
    if subject.did != did:
        raise NoSuchResource(f"there is no recording {id}")
    kept, fault = recordings.kept(id), recordings.fault(id)
    is_read = kept is not None and job.state == "done"
    shown = job_row(job)
    day = valid_day(subject.day)
    return {
        # The fault is told in words of the page.
        "job": shown if fault is None else replace(shown, failure=""),
        "subject": subject,
        "title": f"{language.current().long_day(day) if day else subject.day} {subject.start}",
        "name": subject.path.rsplit("/", 1)[-1],
        "file": f"/cameras/{did}/recordings/play/{id}/file" if is_read else "",
        "is_video": kept is not None and kept.is_video,
        "size": size_text(kept.size if kept else 0),
        "fault": _describe(fault) if fault else "",
        "own_page": own_page(device),
        "again": play_value(subject),
        "may_play": recordings.gives_recordings(did),
        "may_cancel": may_cancel(job, auth.user()),
    }


def _describe(fault: HubError) -> str:
    if isinstance(fault, RecordingTooLarge):
        return gettext(
            "The recording has more than %(most)s, which the hub does not fetch. Shorter "
            "recordings can be set under “Recognition and recording”."
        ) % {"most": f"{MAX_RECORDING_BYTES // 10**6} MB"}
    if isinstance(fault, DeviceRefused):
        sentence = gettext("The camera does not give this recording to the hub.")
        return f"{sentence} {device_message(fault.device_code, fault.device_msg)}"
    if isinstance(fault, DeviceBusy):
        return gettext("The camera is busy with other requests. Wait a moment, then try again.")
    return describe_device_error(fault) if isinstance(fault, DEVICE_ERRORS) else fault.message
