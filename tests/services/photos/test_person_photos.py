"""Photos of the register, as D10 has them."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pytest
from PIL import Image

from hub.services.photos.person_photos import PersonPhotos
from hub.services.photos.photos import MAX_FILE_MB, BadPhoto, Photos


def written(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


async def prepared(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(await PersonPhotos(Photos()).prepare(data)))
    image.load()
    return image


@pytest.mark.parametrize(
    ("size", "result"),
    [
        ((4000, 3000), (640, 480)),
        ((3000, 4000), (480, 640)),
        ((640, 640), (640, 640)),
        ((112, 112), (112, 112)),
        ((300, 200), (300, 200)),
        ((2000, 350), (640, 112)),
    ],
)
async def test_the_longer_side_is_at_most_640_pixels(
    size: tuple[int, int], result: tuple[int, int]
) -> None:
    photo = await prepared(written(Image.new("RGB", size, "teal")))
    assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", result)


@pytest.mark.parametrize("size", [(111, 500), (500, 111), (64, 64), (2000, 300)])
async def test_a_photo_whose_shorter_side_is_too_small_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadPhoto, match="112 pixels") as refused:
        await prepared(written(Image.new("RGB", size)))
    assert refused.value.fault == "too small"


async def test_even_noise_has_at_most_200_kb() -> None:
    noise = random.Random(1).randbytes(640 * 640 * 3)
    data = written(Image.frombytes("RGB", (640, 640), noise))
    assert len(await PersonPhotos(Photos()).prepare(data)) <= 200 * 1024 < len(data)


async def test_a_photo_for_a_second_try_is_smaller() -> None:
    noise = random.Random(1).randbytes(640 * 480 * 3)
    photos = PersonPhotos(Photos())
    first = await photos.prepare(written(Image.frombytes("RGB", (640, 480), noise)))
    second = await photos.simplify(first)
    with Image.open(io.BytesIO(second)) as photo:
        assert (photo.format, photo.size) == ("JPEG", (480, 360))
    assert len(second) < len(first)


async def test_a_file_that_is_too_large_is_not_decoded() -> None:
    with pytest.raises(BadPhoto, match="20 MB") as refused:
        await PersonPhotos(Photos()).prepare(bytes((MAX_FILE_MB << 20) + 1))
    assert refused.value.fault == "too large"
    with pytest.raises(BadPhoto, match="is required"):
        await PersonPhotos(Photos()).prepare(b"")


def profile_with_swapped_primaries() -> bytes:
    """An ICC profile of a screen whose red is the green of sRGB, and the other way round."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(map(number, values))

    text = b"swapped\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"gXYZ": xyz(0.4360, 0.2225, 0.0139),
        b"rXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        **dict.fromkeys(
            (b"rTRC", b"gTRC", b"bTRC"), b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)
        ),
    }
    place, table, data = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += name + struct.pack(">II", place + len(data), len(body))
        data += body
    size = place + len(data)
    head = struct.pack(">I", size) + b"lcms" + bytes.fromhex("02100000") + b"mntrRGB XYZ "
    head += bytes(12) + b"acsp" + bytes(28) + number(0.9642) + number(1.0) + number(0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_colours_of_another_profile_become_srgb(mode: str) -> None:
    red = Image.new(mode, (200, 200), "red")
    photo = await prepared(written(red, icc_profile=profile_with_swapped_primaries()))
    pixel: Any = photo.getpixel((100, 100))
    assert pixel[1] > 200 > 90 > pixel[0]
    assert "icc_profile" not in photo.info


@pytest.mark.parametrize("profile", [b"no profile", profile_with_swapped_primaries()[:200]])
async def test_a_profile_that_cannot_be_used_counts_as_none(profile: bytes) -> None:
    photo = await prepared(written(Image.new("RGB", (200, 200), "red"), icc_profile=profile))
    pixel: Any = photo.getpixel((100, 100))
    assert pixel[0] > 200 > 60 > pixel[1]


async def test_a_profile_of_other_colours_than_the_pictures_counts_as_none() -> None:
    grey = Image.new("L", (200, 200), 128)
    photo = await prepared(written(grey, icc_profile=profile_with_swapped_primaries()))
    pixel: Any = photo.getpixel((100, 100))
    assert max(pixel) - min(pixel) < 4


async def test_the_place_where_a_photo_was_taken_is_removed() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    image = Image.new("RGB", (300, 200), "teal")
    for kind in ("PNG", "JPEG", "WEBP"):
        data = written(image, kind, exif=exif)
        assert b"secret" in data
        assert b"secret" not in await PersonPhotos(Photos()).prepare(data)
