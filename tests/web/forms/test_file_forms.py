"""Forms with a file: which bodies are accepted, and what is read from them."""

from __future__ import annotations

import pytest

from hub.errors import BadParameter
from web.forms.file_forms import FileForm, parse_file_form

MULTIPART = 'multipart/form-data; boundary="xYz"'


def part(name: str, data: bytes, file: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{file}"\r\nContent-Type: image/jpeg' if file else ""
    return b"--xYz\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xYz--\r\n"


def test_fields_and_photo_are_what_was_sent() -> None:
    photo = bytes(range(256)) * 500 + b"\r\n--xY\r\n"
    body = form(part("name", "张三".encode()), part("photo", photo, "a.jpg"), part("age", b""))
    assert parse_file_form(MULTIPART, body, "photo") == FileForm({"name": "张三", "age": ""}, photo)


def test_no_file_is_an_empty_photo() -> None:
    assert parse_file_form(MULTIPART, form(part("name", b"x")), "photo").file == b""
    empty = form(part("photo", b"", " ").replace(b'filename=" "', b'filename=""'))
    assert parse_file_form(MULTIPART, empty, "photo").file == b""


def test_the_last_of_repeated_fields_counts_and_bad_utf8_is_replaced() -> None:
    body = form(part("name", b"a"), part("name", b"\xff"))
    assert parse_file_form(MULTIPART, body, "photo").fields == {"name": "�"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", form(part("name", b"x"))),
        ("application/x-www-form-urlencoded", b"name=x"),
        ("multipart/form-data", form(part("name", b"x"))),
        ("multipart/form-data; boundary=ä", form(part("name", b"x"))),
        (MULTIPART, b""),
        (MULTIPART, b"--xYz--\r\n"[:-4]),
        (MULTIPART, part("photo", b"cut off", "a.jpg")),
        (MULTIPART, form(part("name", b"x")).replace(b"Content-Disposition", b"Content")),
        (MULTIPART, form(*(part(str(n), b"") for n in range(40)))),
        (MULTIPART, b"\r\n" * 100_000),
    ],
)
def test_a_body_that_is_not_a_form_with_a_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(BadParameter):
        parse_file_form(content_type, body, "photo")
