"""A guard who searches; what the site has to be found is each file's own."""

from __future__ import annotations

import pytest

from tests.support.browsing import Visitor
from tests.support.page_site import PageSite


@pytest.fixture
async def guard(site: PageSite) -> Visitor:
    return await Visitor.signed_in(site, "guard")
