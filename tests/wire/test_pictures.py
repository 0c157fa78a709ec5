"""Pictures: strict base64, the tolerant retry, and the real type (D5)."""

from __future__ import annotations

import json

import pytest

from hub.errors import BadParameter
from hub.wire.pictures import EXTENSIONS, decode_picture, real_type
from tests.support.pictures import BMP, GIF, JPEG, PNG, WEBP, b64, jpeg


def decode(raw: str | bytes) -> bytes | None:
    data = raw.encode() if isinstance(raw, str) else raw
    picture = decode_picture(data, name="face", field="data.face_data")
    return picture.data if picture else None


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (JPEG, "image/jpeg"),
        (PNG, "image/png"),
        (WEBP, "image/webp"),
        (GIF, "image/gif"),
        (BMP, "image/bmp"),
        (b"BM" + bytes(60), "image/bmp"),
    ],
)
def test_d5_the_real_type_is_read_from_the_first_bytes_whatever_is_declared(
    data: bytes, mime: str
) -> None:
    raw = json.dumps("data:image/jpeg;base64," + b64(data)).encode()
    picture = decode_picture(raw, name="face", field="data.face_data")
    assert picture is not None
    assert (picture.mime, picture.data, picture.name) == (mime, data, "face")
    assert mime in EXTENSIONS


@pytest.mark.parametrize("size", [300, 301, 302])
@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "DATA:image/png;BASE64,"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        lambda text: text.rstrip("="),
        lambda text: text.replace("=", "\\u003d"),
        lambda text: text.replace("=", "\\u003D"),
        lambda text: text.replace("/", "\\/"),
        lambda text: text.replace("/", "\\/").replace("=", "\\u003d"),
        lambda text: text.replace("+", "\\u002b"),
        lambda text: "\\r\\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        lambda text: text.replace("A", "\\u0041").rstrip("="),
    ],
)
def test_d5_every_encoding_gives_the_same_bytes(size: int, prefix: str, written) -> None:
    data = jpeg(size)
    assert decode('"' + written(prefix + b64(data)) + '"') == data


@pytest.mark.parametrize("raw", ['""', "null", '"data:image/jpeg;base64,"', '"\\n"'])
def test_d5_an_empty_picture_is_none(raw: str) -> None:
    assert decode(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        '"!!!!"',
        '"' + b64(JPEG)[:9] + " " + b64(JPEG)[9:] + '"',
        '"' + b64(JPEG)[:8] + "*" + b64(JPEG)[9:] + '"',
        '"' + b64(JPEG)[:5] + '"',
        '"' + b64(JPEG) + "====" + '"',
        '"=' + b64(JPEG) + '"',
        '"' + b64(JPEG).replace("/", "\\\\/") + '"',
        '"' + b64(JPEG)[:-2] + "\\\\u003d" + '"',
        '"data:image/jpeg,' + b64(JPEG) + '"',
        '"图片"',
        '"\\ud800"',
    ],
)
def test_d5_invalid_base64_is_420_and_never_a_damaged_picture(raw: str) -> None:
    with pytest.raises(BadParameter, match=r"data\.face_data: the picture is not valid base64"):
        decode(raw)


@pytest.mark.parametrize("raw", [b'"\xff\xfe"', b'"AAAA\xff"'])
def test_a_picture_in_invalid_utf8_is_420(raw: bytes) -> None:
    with pytest.raises(BadParameter, match=r"data\.face_data: "):
        decode(raw)


@pytest.mark.parametrize("raw", ["1", "true", "[]", '{"a":1}', "1e400"])
def test_a_picture_that_is_not_a_text_is_420(raw: str) -> None:
    with pytest.raises(BadParameter, match=r"data\.face_data: a picture as base64 text"):
        decode(raw)


@pytest.mark.parametrize(
    "data",
    [b"hello, world", b"BMW makes cars, and this is no bitmap", b"%PDF", b"\xff\xd8", b"\0"],
)
def test_d5_a_picture_of_another_type_is_420(data: bytes) -> None:
    with pytest.raises(BadParameter, match="must be JPEG, PNG, WebP, GIF or BMP"):
        decode(json.dumps(b64(data)))
    assert real_type(data) is None
