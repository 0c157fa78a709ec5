"""Jobs: the list, one job with its steps, and cancelling."""

from __future__ import annotations

import re

import pytest
import trio

from hub.services.audit import Actor
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.store.jobs.jobs import Job
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer


@pytest.fixture
async def jobs(hub: PageSite, nursery: trio.Nursery) -> Jobs:
    await nursery.start(hub.services.jobs.run)
    return hub.services.jobs


async def wait_for_ever(progress: JobProgress) -> None:
    await progress.note(0, "done")
    await progress.note(1, "failed")
    await progress.save()
    await trio.sleep_forever()


async def start(hub: PageSite, who: str = "admin") -> Job:
    """A job that has done a step, failed at one, and goes on for ever."""
    jobs, items = hub.services.jobs, [{"did": str(n)} for n in range(3)]
    with hub.services.core.changes.subscribe() as changes:
        job = await jobs.start("compare", {}, Actor(f"user {who}"), wait_for_ever, items=items)
        while job.done + job.failed < 2:
            await changes.next()
            job = await jobs.get(job.id)
    return job


async def test_without_jobs_the_page_says_what_becomes_one(guard: Photographer) -> None:
    await guard.get("/jobs")
    assert "No jobs yet" in guard.text
    assert 'href="/search"' in guard.text


async def test_a_running_job_shows_its_progress_and_steps(
    hub: PageSite, jobs: Jobs, admin: Photographer
) -> None:
    job = await start(hub)
    for path in ("/jobs", "/jobs/table"):
        await admin.get(path)
        for text in (f'href="/jobs/{job.id}"', "Running", "2 of 3", "1 failed"):
            assert text in admin.text, text
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/state"):
        await admin.get(path)
        for text in ('value="2" max="3"', "Done", "Failed", "Waiting", "Cancel the job"):
            assert text in admin.text, text
        # A screen reader tells when this changes.
        told = admin.text.partition('role="status"')[2].partition("</div>")[0]
        assert "Comparison of people on a camera · Running" in told
    await admin.get(f"/jobs/{job.id}?only=failed")
    assert re.findall(r'<tr data-key="(\d+)">', admin.text) == ["1"]


async def test_a_job_is_cancelled_and_found_again(
    hub: PageSite, jobs: Jobs, admin: Photographer
) -> None:
    job = await start(hub)
    await admin.get(f"/jobs/{job.id}")
    await admin.send(f"/jobs/{job.id}/cancel")
    assert admin.goes_to == f"/jobs/{job.id}"
    await admin.get(f"/jobs/{job.id}")
    assert "Cancelled" in admin.text
    assert "kept for a week" in admin.text
    assert "Cancel the job" not in admin.text


@pytest.mark.parametrize(("who", "status"), [("guard", 303), ("admin", 403)])
async def test_guards_cancel_what_they_started_only(
    hub: PageSite, jobs: Jobs, guard: Photographer, who: str, status: int
) -> None:
    job = await start(hub, who)
    await guard.get(f"/jobs/{job.id}")
    assert ("Cancel the job" in guard.text) == (status == 303)
    await guard.get("/account")
    await guard.send(f"/jobs/{job.id}/cancel")
    assert guard.response.status_code == status
    assert (await jobs.get(job.id)).state == ("cancelled" if status == 303 else "running")


async def test_the_list_of_jobs_is_paged_by_its_address(
    hub: PageSite, jobs: Jobs, guard: Photographer
) -> None:
    for _ in range(51):
        await jobs.add("settings", None, Actor("user admin"))
    await guard.get("/jobs")
    (older,) = re.findall(r'rel="next" href="([^"]+)"', guard.text)
    await guard.get(older)
    assert re.findall(r'<tr data-key="(\d+)">', guard.text) == ["1"]


async def test_a_job_that_is_gone_has_no_page(guard: Photographer, viewer: Photographer) -> None:
    await guard.get("/jobs/99")
    assert guard.response.status_code == 404
    await viewer.get("/jobs")
    assert viewer.response.status_code == 403
