"""Photos for devices: any picture becomes a small upright JPEG, or is refused with a reason."""

from __future__ import annotations

import io
import random
import struct
import threading
import zlib
from contextlib import nullcontext
from typing import Any

import msgspec
import pybase64
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hub.services.photos import photos
from hub.services.photos.photos import (
    COMMAND_RULES,
    MAX_SCANS,
    BadPhoto,
    Photos,
    count_scans,
    photo_jpeg,
)
from hub.wire.commands.dialect import PERSON_SEARCH
from hub.wire.commands.params import check_param
from tests.support.pictures import BMP, GIF, JPEG, PNG, WEBP, jpeg_of_scans

TYPES = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


def written(image: Image.Image, kind: str = "JPEG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def read(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def halves() -> Image.Image:
    """Return an image that is red on the left and blue on the right, wider than high."""
    image = Image.new("RGB", (300, 200), "blue")
    image.paste("red", (0, 0, 150, 200))
    return image


def is_red(pixel: Any) -> bool:
    return bool(pixel[0] > 200 and pixel[1] < 60 and pixel[2] < 60)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
        *(("GIF", mode) for mode in ("L", "P")),
        *(("BMP", mode) for mode in ("1", "L", "P", "RGB")),
    ],
)
def test_a_picture_of_any_supported_type_becomes_a_jpeg(kind: str, mode: str) -> None:
    data = written(halves().convert(mode), kind)
    photo = read(photo_jpeg(data))
    assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", (300, 200))


async def test_the_result_is_base64_that_commands_accept() -> None:
    photo = await Photos().for_devices(written(halves()))
    assert read(pybase64.b64decode(photo, validate=True)).size == (300, 200)
    span = {"start_time": "2026-11-25 00:00:00", "end_time": "2026-11-25 01:00:00"}
    sent = {"photo": photo, "threshold": 80, **span}
    assert check_param(PERSON_SEARCH, msgspec.json.encode(sent)).photo == photo


def test_a_large_picture_is_shrunk_in_proportion() -> None:
    photo = read(photo_jpeg(written(Image.new("RGB", (6000, 3000)))))
    assert photo.size == (COMMAND_RULES.max_side, COMMAND_RULES.max_side // 2)


def test_a_small_picture_is_not_enlarged() -> None:
    assert read(photo_jpeg(written(Image.new("RGB", (64, 80))))).size == (64, 80)


def test_even_noise_fits_the_size_limit() -> None:
    side = COMMAND_RULES.max_side
    noise = random.Random(1).randbytes(side * side * 3)
    data = written(Image.frombytes("RGB", (side, side), noise), "PNG")
    assert len(photo_jpeg(data)) <= COMMAND_RULES.max_bytes < len(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_exif_orientation_is_applied(kind: str) -> None:
    exif = Image.Exif()
    # The camera was held so that the first row is at the right.
    exif[0x0112] = 6
    photo = read(photo_jpeg(written(halves(), kind, exif=exif)))
    assert photo.size == (200, 300)
    assert is_red(photo.getpixel((100, 30)))


@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [
        (1, (300, 200), (30, 100)),
        (2, (300, 200), (270, 100)),
        (3, (300, 200), (270, 100)),
        (4, (300, 200), (30, 100)),
        (5, (200, 300), (100, 30)),
        (6, (200, 300), (100, 30)),
        (7, (200, 300), (100, 270)),
        (8, (200, 300), (100, 270)),
        # None of the standard's.
        (0, (300, 200), (30, 100)),
        (9, (300, 200), (30, 100)),
    ],
)
def test_each_orientation_ends_upright(
    orientation: int, size: tuple[int, int], red: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read(photo_jpeg(written(halves(), exif=exif)))
    assert photo.size == size
    assert is_red(photo.getpixel(red))


# A picture that is shrunk to a quarter or less goes another way through Pillow.
@pytest.mark.parametrize("size", [(300, 200), (2400, 1600), (5000, 100)])
def test_a_grey_picture_of_16_bits_keeps_its_shades(size: tuple[int, int]) -> None:
    width, height = size
    row = struct.pack("<H", 0x4000) * (width // 2) + struct.pack("<H", 0xC000) * (width // 2)
    grey = Image.frombytes("I;16", size, row * height)
    exif = Image.Exif()
    exif[0x0112] = 3
    for sent, dark, bright in (
        (written(grey, "PNG"), 0.25, 0.75),
        (written(grey, "PNG", transparency=0xC000), 0.25, 0.75),
        (written(grey, "PNG", exif=exif), 0.75, 0.25),
    ):
        photo = read(photo_jpeg(sent))
        shades: Any = [
            photo.getpixel((round(photo.width * x), photo.height // 2)) for x in (dark, bright)
        ]
        for shade, expected in zip(shades, (0x40, 0xC0), strict=True):
            assert max(abs(value - expected) for value in shade) <= 2


def png_of_16_bits(kind: int, left: tuple[int, ...], right: tuple[int, ...]) -> bytes:
    """A PNG of 200 by 200 pixels; `kind`: 2 RGB, 4 grey with alpha, 6 RGB with alpha."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    row = b"".join(struct.pack(f">{len(one)}H", *one) * 100 for one in (left, right))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 200, 200, 16, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * 200))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "red", "clear"),
    [(2, (65535, 0, 0), (65535,) * 3), (6, (65535, 0, 0, 65535), (0,) * 4)],
)
def test_a_colour_picture_of_16_bits_keeps_its_colours(
    kind: int, red: tuple[int, ...], clear: tuple[int, ...]
) -> None:
    photo = read(photo_jpeg(png_of_16_bits(kind, red, clear)))
    assert is_red(photo.getpixel((50, 100)))
    assert photo.getpixel((150, 100)) == (255, 255, 255)


def test_grey_of_16_bits_with_transparency_keeps_its_shades() -> None:
    photo = read(photo_jpeg(png_of_16_bits(4, (0x4000, 0xFFFF), (0, 0))))
    pixel: Any = photo.getpixel((50, 100))
    assert max(abs(value - 0x40) for value in pixel) <= 2
    assert photo.getpixel((150, 100)) == (255, 255, 255)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    ink = Image.new("CMYK", (300, 200), (255, 255, 0, 0))
    ink.paste((0, 255, 255, 0), (0, 0, 150, 200))
    photo = read(photo_jpeg(written(ink, quality=95)))
    assert is_red(photo.getpixel((30, 100)))
    pixel: Any = photo.getpixel((270, 100))
    assert pixel[2] > 200 > 60 > max(pixel[:2])


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_colours_of_a_palette_become_white(
    kind: str, transparency: int | bytes
) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.paste(1, (10, 0, 20, 20))
    sent = written(image, kind, transparency=1 if kind == "GIF" else transparency)
    photo = read(photo_jpeg(sent))
    assert is_red(photo.getpixel((3, 10)))
    assert photo.getpixel((17, 10)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_picture_counts(kind: str) -> None:
    first, *others = (Image.new("RGB", (60, 40), colour) for colour in ("red", "blue", "green"))
    sent = written(first, kind, save_all=True, append_images=others)
    assert Image.open(io.BytesIO(sent)).n_frames == 3  # type: ignore[attr-defined]
    assert is_red(read(photo_jpeg(sent)).getpixel((30, 20)))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_wherever_it_ends(progressive: bool) -> None:
    noise = Image.frombytes("RGB", (300, 200), random.Random(1).randbytes(300 * 200 * 3))
    data = written(noise, progressive=progressive)
    for end in (*range(1, len(data), len(data) // 40), len(data) - 2, len(data) - 1):
        assert fault_of(data[:end]) in ("damaged", "no picture")


def test_metadata_is_removed() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    data = written(halves(), exif=exif, comment=b"secret word", icc_profile=b"secret profile")
    photo = photo_jpeg(data + b"secret end")
    assert data.count(b"secret") == 3
    assert b"secret" not in photo
    assert not read(photo).getexif()


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    photo = read(photo_jpeg(written(image, "PNG")))
    assert is_red(photo.getpixel((3, 10)))
    assert photo.getpixel((17, 10)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(7300, 7300), (10_000, 10_000), (15_000, 15_000)])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_picture_that_would_exhaust_the_memory_is_not_decoded(
    kind: str, size: tuple[int, int]
) -> None:
    assert fault_of(with_size(written(halves(), kind), kind, size)) == "too many pixels"


def with_size(data: bytes, kind: str, size: tuple[int, int]) -> bytes:
    """Change the size in the header of the picture."""
    if kind == "GIF":
        sides = b"".join(side.to_bytes(2, "little") for side in size)
        return data[:6] + sides + data[10:]
    head = b"IHDR" + b"".join(side.to_bytes(4, "big") for side in size) + data[24:29]
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]


@pytest.mark.parametrize(
    "data", [b"no picture", b"\x00\x00\x00\x1cftypheic", b"%PDF-1.7", b"<svg/>", JPEG[:3]]
)
def test_data_that_is_no_picture_is_refused(data: bytes) -> None:
    assert fault_of(data) == "no picture"


def test_other_types_that_pillow_knows_are_refused() -> None:
    assert fault_of(written(halves(), "TIFF")) == "no picture"


@pytest.mark.parametrize("kind", TYPES)
def test_a_truncated_picture_is_refused(kind: str) -> None:
    data = written(Image.effect_noise((300, 200), 90).convert("RGB"), kind)
    assert fault_of(data[: len(data) // 2]) in ("damaged", "no picture")


async def test_an_empty_upload_is_reported_as_missing() -> None:
    with pytest.raises(BadPhoto) as caught:
        await Photos().for_devices(b"")
    assert (caught.value.fault, caught.value.field) == ("missing", "photo")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TYPES), st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_a_damaged_picture_is_converted_or_refused_with_bad_photo(
    kind: str, at: int, other: bytes
) -> None:
    data = written(halves().resize((24, 16)), kind)
    try:
        photo = photo_jpeg(data[:at] + other + data[at + len(other) :])
    except BadPhoto:
        return
    assert read(photo).format == "JPEG"


def test_a_picture_whose_scans_would_take_a_minute_is_not_decoded() -> None:
    assert photo_jpeg(jpeg_of_scans(64, MAX_SCANS))
    assert fault_of(jpeg_of_scans(64, MAX_SCANS + 1)) == "slow"
    assert count_scans(jpeg_of_scans(64, 12_000), MAX_SCANS) == MAX_SCANS + 1
    assert fault_of(jpeg_of_scans(7200, MAX_SCANS)) == "slow"


def test_scans_are_counted_as_decoders_read_them() -> None:
    progressive = written(halves(), progressive=True)
    assert count_scans(progressive, MAX_SCANS) == 10
    assert count_scans(written(halves(), "PNG"), MAX_SCANS) == 0
    # A film behind the picture, as phones append it, and what looks like scans in front.
    film = b"\xff\xda" * 99
    behind = b"\xff\xe5" + (2 + len(film)).to_bytes(2, "big") + film
    assert photo_jpeg(progressive + film)
    assert photo_jpeg(progressive[:2] + behind + progressive[2:])
    # Fill bytes, restarts and stuffed bytes do not hide one.
    hidden = jpeg_of_scans(64, 40).replace(b"\xff\xda", b"\xff\xd0\xff\x00\xff\xff\xda")
    assert count_scans(hidden, MAX_SCANS) == MAX_SCANS + 1
    # Neither does a marker that decoders pass over: it has no length.
    hidden = jpeg_of_scans(64, 40).replace(b"\xff\xda", b"\xff\x02\xff\xff\xff\xda", 1)
    assert count_scans(hidden, MAX_SCANS) == MAX_SCANS + 1


def test_a_bmp_that_pillow_decodes_in_python_is_refused() -> None:
    palette, pixels = bytes(4 * 256), b"\x40\x07\x00\x00" * 64
    head = struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    offset = 14 + len(head + palette)
    file = struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset)
    assert fault_of(file + head + palette + pixels) == "no picture"


class SlowDecoder:
    """Takes the place of the decoder: as long as `end` is not set for `b"slow"` and `b"large"`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = trio.Event()
        self.end = threading.Event()
        self.at_work: list[bytes] = []
        self.most_at_work: list[bytes] = []
        monkeypatch.setattr(photos, "photo_jpeg", self.decode)

    def decode(self, data: bytes, rules: object, *, may_be_large: bool) -> bytes:
        if data == b"large" and not may_be_large:
            raise photos.IsLarge
        self.at_work.append(data)
        self.most_at_work = max(self.most_at_work, [*self.at_work], key=len)
        trio.from_thread.run_sync(self.begun.set)
        if data != b"small":
            self.end.wait(60)
        self.at_work.remove(data)
        return data


async def test_a_photo_that_nobody_waits_for_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = SlowDecoder(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Photos().for_devices, b"slow")
        await decoder.begun.wait()
        nursery.cancel_scope.cancel()
    assert decoder.at_work == [b"slow"]
    decoder.end.set()


@pytest.mark.parametrize("kind", [b"slow", b"large"])
async def test_a_photo_that_takes_too_long_is_given_up_and_the_next_one_has_its_turn(
    monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock, kind: bytes
) -> None:
    decoder, converter, faults = SlowDecoder(monkeypatch), Photos(), list[str]()

    async def give_up() -> None:
        with pytest.raises(BadPhoto, match="too long") as caught:
            await converter.convert(kind, COMMAND_RULES)
        faults.append(caught.value.fault)

    async with trio.open_nursery() as nursery:
        for _ in range(2 if kind == b"slow" else 1):
            nursery.start_soon(give_up)
        await decoder.begun.wait()
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(photos.CONVERT_SECONDS)
    assert set(faults) == {"slow"}
    # Their threads are still at work.
    assert set(decoder.at_work) == {kind}
    assert await converter.convert(b"small", COMMAND_RULES) == b"small"
    decoder.end.set()


async def test_of_large_photos_one_is_converted_at_a_time_and_a_small_one_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder, converter = SlowDecoder(monkeypatch), Photos()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(converter.convert, b"large", COMMAND_RULES)
        await decoder.begun.wait()
        assert await converter.convert(b"small", COMMAND_RULES) == b"small"
        assert decoder.at_work == [b"large"]
        decoder.end.set()
    assert sorted(decoder.most_at_work) == [b"large", b"small"]


async def test_two_small_photos_are_converted_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, converter = SlowDecoder(monkeypatch), Photos()
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(converter.convert, b"slow", COMMAND_RULES)
        await decoder.begun.wait()
        await trio.testing.wait_all_tasks_blocked()
        decoder.end.set()
    assert len(decoder.most_at_work) <= 2


@pytest.mark.parametrize(
    ("kind", "how", "is_large"),
    [
        ("PNG", {}, True),
        # Half of each side is enough, so no more is decoded ...
        ("JPEG", {}, False),
        # ... but a decoder keeps all of a progressive one until its last scan.
        ("JPEG", {"progressive": True}, True),
    ],
)
def test_a_photo_is_large_if_many_of_its_pixels_are_in_memory(
    kind: str, how: dict[str, Any], is_large: bool
) -> None:
    data = written(Image.new("RGB", (2400, 2400), "teal"), kind, **how)
    with pytest.raises(photos.IsLarge) if is_large else nullcontext():
        photo_jpeg(data, may_be_large=False)
    assert photo_jpeg(data)


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP, GIF, BMP])
def test_a_picture_without_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(BadPhoto):
        photo_jpeg(data)


def fault_of(data: bytes) -> str:
    with pytest.raises(BadPhoto) as caught:
        photo_jpeg(data)
    return caught.value.fault
