"""What can be wrong with settings that are right one by one: order of thresholds and bounds, an open door, a missing
file. Colliding listeners and TLS are in `proxy.config.listeners`, names that nothing has in `proxy.config.references`.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from frames.limits import HEARTBEATS_MISSED_MAX
from penstock.settings import Origins, Problem
from penstock.settings.types import Duration, Size

from .answers import check_answers
from .balancing import check_balancing
from .breakers import check_breakers
from .dial_tls import check_dial_tls
from .listeners import conflict, listeners, tls
from .pool import check_pool
from .traces import check_traces
from .workers import check_workers

_MS = Duration("ms")
_SIZE = Size()

_FAULTS_OFF = "the rule harms requests on purpose, and faults.enabled is off"

_REFERRING = (
    "services.required",
    "services.calls",
    "services.dial",
    "routes.hosts",
    "regions.neighbours",
    "versions.header",
    "retries.profiles",
    "rules",
)
"""The settings without which nothing can be wrong with references: their defaults refer to nothing."""


def check_together(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    """Return what is wrong with values that are right one by one."""
    checks = (_thresholds, _deadlines, _bodies, _drain, listeners, tls, check_pool, check_dial_tls, check_workers)
    problems = [problem for check in checks for problem in check(values, origins)]
    problems += check_balancing(values, origins)
    problems += check_breakers(values, origins)
    problems += check_answers(values, origins)
    problems += check_traces(values, origins)
    return problems + _faults(values, origins) + _fanouts(values, origins) + _references(values, origins)


def advise(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    """Return what is right, and yet does not do what somebody may expect of it: all of it is about rules."""
    if not values["rules"]:
        return []
    from .references import advice

    return advice(values, origins)


def _references(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    if all(origins[name] == "default" for name in _REFERRING):
        return []
    from .references import references  # what a gateway with defaults does not load

    return references(values, origins)


def _fanouts(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    if not values["fanouts"]:
        return []
    from .fanouts import fanout_problems  # what a gateway without fan-outs does not load

    return list(fanout_problems(values, origins))


def _faults(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    """What harms requests on purpose takes two decisions."""
    if values["faults.enabled"]:
        return []
    fix = "set faults.enabled: true (PENSTOCK_FAULTS_ENABLED=true) where you want that, or remove the rule's faults"
    return [
        Problem("faults_off", f"rules[{index}].faults", origins.place("rules", index, "faults"), _FAULTS_OFF, fix)
        for index, rule in enumerate(values["rules"])
        if rule.faults
    ]


def _thresholds(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    names = ("services.degraded_after", "services.unhealthy_after", "services.removed_after")
    beat = values["services.heartbeat"]
    least = HEARTBEATS_MISSED_MAX * beat
    problems = [
        conflict(
            name,
            "services.heartbeat",
            origins,
            f"{_MS.render(values[name])} is less than {HEARTBEATS_MISSED_MAX} heartbeats of {_MS.render(beat)}:"
            " a late one would count",
            f"set it to at least {_MS.render(least)}",
        )
        for name in names
        if values[name] < least
    ]
    for earlier, later in pairwise(names):
        if values[earlier] >= values[later]:
            why = f"{_MS.render(values[later])} is not later than {earlier}, {_MS.render(values[earlier])}"
            problems.append(conflict(later, earlier, origins, why, "set degraded < unhealthy < removed"))
    return problems


def _deadlines(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    deadline, most = values["edge.deadline"], values["edge.deadline_max"]
    problems = []
    if deadline > most:
        why = f"{_MS.render(deadline)} is more than edge.deadline_max, {_MS.render(most)}"
        problems.append(
            conflict("edge.deadline", "edge.deadline_max", origins, why, "lower it, or raise edge.deadline_max")
        )
    if values["edge.target_bytes"] >= values["edge.head_bytes"]:
        why = "a target of that length does not fit into a head of edge.head_bytes"
        problems.append(
            conflict("edge.target_bytes", "edge.head_bytes", origins, why, "lower it, or raise edge.head_bytes")
        )
    return problems


_ORDER_OF_SIZES = (
    ("edge.body_bytes", "edge.buffered_bytes", "a body of that length may come to an endpoint that does not stream"),
    ("edge.buffered_bytes", "edge.call_bytes", "an endpoint that streams would take less than one that does not"),
    ("edge.buffered_bytes", "edge.bytes_in_flight", "one body of that length would not fit into the memory for all"),
    ("services.credit_bytes", "edge.bytes_in_flight", "one stream could fill the memory for all bodies"),
)
"""The smaller, the larger, and why it must be so."""


_WHEN_GIVEN = (
    ("cache.entry_bytes", "cache.memory_bytes", "no answer of that length is kept"),
    ("retries.buffer_bytes", "retries.buffer_total_bytes", "no request of that length is kept"),
)
"""The same for what is cut to the larger one silently while nobody has asked for it."""


def _bodies(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    given = tuple(order for order in _WHEN_GIVEN if origins[order[0]] != "default" and values[order[1]])
    return [
        conflict(
            small,
            large,
            origins,
            f"{_SIZE.render(values[small])} is more than {large}, {_SIZE.render(values[large])}: {why}",
            f"lower it, or raise {large}",
        )
        for small, large, why in _ORDER_OF_SIZES + given
        if values[small] > values[large]
    ]


def _drain(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """A spread that nobody asked for is cut to the timeout (`DrainConfig.spread_within_timeout_ms`)."""
    spread, timeout = values["drain.spread"], values["drain.timeout"]
    if spread <= timeout or origins["drain.spread"] == "default":
        return []
    why = f"{_MS.render(spread)} is more than drain.timeout, {_MS.render(timeout)}: some would be told too late"
    return [conflict("drain.spread", "drain.timeout", origins, why, "lower it, or raise drain.timeout")]
