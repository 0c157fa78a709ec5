"""The record batch: what one body reported, on its way from ingest through the group commit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hub.store.commit.write_queue import Write
from hub.store.media.packs import StoredImage
from hub.wire.uploads.bodies import CheckedUpload

#: (digest, did): equal for repeats of an upload.
BatchKey = tuple[bytes, str]


class Appended(Struct, frozen=True):
    """The seqs of a batch's records. `repeated`: an earlier batch had stored them already."""

    seqs: tuple[int, ...]
    repeated: bool


class RecordBatch(Write[Appended]):
    """Records of one device that are stored together or not at all. Used for one append only.

    `uploads` become one record each, in this order. `did`, `sn` and `device_name` are those of the
    device that sent them. `digest`: 16 bytes over path and body, which identify a repeat.
    `arrived_at`: UNIX milliseconds, taken for uploads that tell no time. `follows_access`: the
    upload is a lone picture (D8), whose `of` becomes the seq of the device's latest access record.
    """

    __slots__ = (
        "arrived_at",
        "device_name",
        "did",
        "digest",
        "first",
        "follows_access",
        "has_pictures",
        "images",
        "known",
        "sn",
        "uploads",
    )

    def __init__(
        self,
        uploads: Sequence[CheckedUpload],
        *,
        did: str,
        sn: str,
        device_name: str,
        digest: bytes,
        arrived_at: int,
        follows_access: bool = False,
    ) -> None:
        super().__init__(size=sum(_size(upload) for upload in uploads))
        self.has_pictures = any(upload.pictures for upload in uploads)
        self.uploads = uploads
        self.did = did
        self.sn = sn
        self.device_name = device_name
        self.digest = digest
        self.arrived_at = arrived_at
        self.follows_access = follows_access
        # Filled in by the record writer:
        #: The earlier batch with this key, as the database has it.
        self.known: Appended | None = None
        #: The batch with this key that precedes this one in its group.
        self.first: RecordBatch | None = None
        #: Where the pictures of each upload lie in the pack.
        self.images: list[tuple[StoredImage, ...]] = []

    @property
    def is_fresh(self) -> bool:
        """Whether it is not a repeat, as far as `known` and `first` are filled in."""
        return self.known is None and self.first is None

    @property
    def key(self) -> BatchKey:
        return (self.digest, self.did)


def _size(upload: CheckedUpload) -> int:
    return memoryview(upload.extra).nbytes + sum(len(picture.data) for picture in upload.pictures)
