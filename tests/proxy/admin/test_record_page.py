import random
from typing import Any

import msgspec
import pytest
from admin_support import STATE, state_with

from proxy.admin.pages import Pages
from proxy.admin.record_page import RecordPage, RecordRow, RecordsWanted, after_of, merged_records, places_of
from proxy.admin.record_query import has_status, is_status


def row(at: float, worker: str = "0.1", sequence: int = 1) -> RecordRow:
    times: dict[str, Any] = {
        "took_us": 5,
        "sent_us": 1,
        "answered_us": 4,
        "gateway_us": 2,
        "bytes_in": 0,
        "bytes_out": 0,
    }
    texts: dict[str, Any] = dict.fromkeys(
        ("request_id", "correlation_id", "trace_id", "route", "service", "reason"), ""
    )
    more: dict[str, Any] = {
        "tenant": "",
        "principal": "",
        "client": "",
        "flags": [],
        "attempt_count": 0,
        "attempts": [],
    }
    return RecordRow(
        worker=worker, sequence=sequence, at=at, method="GET", target="/", status=200, **times, **texts, **more
    )


def test_records_of_all_workers_in_the_order_of_time() -> None:
    one = RecordPage([row(1.0), row(3.0)], "0.1:7", lost=2)
    other = RecordPage([row(2.0, "1.1")], "1.1:9", lost=1, has_more=True)
    merged = merged_records([one, other])
    assert [(each.at, each.worker) for each in merged.records] == [(1.0, "0.1"), (2.0, "1.1"), (3.0, "0.1")]
    assert (merged.next, merged.lost, merged.has_more) == ("0.1:7,1.1:9", 3, True)


def test_a_worker_that_has_not_answered_goes_on_where_it_was() -> None:
    merged = merged_records([RecordPage([], "0.1:9")], "0.1:7,1.1:3")
    assert merged.next == "0.1:9,1.1:3"


def test_a_page_goes_through_msgpack() -> None:
    page = RecordPage([row(1.0)], "0.1:7")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(page), type=RecordPage) == page


@pytest.mark.parametrize(
    "text", ["x", ":", "0.1:", "0.1:-1", "0.1:1,", "0.1:1.5", "0.1:\u0663", f"{'w' * 33}:1", f":{'1' * 21}"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        places_of(text)


def test_places_come_back() -> None:
    draw = random.Random(1)
    for _ in range(100):
        places = {
            f"{draw.randint(0, 9)}.{draw.randint(1, 9)}": draw.randint(0, 2**63) for _ in range(draw.randint(0, 5))
        }
        assert places_of(after_of(places)) == places
    assert places_of(after_of({"": 5})) == {"": 5}


def test_statuses() -> None:
    assert [is_status(text) for text in ("200", "5xx", "none", "6xx", "20", "2000", "xxx", "5x0", "2\u0663\u0663")] == [
        *(True, True, True),
        *[False] * 6,
    ]
    assert has_status("5xx", 503)
    assert not has_status("5xx", 499)
    assert has_status("404", 404)
    assert not has_status("404", 400)
    assert has_status("none", 0)
    assert not has_status("none", 200)


async def test_the_page_gives_the_question_on() -> None:
    asked: list[RecordsWanted] = []

    async def records(wanted: RecordsWanted) -> RecordPage:
        asked.append(wanted)
        return RecordPage([], "0.1:1")

    pages = Pages(state_with(records=records))
    query = "ring=notable&after=0.1:5&limit=7&route=/a&status=5xx&reason=deadline&slower_ms=250&service=s&method=GET"
    page = await pages.page("GET", f"/records?{query}")
    assert msgspec.json.decode(page.body) == {"records": [], "next": "0.1:1", "lost": 0, "has_more": False}
    assert asked == [
        RecordsWanted(
            ring="notable",
            after="0.1:5",
            limit=7,
            method="GET",
            route="/a",
            service="s",
            status="5xx",
            reason="deadline",
            slower_us=250_000,
        )
    ]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("ring=watched", "'watched' is no ring; write recent or notable."),
        ("after=x", "What after says was never a next of this page; leave it out to begin anew."),
        ("limit=0", "'0' is no limit; write a whole number from 1 to 1000."),
        ("status=abc", "'abc' is no status; write one as 503, a class as 5xx, or none."),
        ("reason=nope", "There is no reason 'nope'; docs/reasons.md has them all."),
        ("slower_ms=1.5", "'1.5' is no time; write whole milliseconds."),
        ("slower_ms=-1", "'-1' is no time; write whole milliseconds."),
        ("id=abc&status=200", "An id says which record is wanted; nothing else may be asked beside it."),
        ("id=", "That is no id: a request, correlation or trace id has 1 to 64 characters."),
        (f"id={'a' * 65}", "That is no id: a request, correlation or trace id has 1 to 64 characters."),
        ("status=200&status=404", "The parameter status is there 2 times; write it once."),
    ],
)
async def test_a_wrong_question_is_told_what_is_right(query: str, detail: str) -> None:
    page = await Pages(STATE).page("GET", f"/records?{query}")
    assert (page.status, msgspec.json.decode(page.body)["detail"]) == (400, detail)
