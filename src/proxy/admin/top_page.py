"""The page `/top`: what may be asked of it, and its answer."""

import time
from collections.abc import Sequence

from proxy.admin.pages import Page, Query, json_page, limit_of, one_of
from proxy.admin.top import ROWS, ROWS_MAX
from proxy.admin.top_between import Wanted, top_between
from proxy.admin.top_sample import TopSample


def wanted_of(query: Query) -> Wanted:
    """Return which rows are wanted. `AdminProblem` where the query is wrong."""
    given = one_of(query, Wanted._fields)
    return Wanted(given.get("service", ""), limit_of(given.get("limit", str(ROWS)), ROWS_MAX))


def render_top(before: TopSample, after: TopSample, wanted: Wanted, not_ready: Sequence[str]) -> Page:
    """Return the figures of the time between two samples."""
    top = top_between(before, after, wanted, ready=not not_ready, reasons=not_ready, at=time.time())
    return json_page(200, top)
