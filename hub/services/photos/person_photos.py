"""The photos of the register (D10), as cameras are given them."""

from __future__ import annotations

from hub.services.photos.photos import PhotoRules, Photos

#: D10.
_REGISTER_RULES = PhotoRules(max_side=640, min_side=112, max_bytes=200 * 1024)
#: For a camera that refused the photo: smaller, and without chroma details.
_SIMPLER_RULES = PhotoRules(max_side=480, min_side=0, max_bytes=60 * 1024)
#: A photo to search with may be cut out of a small picture.
_SEARCH_RULES = PhotoRules(max_side=640, max_bytes=200 * 1024)


class PersonPhotos:
    """Prepares the photos of people."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def prepare(self, data: bytes) -> bytes:
        """Return a picture of any usual type as the JPEG that cameras are given. Raises BadPhoto.

        The result of a prepared photo differs from it: do not prepare twice.
        """
        return await self._photos.convert(data, _REGISTER_RULES)

    async def for_search(self, data: bytes) -> bytes:
        """Return a picture of any usual type as a JPEG to search with (1.16). Raises BadPhoto."""
        return await self._photos.convert(data, _SEARCH_RULES)

    async def simplify(self, jpeg: bytes) -> bytes:
        """Return a smaller JPEG of a prepared photo, for a second try (D10). Raises BadPhoto."""
        return await self._photos.convert(jpeg, _SIMPLER_RULES)
