"""What may be asked of the page `/records`."""

from typing import Final

from proxy.admin.pages import Query, limit_of, one_of
from proxy.admin.record_page import RINGS, ROWS, ROWS_MAX, RecordsWanted, places_of
from proxy.admin.state import AdminProblem
from proxy.errors import REASONS

_PARAMETERS: Final = (
    *("id", "ring", "after", "limit", "method", "route", "service", "instance", "tenant"),
    *("status", "reason", "slower_ms"),
)
_SLOWER_MS_MAX: Final = 86_400_000
_ID_MAX: Final = 64


def records_wanted(query: Query) -> RecordsWanted:
    """Return which records are wanted. `AdminProblem` where the query is wrong."""
    given = one_of(query, _PARAMETERS)
    if "id" in given:
        return _by_id(given)
    ring = given.get("ring", "recent")
    if ring not in RINGS:
        raise AdminProblem(400, f"{ring[:32]!r} is no ring; write {' or '.join(RINGS)}.")
    try:
        places_of(given.get("after", ""))
    except ValueError:
        raise AdminProblem(400, "What after says was never a next of this page; leave it out to begin anew.") from None
    limit = limit_of(given.pop("limit", str(ROWS)), ROWS_MAX)
    status, reason = given.get("status", ""), given.get("reason", "")
    if status and not is_status(status):
        raise AdminProblem(400, f"{status[:32]!r} is no status; write one as 503, a class as 5xx, or none.")
    if reason and reason not in REASONS:
        raise AdminProblem(400, f"There is no reason {reason[:64]!r}; docs/reasons.md has them all.")
    slower = given.pop("slower_ms", "0")
    if not (slower.isascii() and slower.isdigit() and int(slower[:9]) <= _SLOWER_MS_MAX):
        raise AdminProblem(400, f"{slower[:32]!r} is no time; write whole milliseconds.")
    return RecordsWanted(limit=limit, slower_us=int(slower[:9]) * 1_000, **given)


def _by_id(given: dict[str, str]) -> RecordsWanted:
    if len(given) > 1:
        raise AdminProblem(400, "An id says which record is wanted; nothing else may be asked beside it.")
    if not 0 < len(given["id"]) <= _ID_MAX:
        raise AdminProblem(400, f"That is no id: a request, correlation or trace id has 1 to {_ID_MAX} characters.")
    return RecordsWanted(id=given["id"])


def is_status(text: str) -> bool:
    """Whether a text says which statuses are wanted: one, a class, or none, where the client got no answer."""
    if text == "none":
        return True
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or (text.isascii() and text.isdigit()))


def has_status(wanted: str, status: int) -> bool:
    """Whether a status is one of those that `is_status` said are wanted. status: 0 for none."""
    if wanted == "none":
        return status == 0
    return status // 100 == int(wanted[0]) if wanted.endswith("xx") else status == int(wanted)
