"""The page about the truth of latencies, of what was measured. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from proxy.loading.histogram import Histogram

PERCENTS: Final = (50.0, 95.0, 99.0, 99.9)
SLOW_US: Final = 100_000
_TITLE: Final = "# How a closed loop hides a stall, and an open one does not"


class Stall(msgspec.Struct, frozen=True):
    """What was done on purpose, and to how much."""

    duration_s: float
    """Of each run."""
    stall_s: float
    """For how long the gateway stood still in the middle of it."""
    rate: float
    """Requests in a second that the open loop sends."""
    users: int
    """Of the closed loop."""


class Told(msgspec.Struct, frozen=True):
    """What one way to measure tells."""

    name: str
    sent: int
    times: Histogram


def page(stall: Stall, told: Sequence[Told]) -> str:
    """Return the page. told: the closed loop, the open loop, and the open loop as it would be told from sending."""
    closed, opened, _ = told
    hurt = stall.rate * stall.stall_s
    part = stall.stall_s / stall.duration_s
    p99_ms = 1_000 * max(0.0, stall.stall_s - 0.01 * stall.duration_s)
    rows = ["| measured | requests | over 100 ms | " + " | ".join(f"p{each:g}" for each in PERCENTS) + " | longest |"]
    rows.append("| --- " * (len(PERCENTS) + 4) + "|")
    rows += [_row(each) for each in told]
    return f"""{_TITLE}

<!-- Written by `python -m loadtests.truth`; run it again instead of editing this. -->

A gateway is loaded for {stall.duration_s:g} s, and in the middle it stands still for {stall.stall_s:g} s (SIGSTOP).
Twice: by a *closed loop* of {stall.users} users, each of whom waits for its answer before it asks again, and by an
*open loop* that sends {stall.rate:g} requests a second, each when it is due, whatever came of those before.

{chr(10).join(rows)}

**What really happened.** The gateway was away for {part:.0%} of the time, so {part:.0%} of those who come at their own
time had to wait: about {hurt:,.0f} requests, the unluckiest for all of {stall.stall_s:g} s. So 1 % of all waited for
{p99_ms:,.0f} ms or longer: that is the true p99.

**What the closed loop told.** Its {stall.users} users were in the stall with a request each, and sent nothing else
until they were answered: {slow(closed.times):,} slow requests of {closed.times.count:,}, and a p99 of {p99(closed)}.
The requests that would have come meanwhile were never sent, and what is not sent is not measured. This is called
coordinated omission: who measures takes part in the stall. It is in the longest time alone, which is easily taken for
chance.

**What the open loop told.** Its times count from the moment at which each request was *due*: {slow(opened.times):,}
slow requests, and a p99 of {p99(opened)}. The third line is of the same requests, counted from when each could be
*sent*. It leaves out how long requests waited in line for a free connection, and that wait is as real for those who
come.

**What follows.** Questions about latency (spike, ramp, steps) are asked by open loops, and their reports say so. Closed
loops are for what they are good at: many protocols at once, users with state, soaks that look for leaks and drift. A
report of a closed loop says that it is one; its p99 can be compared with that of the same shape, and is no promise to
those who come at their own time.
"""


def slow(times: Histogram) -> int:
    """Return how many took longer than SLOW_US."""
    return sum(count for upper_us, count in times.buckets() if upper_us > SLOW_US)


def p99(told: Told) -> str:
    """Return the p99, with its unit."""
    return _ms(told.times.percentile_us(99))


def _row(told: Told) -> str:
    cells = [told.name, f"{told.sent:,}", f"{slow(told.times):,}"]
    cells += [_ms(told.times.percentile_us(percent)) for percent in PERCENTS]
    return "| " + " | ".join([*cells, _ms(told.times.max_us)]) + " |"


def _ms(value_us: int) -> str:
    return f"{value_us / 1000:,.1f} ms"
