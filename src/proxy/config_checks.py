"""What can be wrong with settings that are right one by one: order of thresholds, colliding listeners, an open door."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from frames.limits import HEARTBEATS_MISSED_MAX
from penstock.settings import Address, Problem
from penstock.settings.types import Duration

_MS = Duration("ms")


def check_together(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with values that are right one by one."""
    return [*_thresholds(values, origins), *_deadlines(values, origins), *_listeners(values, origins)]


def _conflict(name: str, other: str, origins: Mapping[str, str], why: str, fix: str) -> Problem:
    where = " and ".join(dict.fromkeys(f"{each}: {origins[each]}" for each in (name, other)))
    return Problem("conflict", name, where, why, fix)


def _thresholds(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    names = ("services.degraded_after", "services.unhealthy_after", "services.removed_after")
    beat = values["services.heartbeat"]
    least = HEARTBEATS_MISSED_MAX * beat
    problems = [
        _conflict(
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
            problems.append(_conflict(later, earlier, origins, why, "set degraded < unhealthy < removed"))
    return problems


def _deadlines(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    deadline, most = values["edge.deadline"], values["edge.deadline_max"]
    problems = []
    if deadline > most:
        why = f"{_MS.render(deadline)} is more than edge.deadline_max, {_MS.render(most)}"
        problems.append(
            _conflict("edge.deadline", "edge.deadline_max", origins, why, "lower it, or raise edge.deadline_max")
        )
    if values["edge.target_bytes"] >= values["edge.head_bytes"]:
        why = "a target of that length does not fit into a head of edge.head_bytes"
        problems.append(
            _conflict("edge.target_bytes", "edge.head_bytes", origins, why, "lower it, or raise edge.head_bytes")
        )
    return problems


def _listeners(values: Mapping[str, Any], origins: Mapping[str, str]) -> list[Problem]:
    problems = []
    services: Address = values["services.listen"]
    if not services.is_loopback and not values["services.token"]:
        why = f"{services} can be reached from other machines, any of which could register as a service"
        fix = f"set services.token (PENSTOCK_SERVICES_TOKEN_FILE), or listen on 127.0.0.1:{services.port}"
        problems.append(_conflict("services.listen", "services.token", origins, why, fix))
    names = ("edge.listen", "services.listen", "admin.listen")
    for index, name in enumerate(names):
        problems += [
            _conflict(name, other, origins, f"both would listen on {values[name]}", "give one of them another port")
            for other in names[index + 1 :]
            if _collide(values[name], values[other])
        ]
    return problems


def _collide(one: Address, other: Address) -> bool:
    """Whether two listeners cannot both be had. Port 0 is a different free port each time."""
    if one.port != other.port or one.port == 0:
        return False
    hosts = {"127.0.0.1" if address.host == "localhost" else address.host for address in (one, other)}
    same_family = len({":" in host for host in hosts}) == 1
    return len(hosts) == 1 or (same_family and (one.is_wildcard or other.is_wildcard))
