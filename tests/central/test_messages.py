"""What hubs send becomes rows; what no hub sends is told apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from hub.central.messages import (
    AlarmRow,
    ErasureRow,
    GapRow,
    LogRow,
    PictureFile,
    RecordRow,
    Sender,
    Unreadable,
    row_of,
)
from hub.central.months import bounds_of, month_of, table_of
from hub.central.received import read_message
from tests.central.messages import LOG, alarm, erasure, gap, log_is, message, picture, record

SENDER = Sender("site-1", 3, LOG)


def test_a_record_becomes_a_row_with_all_that_it_says() -> None:
    received = record(17)
    row = received.row
    assert isinstance(row, RecordRow)
    assert (row.sender, row.seq, row.kind, row.did, row.erased) == (SENDER, 17, "face", "1", False)
    assert row.received_at == datetime(2026, 11, 25, 8, 0, 0, 210_000, UTC)
    assert row.occurred_at == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert json.loads(row.body) == json.loads(received.payload)


def test_which_hub_it_is_says_the_subject_alone() -> None:
    row = message("rec", json.loads(record(1).payload) | {"hub": "site-2"}).row
    assert isinstance(row, RecordRow)
    assert row.sender.hub == "site-1"


def test_text_that_postgresql_does_not_take_is_replaced() -> None:
    payload = record(1, extra={}).payload.replace(b'"extra":{}', rb'"extra":{"a\u0000":["\ud800"]}')
    row = row_of("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, payload)
    assert isinstance(row, RecordRow)
    assert json.loads(row.body)["extra"] == {"a\ufffd": ["\ufffd"]}


def test_a_backslash_before_a_u_stays_what_it_is() -> None:
    row = record(1, name=r"C:\u0000").row
    assert isinstance(row, RecordRow)
    assert json.loads(row.body)["name"] == r"C:\u0000"


def test_the_other_messages_become_what_they_are() -> None:
    found = picture(17, b"JPEG").row
    assert found == PictureFile(SENDER, 17, "face", "image/jpeg", b"JPEG")
    found = alarm(17, 5, "closed").row
    assert isinstance(found, AlarmRow)
    assert (found.seq, found.number, found.state) == (17, 5, "closed")
    assert gap(3, 9, "disk").row == GapRow(SENDER, 3, 9, "disk")
    found = erasure((1, 1), (4, 9)).row
    assert isinstance(found, ErasureRow)
    assert (found.sender, found.seqs, found.uuids) == (SENDER, ((1, 1), (4, 9)), ())
    found = log_is(LOG, ("0b", 7), at=5).row
    at = datetime.fromtimestamp(1_795_600_005, UTC)
    assert found == LogRow(SENDER, (("0b", 7),), at)


@pytest.mark.parametrize(
    ("subject", "headers", "payload"),
    [
        ("sitehub.16.site-1.rec", {"Sitehub-Log": LOG}, record(1).payload),
        ("sitehub.3.Site_1.rec", {"Sitehub-Log": LOG}, record(1).payload),
        ("sitehub.3.site-1.new", {"Sitehub-Log": LOG}, b"{}"),
        ("sitehub.3.site-1.rec", {}, record(1).payload),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": "../x"}, record(1).payload),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, b"no JSON"),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, b'{"seq": 1}'),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, record(-1).payload),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, record(2**63).payload),
        (
            "sitehub.3.site-1.rec",
            {"Sitehub-Log": LOG},
            record(1, received_at="2026-11-25T08:00:00").payload,
        ),
        (
            "sitehub.3.site-1.rec",
            {"Sitehub-Log": LOG},
            record(1, received_at="9999-12-31T23:59:59-01:00").payload,
        ),
        ("sitehub.3.site-1.rec", {"Sitehub-Log": LOG}, b"[" * 100_000),
        (
            "sitehub.3.site-1.erasure",
            {"Sitehub-Log": LOG},
            erasure(*((seq, seq) for seq in range(0, 802, 2))).payload,
        ),
        ("sitehub.3.site-1.pic", {"Sitehub-Log": LOG, "Sitehub-Seq": "1"}, b"JPEG"),
        (
            "sitehub.3.site-1.pic",
            {"Sitehub-Log": LOG, "Sitehub-Seq": "1", "Sitehub-Picture": "../../x"},
            b"JPEG",
        ),
    ],
)
def test_what_no_hub_sends_is_unreadable(
    subject: str, headers: dict[str, str], payload: bytes
) -> None:
    with pytest.raises(Unreadable):
        row_of(subject, headers, payload)


@pytest.mark.parametrize("digest", [{}, {"Sitehub-Digest": "sha256:" + 64 * "0"}])
def test_a_picture_that_is_not_what_the_hub_sent_is_unreadable(digest: dict[str, str]) -> None:
    good = picture(1, b"JPEG")
    headers = {name: text for name, text in good.headers.items() if name != "Sitehub-Digest"}
    with pytest.raises(Unreadable, match="Sitehub-Digest is missing or wrong"):
        row_of(good.subject, {**headers, **digest}, good.payload)


def test_an_unreadable_message_says_why_and_where_it_was() -> None:
    reply = "$JS.ACK.hub.ACCOUNT.SITEHUB_3.sitehub-central.1.4711.7.1795600000000000000.0.token"
    received = read_message("SITEHUB_3", "sitehub.3.site-1.rec", {}, b"x", reply)
    assert received.row is None
    assert received.stream_seq == 4711
    assert received.reason == "Sitehub-Log is missing or wrong"


def test_a_month_has_a_table_unless_a_clock_was_wrong() -> None:
    assert month_of(datetime(2026, 12, 31, tzinfo=UTC)) == (2026, 12)
    assert table_of((2026, 12)) == "record_2026_12"
    assert bounds_of((2026, 12)) == ("2026-12-01 00:00:00+00", "2027-01-01 00:00:00+00")
    assert month_of(datetime(1970, 1, 1, tzinfo=UTC)) is None
    assert month_of(datetime(2050, 1, 1, tzinfo=UTC)) is None
