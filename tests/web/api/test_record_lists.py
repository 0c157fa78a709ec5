"""Lists of records: read and written in pieces, whoever reads them."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
import trio
from quart.testing import QuartClient
from quart_trio import QuartTrio
from trio.testing import MockClock, lockstep_stream_pair, wait_all_tasks_blocked

from hub.errors import CannotStoreNow, TooManyRequests
from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.services.audit import COMMAND_LINE
from hub.store.commit.record_batch import RecordBatch
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import RecordPage
from hub.store.tables.api_keys import ApiKey
from tests.support.hub_services import HubServices, face
from web.api.records.record_list import (
    MAX_PIECE_RECORDS,
    MAX_READS_PER_ADDRESS,
    PIECE_BYTES,
    RecordLists,
)
from web.app import create_app
from web.auth import Caller
from web.http.answers import ANSWERS, AnswerBudget
from web.http.connection import Connection, Serving

RECORDS = "/api/hub/v1/records"
ATTACKER, GUARD = "10.0.0.66", "10.0.0.5"
#: So many records of one size fill some pieces.
NAME_BYTES, COUNT = 4000, 60


@pytest.fixture
async def key(hub: HubServices) -> dict[str, str]:
    return await hub.bearer(read_only=True)


async def add_many(hub: HubServices, count: int = COUNT, name_bytes: int = NAME_BYTES) -> list[int]:
    """Store so many records at once; return their seqs."""
    batch = RecordBatch(
        [face(f"{n:04}" + "x" * name_bytes) for n in range(count)],
        did="1",
        sn="SN1",
        device_name="Gate",
        digest=secrets.token_bytes(16),
        arrived_at=0,
    )
    return list((await hub.store.records.append(batch)).seqs)


class Reads:
    """Notes each page that is read of the log; `fail_at` makes one of them fail."""

    def __init__(self, hub: HubServices, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.fail_at = 0
        self.may_read = trio.Event()
        self.may_read.set()
        self._read = hub.store.records.page
        monkeypatch.setattr(hub.store.records, "page", self.page)

    async def page(self, *args: Any, **how: Any) -> RecordPage:
        self.sizes.append(0)
        await self.may_read.wait()
        if len(self.sizes) == self.fail_at:
            raise CannotStoreNow("the disk is not responding")
        page = await self._read(*args, **how)
        self.sizes[-1] = len(page.items)
        return page


@pytest.fixture
def reads(hub: HubServices, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(hub, monkeypatch)


async def get(
    client: QuartClient, key: dict[str, str], query: str, address: str = GUARD, **scope: Any
) -> tuple[int, Any]:
    response = await client.get(
        f"{RECORDS}?{query}", headers=key, scope_base={"client": (address, 40_000), **scope}
    )
    return response.status_code, await response.get_json()


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_long_list_is_read_in_pieces_and_is_whole(
    hub: HubServices, client: QuartClient, key: dict[str, str], reads: Reads, order: str
) -> None:
    seqs = await add_many(hub)
    status, listed = await get(client, key, f"limit=1000&order={order}")
    assert status == 200
    assert [one["seq"] for one in listed["items"]] == sorted(seqs, reverse=order == "desc")
    assert listed["next"] is None
    assert listed["log"] == hub.services.records.log.log_id
    assert len(reads.sizes) > 5
    assert max(reads.sizes) * NAME_BYTES <= PIECE_BYTES + 2 * NAME_BYTES


async def test_small_records_are_read_a_bounded_number_at_a_time(
    hub: HubServices, client: QuartClient, key: dict[str, str], reads: Reads
) -> None:
    seqs = await add_many(hub, 2 * MAX_PIECE_RECORDS + 1, name_bytes=0)
    _, listed = await get(client, key, "limit=1000")
    assert [one["seq"] for one in listed["items"]] == seqs
    assert reads.sizes == [MAX_PIECE_RECORDS, MAX_PIECE_RECORDS, 1]


async def test_a_limit_holds_across_pieces(
    hub: HubServices, client: QuartClient, key: dict[str, str]
) -> None:
    seqs = await add_many(hub)
    _, first = await get(client, key, "limit=25")
    assert ([one["seq"] for one in first["items"]], first["next"]) == (seqs[:25], seqs[24])
    _, rest = await get(client, key, f"limit=35&after={first['next']}")
    assert ([one["seq"] for one in rest["items"]], rest["next"]) == (seqs[25:], None)


@pytest.mark.parametrize("found", [0, 3])
async def test_a_list_whose_search_takes_too_long_has_what_was_found_and_goes_on(
    hub: HubServices,
    client: QuartClient,
    key: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    found: int,
) -> None:
    await add_many(hub, 10, name_bytes=0)
    whole = hub.store.records.page

    async def in_part(filter: RecordFilter, **how: Any) -> RecordPage:
        page = await whole(filter, **how)
        return RecordPage(page.items[:found], 7, is_complete=False)

    monkeypatch.setattr(hub.store.records, "page", in_part)
    status, listed = await get(client, key, "limit=1000&plate=88")
    assert (status, listed["next"]) == (200, 7)
    assert listed["items"] == []
    status, listed = await get(client, key, "limit=1000")
    assert ([one["seq"] for one in listed["items"]], listed["next"]) == ([1, 2, 3][:found], 7)


async def test_a_list_ends_early_if_its_records_are_very_large(
    hub: HubServices, client: QuartClient, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.api.records.record_list.MAX_PAGE_BYTES", 2 * PIECE_BYTES)
    seqs = await add_many(hub)
    _, first = await get(client, key, "limit=1000")
    count = len(first["items"])
    assert count * NAME_BYTES < 4 * PIECE_BYTES
    assert first["next"] == seqs[count - 1]
    listed = first
    found = [one["seq"] for one in first["items"]]
    while listed["next"] is not None:
        _, listed = await get(client, key, f"limit=1000&after={listed['next']}")
        found += [one["seq"] for one in listed["items"]]
    assert found == seqs


async def test_the_records_of_a_hold_come_in_pieces_too(
    hub: HubServices, client: QuartClient, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs = await add_many(hub)
    held = [*seqs[:20], *seqs[25:]]
    await hub.services.records.holds.create(held, "theft", None, by=COMMAND_LINE)
    read, sizes = hub.store.records.page_of_hold, []

    async def noted(*args: Any, **how: Any) -> RecordPage:
        page = await read(*args, **how)
        sizes.append(len(page.items))
        return page

    monkeypatch.setattr(hub.store.records, "page_of_hold", noted)
    response = await client.get("/api/hub/v1/holds/1/records?limit=1000", headers=key)
    assert [one["seq"] for one in (await response.get_json())["items"]] == held
    assert len(sizes) > 5
    response = await client.get("/api/hub/v1/holds/1/records?limit=50", headers=key)
    listed = await response.get_json()
    assert ([one["seq"] for one in listed["items"]], listed["next"]) == (held[:50], held[49])


async def test_a_list_that_fits_into_one_piece_is_sent_with_its_length(
    hub: HubServices, client: QuartClient, key: dict[str, str]
) -> None:
    await hub.add_faces("a", "b")
    response = await client.get(f"{RECORDS}?limit=1000", headers=key)
    assert response.headers["Content-Length"] == str(len(await response.get_data()))


async def test_head_reads_the_first_piece_alone(
    hub: HubServices, client: QuartClient, key: dict[str, str], reads: Reads
) -> None:
    await add_many(hub)
    response = await client.head(f"{RECORDS}?limit=1000", headers=key)
    assert (response.status_code, await response.get_data()) == (200, b"")
    assert len(reads.sizes) == 1


# -- over a connection


class Reader:
    """A client that reads no more than it is told to."""

    def __init__(self, hub: HubServices, key: dict[str, str], nursery: trio.Nursery) -> None:
        self.stream, ours = lockstep_stream_pair()
        self._connection = Connection(
            create_app(hub.services),
            Serving(closing=trio.Event(), deadlines=Deadlines(), answers=AnswerBudget(10**9)),
            ours,
            Peer(ATTACKER, 50_000, trio.current_time()),
            ("10.0.0.1", 8443),
            tls=False,
        )
        self._key = key["Authorization"]
        nursery.start_soon(self._connection.run)

    async def ask(self) -> None:
        head = f"GET {RECORDS}?limit=1000 HTTP/1.1\r\nHost: hub\r\nAuthorization: {self._key}"
        await self.stream.send_all(f"{head}\r\n\r\n".encode())

    async def read(self, wanted: int) -> bytes:
        """Read at least so many bytes, or to the end."""
        read = b""
        while len(read) < wanted and (data := await self.stream.receive_some(1000)):
            read += data
        return read


async def test_a_reader_that_stops_costs_one_piece_and_nothing_of_the_store(
    hub: HubServices, key: dict[str, str], reads: Reads
) -> None:
    seqs = await add_many(hub)
    async with trio.open_nursery() as nursery:
        reader = Reader(hub, key, nursery)
        await reader.ask()
        received = await reader.read(PIECE_BYTES // 2)
        await wait_all_tasks_blocked()
        assert len(reads.sizes) == 1
        # All others are read meanwhile.
        assert len((await hub.services.records.log.page(RecordFilter(), limit=1000)).items) == COUNT
        reads.sizes.clear()
        while b"\r\n0\r\n\r\n" not in received:
            received += await reader.read(1)
        assert len(reads.sizes) > 5
        head, _, body = received.partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head.lower()
        listed = json.loads(_dechunked(body))
        assert [one["seq"] for one in listed["items"]] == seqs
        nursery.cancel_scope.cancel()


async def test_a_list_that_cannot_be_completed_is_cut_off_within(
    hub: HubServices, key: dict[str, str], reads: Reads
) -> None:
    await add_many(hub)
    reads.fail_at = 3
    async with trio.open_nursery() as nursery:
        reader = Reader(hub, key, nursery)
        await reader.ask()
        received = await reader.read(10**9)
        nursery.cancel_scope.cancel()
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(_dechunked(received.partition(b"\r\n\r\n")[2]))


async def test_a_list_that_cannot_be_begun_is_refused(
    client: QuartClient, key: dict[str, str], reads: Reads
) -> None:
    reads.fail_at = 1
    assert (await get(client, key, "limit=1000"))[0] == 503


# -- among others


async def test_a_list_without_room_is_refused_before_anything_is_read(
    client: QuartClient, key: dict[str, str], reads: Reads
) -> None:
    answers = AnswerBudget(8 * PIECE_BYTES)
    extensions = {"extensions": {ANSWERS: answers}}
    rooms = [answers.take(PIECE_BYTES, ATTACKER, lambda: None) for _ in range(2)]
    assert (await get(client, key, "", ATTACKER, **extensions))[0] == 503
    assert reads.sizes == []
    assert (await get(client, key, "", GUARD, **extensions))[0] == 200
    assert rooms[0] is not None
    rooms[0].give_back()
    assert (await get(client, key, "", ATTACKER, **extensions))[0] == 200


async def test_lists_of_one_address_wait_for_each_other_and_not_others_for_them(
    client: QuartClient, key: dict[str, str], reads: Reads
) -> None:
    statuses: list[int] = []

    async def ask(address: str) -> None:
        statuses.append((await get(client, key, "limit=1000", address))[0])

    reads.may_read = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, ATTACKER)
        await wait_all_tasks_blocked()
        assert len(reads.sizes) == MAX_READS_PER_ADDRESS
        nursery.start_soon(ask, GUARD)
        await wait_all_tasks_blocked()
        assert len(reads.sizes) == MAX_READS_PER_ADDRESS + 1
        reads.may_read.set()
    assert statuses == [200] * 21


async def test_a_list_waits_ten_seconds_at_most_for_others_of_its_address(
    autojump_clock: MockClock,
) -> None:
    lists, refused = RecordLists(), []
    caller = Caller(ApiKey("app", "key", read_only=True, created_at=0), ATTACKER)

    async def read_forever(position: int | None, count: int) -> RecordPage:
        await trio.sleep_forever()
        raise AssertionError

    async def ask() -> None:
        async with QuartTrio("test").test_request_context("/"):
            try:
                await lists.answer(read_forever, 100, "log", caller)
            except TooManyRequests:
                refused.append(trio.current_time())

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(MAX_READS_PER_ADDRESS + 1):
            nursery.start_soon(ask)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert refused == [started + 10]


def _dechunked(body: bytes) -> bytes:
    """The data of a chunked body, also of one that was cut off."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        data += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return data
