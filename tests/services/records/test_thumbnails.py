from __future__ import annotations

import io
import threading

import pytest
import trio
import trio.testing
from PIL import Image

from hub.errors import NoSuchResource
from hub.services.records import thumbnails
from hub.services.records.thumbnails import Thumbnails
from hub.store.media.pictures import StoredPicture
from hub.upload_priority import MAX_WAIT_SECONDS, UploadPriority


def picture(side: int = 1000, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side // 2), 60).convert("RGB").save(out, kind)
    return out.getvalue()


class Pictures:
    """What the store returns for pictures; `reads` counts how often one was read."""

    def __init__(self, data: bytes, count: int = 1) -> None:
        self.stored = {seq: data for seq in range(1, count + 1)}
        self.reads = 0

    async def etag(self, seq: int, name: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return f"e{seq}" if seq in self.stored else None

    async def read(self, seq: int, name: str) -> StoredPicture | None:
        self.reads += 1
        return await self.open(seq, name)

    async def open(self, seq: int, name: str) -> StoredPicture | None:
        await trio.lowlevel.checkpoint()
        data = self.stored.get(seq)
        return None if data is None else StoredPicture("image/png", data, f"e{seq}")


def make(
    pictures: Pictures, upload_priority: UploadPriority | None = None, **options: int
) -> Thumbnails:
    return Thumbnails(pictures, upload_priority or UploadPriority(), **options)  # type: ignore[arg-type]


async def opened(thumbs: Thumbnails, seq: int = 1) -> StoredPicture:
    found = await thumbs.open(seq, "face")
    assert isinstance(found, StoredPicture)
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_a_picture_is_made_small_once(kind: str) -> None:
    pictures = Pictures(picture(kind=kind))
    thumbs = make(pictures)
    found = await opened(thumbs)
    assert (found.mime, found.etag) == ("image/jpeg", "e1-small")
    assert Image.open(io.BytesIO(found.data)).size == (320, 160)
    assert len(found.data) <= 24 * 1024
    assert await opened(thumbs) == found
    assert pictures.reads == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"no picture" * 5_000, id="not a picture"),
        pytest.param(picture()[:20_000], id="cut off"),
        pytest.param(picture(60), id="small already"),
    ],
)
async def test_what_cannot_be_made_smaller_is_returned_as_it_is(data: bytes) -> None:
    pictures = Pictures(data)
    thumbs = make(pictures)
    for _ in range(2):
        assert (await opened(thumbs)).data == data
    assert pictures.reads == 1


async def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 1_000)).save(out, "PNG", compress_level=0)
    data = out.getvalue()
    assert (await opened(make(Pictures(data)))).data == data


async def test_a_thumbnail_ends_with_its_picture() -> None:
    pictures = Pictures(picture())
    thumbs = make(pictures)
    await opened(thumbs)
    pictures.stored.clear()
    with pytest.raises(NoSuchResource):
        await thumbs.open(1, "face")


async def test_the_cache_is_bounded_and_keeps_what_was_used_last() -> None:
    pictures = Pictures(picture(400), count=3)
    size = len((await opened(make(pictures))).data)
    pictures.reads = 0
    thumbs = make(pictures, cache_bytes=2 * (size + 500))
    for seq in (1, 2, 1, 3):
        await opened(thumbs, seq)
    assert pictures.reads == 3
    await opened(thumbs, 1)
    assert pictures.reads == 3
    await opened(thumbs, 2)
    assert pictures.reads == 4


async def test_thumbnails_are_made_one_at_a_time_and_after_uploads(
    mock_clock: trio.testing.MockClock,
) -> None:
    pictures, upload_priority = Pictures(picture(400), count=3), UploadPriority()
    thumbs = make(pictures, upload_priority)
    async with trio.open_nursery() as nursery:
        with upload_priority.upload():
            for seq in (1, 2, 3):
                nursery.start_soon(opened, thumbs, seq)
            await trio.testing.wait_all_tasks_blocked()
            assert pictures.reads == 0
            # A busy site has always an upload: none waits for ever, and only one has its turn.
            mock_clock.jump(MAX_WAIT_SECONDS)
            while pictures.reads == 0:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            assert pictures.reads == 1
    assert pictures.reads == 3


async def test_with_too_many_waiting_pictures_are_sent_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thumbnails, "_MAX_WAITING", 1)
    data = picture(400)
    pictures = Pictures(data, count=2)
    thumbs = make(pictures)
    found: dict[int, bytes] = {}

    async def take(seq: int) -> None:
        found[seq] = (await opened(thumbs, seq)).data

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, 1)
        nursery.start_soon(take, 2)
    assert sorted(len(one) == len(data) for one in found.values()) == [False, True]


async def test_a_picture_that_takes_long_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    data = picture(400)
    pictures, answers = Pictures(data, count=2), {}
    pictures.stored[1] = slow = picture(500)
    begun, end = threading.Event(), threading.Event()
    smaller = thumbnails._smaller

    def decode(sent: bytes) -> bytes | None:
        if sent == slow:
            begun.set()
            end.wait(60)
        return smaller(sent)

    async def look(seq: int) -> None:
        answers[seq] = (await opened(thumbs, seq)).data

    monkeypatch.setattr(thumbnails, "_smaller", decode)
    thumbs = make(pictures)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, 1)
        await trio.to_thread.run_sync(begun.wait, 60)
        nursery.start_soon(look, 2)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(thumbnails._DECODE_SECONDS)
    assert answers[1] == slow
    assert len(answers[2]) < len(data)
    # It is not tried again, nor waited for when the hub ends.
    await look(1)
    assert pictures.reads == 2
    assert not end.is_set()
    end.set()


async def test_what_is_made_while_all_are_forgotten_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, end = threading.Event(), threading.Event()
    smaller = thumbnails._smaller

    def decode(sent: bytes) -> bytes | None:
        begun.set()
        end.wait(60)
        return smaller(sent)

    monkeypatch.setattr(thumbnails, "_smaller", decode)
    pictures = Pictures(picture(400))
    thumbs = make(pictures)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opened, thumbs)
        await trio.to_thread.run_sync(begun.wait, 60)
        thumbs.forget()
        end.set()
    assert thumbs._made == {}
