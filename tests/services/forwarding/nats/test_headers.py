"""Headers are read as far as they are some, whatever a sender has written."""

from __future__ import annotations

import pytest

from hub.services.forwarding.nats.headers import headers_of


def test_headers_of_a_message_are_read() -> None:
    block = "NATS/1.0\r\nSitehub-Seq: 17\r\nPlace:\t大门\r\nEmpty:\r\n\r\n".encode()
    assert headers_of(block) == {"Sitehub-Seq": "17", "Place": "大门", "Empty": ""}


@pytest.mark.parametrize(
    ("block", "status", "description"),
    [
        (b"NATS/1.0 404\r\n\r\n", "404", ""),
        (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Bytes: 0\r\n\r\n",
            "408",
            "Request Timeout",
        ),
    ],
)
def test_what_a_server_says_of_a_request_is_in_the_first_line(
    block: bytes, status: str, description: str
) -> None:
    found = headers_of(block)
    assert (found["Status"], found["Description"]) == (status, description)


def test_a_header_cannot_pretend_to_be_what_the_server_says() -> None:
    assert headers_of(b"NATS/1.0\r\nStatus: 503\r\nDescription: Deleted\r\n\r\n") == {}


@pytest.mark.parametrize(
    "block", [b"", b"x", b"NATS/1.0", b"NATS/1.0 \xff\xff\xff \xff\r\n\r\n", b"\r\n\r\n\xff:\xff"]
)
def test_what_is_no_header_does_no_harm(block: bytes) -> None:
    assert "Status" not in headers_of(block)
