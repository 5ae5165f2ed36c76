"""What is written is what parsers read, whatever is in it."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.admin.exposition import OPENMETRICS, TEXT, Exposition, number
from proxy.admin.metric_name import MetricName
from proxy.admin.page_text import write
from proxy.admin.traffic_figures import Distribution

FORMATS = (TEXT, OPENMETRICS)
GAUGE = MetricName("penstock_things", "gauge", 'A "quoted" help\\text.\nOf two lines.', ("route", "method"))
TIMES = MetricName("penstock_times_seconds", "histogram", "Times.", ("route",), (0.000_05, 0.25, 30.0))
LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def parsed(content_type: str, *texts: Iterable[str]) -> dict[str, Any]:
    page = "".join(piece for text in (*texts, Exposition(content_type).end()) for piece in text)
    parse = parse_openmetrics if content_type == OPENMETRICS else parse_text
    return {family.name: family for family in parse(page)}


@pytest.mark.parametrize("content_type", FORMATS)
@settings(max_examples=200, derandomize=True, deadline=None)
@given(samples=st.dictionaries(st.tuples(LABEL, LABEL), st.integers(0, 2**53) | st.floats(allow_nan=False), max_size=5))
def test_any_label_and_any_number(content_type: str, samples: dict[tuple[str, str], float]) -> None:
    families = parsed(content_type, Exposition(content_type).plain(GAUGE, samples.items()))
    told = {(each.labels["route"], each.labels["method"]): each.value for each in families[GAUGE.name].samples}
    assert told == samples
    assert families[GAUGE.name].documentation == GAUGE.help


@pytest.mark.parametrize("content_type", FORMATS)
@settings(max_examples=100, derandomize=True, deadline=None)
@given(counts=st.lists(st.integers(0, 2**40), min_size=4, max_size=4), total=st.floats(0, 1e12), label=LABEL)
def test_histograms(content_type: str, counts: list[int], total: float, label: str) -> None:
    within = [sum(counts[: end + 1]) for end in range(4)]
    text = Exposition(content_type).histogram(TIMES, [((label,), Distribution(within, total))])
    (family,) = parsed(content_type, text).values()
    assert family.type == "histogram"
    told = {each.labels.get("le", each.name.rpartition("_")[2]): each.value for each in family.samples}
    assert told == {"5e-05": within[0], "0.25": within[1], "30.0": within[2], "+Inf": within[3]} | {
        "count": within[3],
        "sum": total,
    }
    assert {each.labels["route"] for each in family.samples} == {label}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (True, "1"),
        (2**60, "1152921504606846976"),
        (0.5, "0.5"),
        (1e-07, "1e-07"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("compresses", [False, True])
async def test_a_page_is_written_in_steps_between_which_others_have_their_turn(compresses: bool) -> None:
    turns = 0

    async def give_way() -> None:
        nonlocal turns
        turns += 1
        await trio.lowlevel.checkpoint()

    pieces = [f"line {number} of the page\n" for number in range(200_000)]
    body = await write(pieces, give_way, compresses=compresses)
    if compresses:
        import gzip

        body = gzip.decompress(body)
    assert body == "".join(pieces).encode()
    assert turns > 10


async def test_a_page_of_nothing() -> None:
    assert await write([], trio.lowlevel.checkpoint, compresses=False) == b""
