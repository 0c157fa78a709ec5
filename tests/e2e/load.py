"""A load of uploads: senders upload without a pause, and remember what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import httpx

from tests.e2e.camera import Capture, upload_sync
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

RECORDS = "/api/hub/v1/records"
ALARMS = "/api/hub/v1/alarms"
_SIZES = (3_000, 6_000, 24_000)
_RETRY_SECONDS = 0.1


class UploadLoad:
    """A context in which `senders` threads upload until it ends or the hub fails.

    `sent` has all captures by uuid, `acknowledged` those that were answered 200. A refused capture
    is sent again, as cameras do, if `retries`; otherwise its sender ends. `category`: of the people
    in the captures. `position` is called when
    an answer 200 has come: what it returns is in `acknowledged_at`.
    """

    def __init__(
        self,
        hub: HubProcess,
        token: str,
        *,
        senders: int = 8,
        seed: int = 0,
        retries: bool = False,
        category: int | None = None,
        position: Callable[[], int] = lambda: 0,
    ) -> None:
        self.acknowledged: dict[str, Capture] = {}
        self.acknowledged_at: dict[str, int] = {}
        self.sent: dict[str, Capture] = {}
        self.refusals = 0
        self._hub = hub
        self._token = token
        self._rng = random.Random(seed)
        self._retries = retries
        self._category = category
        self._position = position
        self._changed = threading.Condition()
        self._stopped = False
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]

    def __enter__(self) -> UploadLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()

    @property
    def refused(self) -> list[Capture]:
        """The captures that were sent and not acknowledged."""
        return [capture for uuid, capture in self.sent.items() if uuid not in self.acknowledged]

    def wait_acknowledged(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= count, TIMEOUT_SECONDS)

    def _send(self) -> None:
        with self._hub.sync_client() as client:
            while not self._stopped:
                with self._changed:
                    capture = Capture.random(self._rng, *_SIZES, category=self._category)
                    self.sent[capture.uuid] = capture
                while not self._stopped:
                    try:
                        code = upload_sync(client, self._token, capture.body())
                    except (httpx.TransportError, ValueError):
                        return
                    position = self._position()
                    if code == 200:
                        break
                    self.refusals += 1
                    if not self._retries:
                        return
                    time.sleep(_RETRY_SECONDS)
                else:
                    return
                with self._changed:
                    self.acknowledged[capture.uuid] = capture
                    self.acknowledged_at[capture.uuid] = position
                    self._changed.notify_all()

    async def check_stored(
        self, client: httpx.AsyncClient, acknowledged: Collection[str] | None = None
    ) -> None:
        """Assert that each acknowledged capture is stored once, and each record is whole.

        Whole: with intact pictures, even if its upload was not acknowledged. `acknowledged`: the
        uuids, if not all of them.
        """
        expected = set(self.acknowledged if acknowledged is None else acknowledged)
        records = await read_all(client)
        counts = Counter(record["uuid"] for record in records)
        assert expected <= set(counts) <= set(self.sent)
        assert set(counts.values()) <= {1}
        seqs = [record["seq"] for record in records]
        assert seqs == sorted(set(seqs))
        for record in records:
            await self._check_pictures(client, record)

    async def _check_pictures(self, client: httpx.AsyncClient, record: dict[str, Any]) -> None:
        sent = self.sent[record["uuid"]].pictures
        assert set(record["images"]) == set(sent)
        for name, path in record["images"].items():
            assert (await client.get(path)).content == sent[name]


async def read_all(client: httpx.AsyncClient, path: str = RECORDS) -> list[dict[str, Any]]:
    """Read all records that devices reported, or another list, page by page."""
    records: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get(path, params={"after": after, "limit": 100})).json()
        # What the hub itself notices, such as a wrong clock, is in the log as well (D11).
        records += [item for item in page["items"] if path != RECORDS or item["kind"] != "hub"]
        after = page["next"]
    return records
