"""The photos of the register (D10), as cameras are given them."""

from __future__ import annotations

import threading

import trio

from hub.services.commands.photos import MAX_FILE_MB, BadPhoto, PhotoRules, photo_jpeg

#: D10.
REGISTER_RULES = PhotoRules(max_side=640, min_side=112, max_bytes=200 * 1024)
#: For a camera that refused the photo: smaller, and without chroma details.
_SIMPLER_RULES = PhotoRules(max_side=480, min_side=0, max_bytes=60 * 1024)
#: A photo to search with may be cut out of a small picture.
_SEARCH_RULES = PhotoRules(max_side=640, max_bytes=200 * 1024)
#: Two threads keep both processors of a small machine busy.
_THREADS = 2


class PersonPhotos:
    """Prepares photos in two threads; of large pictures one at a time, because of their memory."""

    def __init__(self) -> None:
        self._threads = trio.CapacityLimiter(_THREADS)
        self._large = threading.Lock()

    async def prepare(self, data: bytes) -> bytes:
        """Return a picture of any usual type as the JPEG that cameras are given. Raises BadPhoto.

        The result of a prepared photo differs from it: do not prepare twice.
        """
        return await self._checked(data, REGISTER_RULES)

    async def for_search(self, data: bytes) -> bytes:
        """Return a picture of any usual type as a JPEG to search with (1.16). Raises BadPhoto."""
        return await self._checked(data, _SEARCH_RULES)

    async def simplify(self, jpeg: bytes) -> bytes:
        """Return a smaller JPEG of a prepared photo, for a second try (D10). Raises BadPhoto."""
        return await self._run(jpeg, _SIMPLER_RULES)

    async def _checked(self, data: bytes, rules: PhotoRules) -> bytes:
        if not data:
            raise BadPhoto("missing")
        if len(data) > MAX_FILE_MB << 20:
            raise BadPhoto("too large")
        return await self._run(data, rules)

    async def _run(self, data: bytes, rules: PhotoRules) -> bytes:
        return await trio.to_thread.run_sync(
            photo_jpeg, data, rules, self._large, abandon_on_cancel=True, limiter=self._threads
        )
