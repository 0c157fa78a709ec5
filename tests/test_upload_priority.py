from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.upload_priority import MAX_WAIT_SECONDS, UploadPriority


async def test_background_work_goes_on_once_no_upload_is_in_progress(
    nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    upload_priority = UploadPriority()
    has_gone_on = trio.Event()

    async def work() -> None:
        await upload_priority.yield_to_uploads()
        has_gone_on.set()

    with upload_priority.upload():
        with upload_priority.upload():
            nursery.start_soon(work)
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert not has_gone_on.is_set()
    await has_gone_on.wait()


async def test_background_work_does_not_wait_for_ever(autojump_clock: MockClock) -> None:
    upload_priority = UploadPriority()
    with upload_priority.upload():
        began = trio.current_time()
        await upload_priority.yield_to_uploads()
        assert trio.current_time() - began == MAX_WAIT_SECONDS


async def test_without_an_upload_nobody_waits(mock_clock: MockClock) -> None:
    upload_priority = UploadPriority()
    with upload_priority.upload():
        pass
    with trio.testing.assert_checkpoints():
        await upload_priority.yield_to_uploads()
    assert trio.current_time() == 0
