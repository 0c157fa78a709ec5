"""Recordings on cameras, read from them for somebody who wants to watch (D3).

What was read is in nameless files, which are gone when the hub ends, and is kept for an hour.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Annotated, NoReturn

import msgspec
import pybase64
import trio
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.errors import (
    BadParameter,
    CannotStoreNow,
    DeviceBusy,
    DeviceNonsense,
    DeviceRefused,
    DeviceSilent,
    HubError,
    NoSuchPath,
    NoSuchResource,
)
from hub.services.audit import Actor
from hub.services.commands.calls import Commands
from hub.services.commands.files import is_path_of_camera
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.services.jobs.jobs import JobProgress, Jobs, decoded
from hub.store.jobs.jobs import Job
from hub.wire.commands.dialect import FILE_READ
from hub.wire.commands.params import check_fields

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.upload_priority import UploadPriority

MAX_START_LENGTH = 32
#: A longer recording is not kept.
MAX_RECORDING_BYTES = 48_000_000
#: What is kept at the same time, and for how long.
_MAX_KEPT = 4
_KEEP_SECONDS = 3600.0
_CHECK_SECONDS = 300.0
#: A camera sends 48 MB within seconds; over a poor radio link in some minutes.
_MAX_SECONDS = 900.0
#: Of a file that the camera lists: it gives none. Any other code may pass.
_REFUSALS = (NoSuchPath.code, BadParameter.code, NoSuchResource.code)
#: The longest escape sequence in JSON.
_ESCAPE_LENGTH = 6
_NO_BASE64 = re.compile(rb"\s+")


class RecordingTooLarge(BadParameter):
    """The camera sends more than MAX_RECORDING_BYTES."""


class RecordingSubject(Struct, frozen=True, omit_defaults=True):
    """What is read: `path` as the camera lists it. `day`, `start`: what its page calls it."""

    did: str = ""
    path: str = ""
    day: str = ""
    start: Annotated[str, Meta(max_length=MAX_START_LENGTH)] = ""


class KeptRecording:
    """A recording that was read. `is_video`: a browser may play it (MP4)."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._lock = Lock()
        self.size = 0
        self.is_video = False
        #: Since when it is whole, by trio's clock.
        self.kept_at = math.inf

    def append(self, data: bytes) -> None:
        """Blocks. Raises OSError, ValueError."""
        with self._lock:
            self._file.seek(self.size)
            self._file.write(data)
        if not self.size:
            self.is_video = data[4:8] == b"ftyp"
        self.size += len(data)

    async def read(self, at: int, size: int) -> bytes:
        """Return bytes of the file. Raises NoSuchResource if it is not kept any longer."""

        def read() -> bytes:
            with self._lock:
                self._file.seek(at)
                return self._file.read(size)

        try:
            return await trio.to_thread.run_sync(read)
        except (OSError, ValueError):
            raise NoSuchResource("the recording is not kept any longer") from None

    def close(self) -> None:
        """Give up the file. Idempotent."""
        with self._lock:
            self._file.close()


class _Decoder:
    """The sink of an answer: Base64 becomes a file. After a `fault` the rest is ignored."""

    def __init__(
        self, file: KeptRecording, priority: UploadPriority, progress: JobProgress
    ) -> None:
        self._file = file
        self._priority = priority
        self._progress = progress
        self._held = b""
        self._is_begun = False
        #: Within it the file is waited for: until a fault.
        self.scope = trio.CancelScope()
        self.fault: HubError | None = None

    async def write(self, text: bytes) -> None:
        if self.fault is None:
            await self._priority.yield_to_uploads()
            await self._carry_out(text, is_last=False)

    async def finish(self) -> None:
        """Write what was held back. Raises the fault, if there is one."""
        await self._carry_out(b"", is_last=True)
        if self.fault is not None:
            raise self.fault

    async def _carry_out(self, text: bytes, *, is_last: bool) -> None:
        try:
            if self.fault is None:
                await trio.to_thread.run_sync(self._decode, text, is_last)
                # Tells who watches, at most once a second.
                await self._progress.advance(done=0)
        except HubError as error:
            self.fault = error
            self.scope.cancel()

    def _decode(self, text: bytes, is_last: bool) -> None:
        text = self._held + text
        if not self._is_begun and text.startswith(b"data:"):
            text = text.partition(b",")[2]
        self._is_begun = True
        end = len(text)
        if not is_last and 0 <= (escape := text.rfind(b"\\")) > end - _ESCAPE_LENGTH:
            end = escape
        text, self._held = text[:end], text[end:]
        if b"\\" in text:
            text = _unescaped(text)
        text = _NO_BASE64.sub(b"", text)
        if not is_last and (odd := len(text) % 4):
            text, self._held = text[:-odd], text[-odd:] + self._held
        try:
            data = pybase64.b64decode(text, validate=True)
        except ValueError:
            raise DeviceNonsense("the file that the device sent is not valid base64") from None
        if self._file.size + len(data) > MAX_RECORDING_BYTES:
            raise RecordingTooLarge(f"more than {MAX_RECORDING_BYTES} bytes")
        try:
            self._file.append(data)
        except (OSError, ValueError):
            raise CannotStoreNow("the recording cannot be written to the disk") from None


class Recordings:
    """Reads recordings, one at a time from each camera."""

    def __init__(
        self,
        core: Core,
        devices: Devices,
        commands: Commands,
        capabilities: CameraCapabilities,
        jobs: Jobs,
        priority: UploadPriority,
    ) -> None:
        self._folder = core.data_dir
        self._audit = core.audit
        self._devices = devices
        self._commands = commands
        self._capabilities = capabilities
        self._jobs = jobs
        self._priority = priority
        #: By job: what was read, or is being read, and why nothing was.
        self._kept: dict[int, KeptRecording] = {}
        self._faults: dict[int, HubError] = {}

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Give up what was kept for long enough, and everything in the end."""
        task_status.started()
        try:
            while True:
                await trio.sleep(_CHECK_SECONDS)
                self._close_if(lambda kept: kept.kept_at + _KEEP_SECONDS <= trio.current_time())
        finally:
            self.clear()

    def gives_recordings(self, did: str) -> bool:
        """Whether the camera is not known to list none, or to refuse them."""
        known = self._capabilities.of(did)
        return known.recording_list is not False and known.recording_files is not False

    async def start(self, subject: RecordingSubject, by: Actor) -> Job:
        """Begin to read a recording, or return the job that reads it already.

        Raises BadParameter, NoSuchResource, DeviceBusy if another recording of the camera is being
        read, TooManyRequests, CannotStoreNow.
        """
        check_fields(FILE_READ, {"path": subject.path})
        if not is_path_of_camera(subject.path):
            raise BadParameter("a path that a device gives is expected", field="path")
        self._devices.device(subject.did)
        for job in self._jobs.running("recording"):
            running = decoded(job.subject, RecordingSubject)
            if running is not None and running.did == subject.did:
                if running.path == subject.path:
                    return job
                raise DeviceBusy("another recording of this camera is being read")

        async def work(progress: JobProgress) -> None:
            await self._read(progress, subject)

        job = await self._jobs.start("recording", subject, by, work)
        await self._audit.add(by, "device.read-recording", f"{subject.did} {subject.path}")
        return job

    async def get(self, id: int) -> tuple[Job, RecordingSubject]:
        """Return a job that reads, or has read, a recording. Raises NoSuchResource."""
        job = await self._jobs.get(id)
        subject = decoded(job.subject, RecordingSubject)
        if job.kind != "recording" or subject is None:
            raise NoSuchResource(f"there is no recording {id}")
        return job, subject

    def kept(self, id: int) -> KeptRecording | None:
        """Return what the job has read so far; None if it is not kept."""
        return self._kept.get(id)

    def fault(self, id: int) -> HubError | None:
        """Return why the job has read nothing, as long as the hub runs."""
        return self._faults.get(id)

    def clear(self) -> None:
        """Give up everything that was read."""
        self._close_if(lambda _: True)

    async def _read(self, progress: JobProgress, subject: RecordingSubject) -> None:
        try:
            file = await trio.to_thread.run_sync(KeptRecording, self._folder)
        except OSError as error:
            raise CannotStoreNow(f"the recording cannot be written: {error.strerror}") from None
        self._kept[progress.id] = file
        is_read = False
        try:
            with trio.fail_after(_MAX_SECONDS):
                await self._fetch(subject, _Decoder(file, self._priority, progress))
            is_read = True
        except trio.TooSlowError:
            raise self._note(progress.id, DeviceSilent("it took too long")) from None
        except HubError as error:
            # Who gave one before may have lost this one.
            learnt = self._capabilities.learnt(subject.did).recording_files
            is_refusal = isinstance(error, DeviceRefused) and error.device_code in _REFUSALS
            if is_refusal and learnt is None:
                await self._learn(subject.did, is_given=False)
            raise self._note(progress.id, error) from None
        finally:
            file.kept_at = trio.current_time()
            if not is_read:
                self._close_if(lambda kept: kept is file)
            oldest = sorted(self._kept, key=lambda id: self._kept[id].kept_at)
            for id in oldest[:-_MAX_KEPT]:
                self._kept.pop(id).close()

    async def _fetch(self, subject: RecordingSubject, sink: _Decoder) -> None:
        with sink.scope:
            result = await self._commands.read_large_file(subject.did, subject.path, sink)
            # The file is still here if the device wrote the msgid behind it.
            await sink.write(_content(result))
        await sink.finish()
        await self._learn(subject.did, is_given=True)

    async def _learn(self, did: str, *, is_given: bool) -> None:
        await self._capabilities.learn(
            did, lambda known: replace(known, recording_files=is_given), "answer"
        )

    def _note(self, id: int, error: HubError) -> HubError:
        self._faults[id] = error
        while len(self._faults) > 100:
            del self._faults[min(self._faults)]
        return error

    def _close_if(self, is_due: Callable[[KeptRecording], bool]) -> None:
        for id in [id for id, kept in self._kept.items() if is_due(kept)]:
            self._kept.pop(id).close()


class _Content(Struct):
    base64: str = ""


def _content(result: Raw | None) -> bytes:
    try:
        found = decode_json(result or b"{}", _Content)
    except msgspec.MsgspecError:
        raise DeviceNonsense("the device's answer has no file") from None
    return found.base64.encode()


def _unescaped(text: bytes) -> bytes:
    try:
        return decode_json(b'"%b"' % text, str).encode()
    except msgspec.MsgspecError:
        raise DeviceNonsense("the device's answer is not JSON") from None
