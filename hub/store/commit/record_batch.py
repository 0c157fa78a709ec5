"""The record batch: the records of one upload, as passed from ingest through the group commit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hub.store.commit.write_queue import Write
from hub.wire.uploads.bodies import CheckedUpload

#: (digest, did): equal for repeats of an upload.
BatchKey = tuple[bytes, str]


class Appended(Struct, frozen=True):
    """The seqs of a batch's records. `repeated`: whether an earlier batch had stored them."""

    seqs: tuple[int, ...]
    repeated: bool


class RecordBatch(Write[Appended]):
    """Records of one device that are stored together or not at all. Used for one append only.

    `uploads` become one record each, in this order. `did`, `sn` and `device_name` are those of the
    device that sent them. `digest`: hash of path and body, 16 bytes; it identifies repeats.
    `arrived_at`: UNIX milliseconds, used for uploads without a time. `follows_access`: the upload
    is a lone picture (D8), whose `of` becomes the seq of the device's latest access record.
    """

    __slots__ = (
        "arrived_at",
        "device_name",
        "did",
        "digest",
        "first",
        "follows_access",
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
        self.uploads = uploads
        self.did = did
        self.sn = sn
        self.device_name = device_name
        self.digest = digest
        self.arrived_at = arrived_at
        self.follows_access = follows_access
        # Filled in by the record writer:
        #: The result of an earlier batch with this key, from the database.
        self.known: Appended | None = None
        #: An earlier batch with this key in the same group.
        self.first: RecordBatch | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether it is not a repeat. Valid once `known` and `first` are filled in."""
        return self.known is None and self.first is None

    @property
    def key(self) -> BatchKey:
        return (self.digest, self.did)


def _size(upload: CheckedUpload) -> int:
    return memoryview(upload.extra).nbytes + sum(len(picture.data) for picture in upload.pictures)
