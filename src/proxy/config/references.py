"""What can be wrong with what settings say of each other: names that nothing has, names that are there twice, rules
that cannot do what they say. Every problem has the place of the very key.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from frames.limits import CLAIMS_BYTES_MAX
from penstock.settings import Address, Origins, Problem
from penstock.settings.errors import Step, did_you_mean, path_text
from penstock.settings.types import Duration, Size
from proxy.request.route_policy import Access

if TYPE_CHECKING:
    from .rules import RuleTable
    from .structured import ServiceCall

NONE = "none"

_SAYS_SOMETHING_ELSE = re.compile(
    "(?:proxy-)?(?:authorization|connection)|content-.*|cookie|expect|host|keep-alive|te|trace.*|trailer"
    "|transfer-encoding|upgrade|x-(?:api-key|tenant-id|real-ip)|x-(?:correlation|request)-.*"
    "|forwarded|x-(?:forwarded|penstock)-.*"
)

_MS = Duration("ms")
_SIZE = Size()


def references(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    """Return what is wrong with references between settings."""
    checks = (
        *(_services, _hosts, _calls, _dial, _regions, _version_field, _rule_names, _rule_bounds, _placements),
        *(_built_in_profiles, _profiles),
    )
    return [problem for check in checks for problem in check(values, origins)]


def advice(values: Mapping[str, Any], origins: Origins) -> list[Problem]:
    """Return what is right, and yet does not do what somebody may expect of it."""
    return [*_closed_doors(values, origins), *_ranges(values, origins)]


def _problem(
    origins: Origins, name: str, path: tuple[Step, ...], why: str, fix: str, code: str = "conflict"
) -> Problem:
    return Problem(code, name + path_text(path), origins.place(name, *path), why, fix)


def _services(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """Whoever may not register can neither be required, nor called, nor have rules."""
    allowed = values["services.allow"]
    if not allowed:
        return
    for name, path, service in _named_services(values):
        if service not in allowed:
            why = f"{service!r} is not in services.allow, so no such service can register"
            yield _problem(
                origins, name, path, why, f"add it there, or write one of {', '.join(allowed)}", "unknown_service"
            )


def _named_services(values: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Step, ...], str]]:
    for index, service in enumerate(values["services.required"]):
        yield "services.required", (index,), service
    for index, call in enumerate(values["services.calls"]):
        yield "services.calls", (index, "from"), call.caller
        yield "services.calls", (index, "to"), call.callee
    for host, services in values["routes.hosts"].items():
        for index, service in enumerate(services):
            yield "routes.hosts", (host, index), service
    for index, rule in enumerate(values["rules"]):
        if rule.service is not None:
            yield "rules", (index, "service"), rule.service


def _hosts(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    for host, services in values["routes.hosts"].items():
        if not services:
            why = "there is no service that the host has"
            yield _problem(origins, "routes.hosts", (host,), why, "name one, or leave the host out")


def _calls(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    calls: Sequence[ServiceCall] = values["services.calls"]
    for index, first in _repeated(calls, lambda call: (call.caller, call.callee)):
        call = calls[index]
        why = f"that {call.caller} may call {call.callee} is said by services.calls[{first}] already"
        yield _problem(origins, "services.calls", (index,), why, "put their claims into one entry", "duplicate")
    for index, call in enumerate(calls):
        length = len(msgspec.json.encode(call.claims))
        if length > CLAIMS_BYTES_MAX:
            why = f"the claims have {length:,} bytes as JSON, and a frame carries {CLAIMS_BYTES_MAX:,}"
            yield _problem(origins, "services.calls", (index, "claims"), why, "give fewer or shorter ones", "too_long")


def _repeated(items: Sequence[Any], key: Callable[[Any], Any]) -> Iterator[tuple[int, int]]:
    """Yield the index of each item whose key an earlier one has, and the index of that one."""
    seen: dict[Any, int] = {}
    for index, item in enumerate(items):
        first = seen.setdefault(key(item), index)
        if first != index:
            yield index, first


def _dial(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    listen: Address = values["services.listen"]
    for index, address in enumerate(values["services.dial"]):
        if address.port == 0:
            yield _problem(origins, "services.dial", (index,), f"{address} has port 0", "write the service's port")
        elif (address.host, address.port) == (listen.host, listen.port):
            why = f"{address} is services.listen, so the gateway would dial itself"
            yield _problem(origins, "services.dial", (index,), why, "write an address on which a service listens")


def _regions(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    name, own = "regions.neighbours", values["regions.own"]
    neighbours: Mapping[str, tuple[str, ...]] = values[name]
    if neighbours and own not in neighbours:
        why = f"regions.own is {own!r}, which has no entry, so none of this has an effect"
        yield _problem(origins, name, (), why, f"add {own}: [...], or correct regions.own", "unknown_region")
    for region, near in neighbours.items():
        for index, other in enumerate(near):
            if other == region:
                why = f"{region!r} is no neighbour of itself"
                yield _problem(origins, name, (region, index), why, "leave it out", "conflict")
            elif len(neighbours) > 1 and other not in neighbours:
                why = f"there is no region {other!r} among {', '.join(neighbours)}"
                fix = f"correct the name, or add {other}: []"
                yield _problem(origins, name, (region, index), why, fix, "unknown_region")


def _version_field(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """A field that says something else names no version: what it holds would be repeated in answers, or never come."""
    name, field = "versions.header", values["versions.header"]
    if _SAYS_SOMETHING_ELSE.fullmatch(field):
        why = f"{field} says something else about a request"
        yield _problem(origins, name, (), why, "write another name, like x-service-version")


def _rule_names(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    named = [(index, rule.name) for index, rule in enumerate(values["rules"]) if rule.name]
    for place, first in _repeated(named, lambda pair: pair[1]):
        index, name = named[place]
        where = origins.place("rules", named[first][0], "name")
        why = f"the rule at {where} is called {name!r} already"
        yield _problem(origins, "rules", (index, "name"), why, "give each rule a name of its own", "duplicate")


def _rule_bounds(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    deadline_max, body_max = values["edge.deadline_max"], values["edge.call_bytes"]
    for index, rule in enumerate(values["rules"]):
        if rule.deadline_ms is not None and rule.deadline_ms > deadline_max:
            why = f"{_MS.render(rule.deadline_ms)} is more than edge.deadline_max, {_MS.render(deadline_max)}"
            yield _problem(origins, "rules", (index, "deadline"), why, "lower it, or raise edge.deadline_max")
        if rule.body_bytes is not None and rule.body_bytes > body_max:
            why = f"{_SIZE.render(rule.body_bytes)} is more than edge.call_bytes, {_SIZE.render(body_max)}"
            yield _problem(origins, "rules", (index, "body_bytes"), why, "lower it, or raise edge.call_bytes")


def _placements(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    if values["placement.maps"]:
        return
    for index, rule in enumerate(values["rules"]):
        if rule.placement not in (None, NONE):
            why = f"there is no map of the kind {rule.placement!r}, since placement.maps names no file"
            fix = "name the map's file in placement.maps, or leave this out"
            yield _problem(origins, "rules", (index, "placement"), why, fix, "unknown_placement")


def _built_in_profiles(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    from ..attempts.profiles import BUILT_IN

    for name in values["retries.profiles"]:
        if name in BUILT_IN:
            why = f"{name!r} is always there, and means the same everywhere"
            yield _problem(origins, "retries.profiles", (name,), why, "give yours another name", "duplicate")


def _profiles(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    from ..attempts.profiles import BUILT_IN

    known = (*BUILT_IN, *values["retries.profiles"])
    for index, rule in enumerate(values["rules"]):
        if rule.retries is not None and rule.retries not in known:
            why = f"there is no profile {rule.retries!r}"
            fix = did_you_mean(rule.retries, known, otherwise=f"write one of {', '.join(known)}")
            yield _problem(origins, "rules", (index, "retries"), why, fix, "unknown_profile")


def _closed_doors(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    """Nobody has an identity where nothing says whose tokens and keys are taken."""
    if any(values[name] for name in ("identity.issuers", "identity.api_keys", "identity.api_keys_file")):
        return
    rules: Sequence[RuleTable] = values["rules"]
    for index, rule in enumerate(rules):
        if rule.access is Access.AUTHENTICATED or rule.claims:
            why = "nobody is let in, since no tokens and no keys are taken"
            fix = "set identity.issuers or identity.api_keys"
            yield _problem(origins, "rules", (index, "claims" if rule.claims else "access"), why, fix, "closed")


def _ranges(values: Mapping[str, Any], origins: Origins) -> Iterator[Problem]:
    if values["versions.header"] or values["versions.path_prefix"]:
        return
    for index, rule in enumerate(values["rules"]):
        if rule.versions is not None and rule.versions.takes_ranges:
            why = "no request can name a version, so it has no effect"
            yield _problem(
                origins, "rules", (index, "versions", "ranges"), why, "set versions.header or versions.path_prefix"
            )
