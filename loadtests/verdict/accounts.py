"""Every answer is accounted for: within the clients' books, and between them and the gateway's, by reason.

What a client sent and got no whole answer to may or may not be in the gateway's books, so that both may differ by as
many. A worker that is killed takes with it what it had not told yet.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from loadtests.record import GatewaySample, RequestCounts

from .line import Line, broken, held, unproven
from .thresholds import Accounts
from .view import View

KILLED_S: Final = 3.0
"""What a worker had counted for so long before it was killed may not have been asked for."""


def accounts(view: View, wanted: Accounts) -> list[Line]:
    """Judge the clients' books, the answers of both sides, and the reasons of both."""
    return [_clients(view), *_both(view, wanted)]


def _clients(view: View) -> Line:
    """Each request that was sent has an answer, a failure, or was cut off by the end."""
    odd = []
    for each in view.record.requests:
        accounted = sum(each.statuses.values()) + sum(each.failures.values()) + each.unfinished
        if accounted != each.sent:
            odd.append(f"{each.user} {each.name}: {each.sent:,} sent, and {accounted:,} accounted for")
    every = sum(each.sent for each in view.record.requests)
    if odd:
        return broken("clients' books", "; ".join(odd[:3]), len(odd), 0)
    if not every:
        return unproven("clients' books", "clients told of no requests")
    return held("clients' books", f"all {every:,} requests are accounted for", 0, 0)


def _both(view: View, wanted: Accounts) -> list[Line]:
    told = view.told
    intervals = view.record.intervals
    if not told or told[0][0] > intervals[0].begin_s + 1e-6 or told[-1][0] < intervals[-1].begin_s:
        return [unproven("answers, both sides", "the gateway told nothing before the first request, or after the last")]
    first, last = told[0][1], told[-1][1]
    counted = [each for each in view.record.requests if each.counted_at_gateway]
    slack = wanted.differences_max + sum(_open_ended(each) for each in counted) + _killed(view)
    got = sum(sum(each.statuses.values()) for each in counted)
    gave = last.answers_total - first.answers_total
    said = f"clients got {got:,}, the gateway gave {gave:,}"
    if slack:
        said += f" (they may differ by {slack:,}: broken connections, killed workers)"
    make = held if abs(got - gave) <= slack else broken
    return [
        make("answers, both sides", said, abs(got - gave), slack),
        _reasons(_reasons_got(counted), _reasons_given(first, last), slack),
    ]


def _reasons(got: Mapping[str, int], gave: Mapping[str, int], slack: int) -> Line:
    """What the gateway counts of reasons is at least what clients were told, for not every client hears of its own."""
    odd = [
        f"{reason}: clients were told {got.get(reason, 0):,}, the gateway counted {gave.get(reason, 0):,}"
        for reason in sorted(got)
        if abs(got[reason] - gave.get(reason, 0)) > slack
    ]
    every = sum(got.values())
    if odd:
        return broken("reasons, both sides", "; ".join(odd[:3]), len(odd), 0)
    kinds = ", ".join(f"{count:,} {reason}" for reason, count in sorted(got.items(), key=lambda each: -each[1])[:4])
    return held("reasons, both sides", f"{every:,} refusals, all accounted for{': ' + kinds if kinds else ''}", 0, 0)


def _open_ended(each: RequestCounts) -> int:
    """Return its requests of which only the gateway knows whether they were answered."""
    return sum(each.failures.values()) + each.unfinished


def _killed(view: View) -> int:
    lost = 0
    for event in view.disturbing(["kill"]):
        if event.replaces_workers:
            begin, end = event.begin_s - KILLED_S, event.begin_s + 1.0
            lost += sum(each.sent for each in view.record.intervals if begin <= each.begin_s <= end)
    return lost


def _reasons_got(counted: list[RequestCounts]) -> Counter[str]:
    got: Counter[str] = Counter()
    for each in counted:
        got.update(each.reasons)
    return got


def _reasons_given(first: GatewaySample, last: GatewaySample) -> dict[str, int]:
    before = first.refusals_total
    return {reason: count - before.get(reason, 0) for reason, count in last.refusals_total.items()}
