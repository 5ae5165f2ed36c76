"""What the page of OpenAPI is made from: whom to ask, how to ask, and what the gateway knows itself."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import trio

from frames.endpoint import endpoints_digest
from frames.frame import CancelReason, Method
from frames.greeting import OPENAPI, Hello
from frames.limits import OPENAPI_ENDPOINT
from penstock.semver import parse_version
from proxy import __version__
from proxy.admin.openapi import Descriptions, Figure, NoDescriptionError, Source
from proxy.admin.openapi_merge import Missing, key_of
from proxy.config import GatewayConfig
from proxy.policy.authorize import is_public
from proxy.request.gathered import Outcome, Whole
from proxy.request.originated import Originated, Outgoing, Place
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer
from proxy.targets.health import Health
from proxy.targets.instance import Instance

DEADLINE_MS: Final = 2_000
_QUESTION: Final = Outgoing(method=Method.GET, target=b"/openapi.json", deadline_ms=DEADLINE_MS)
_OK: Final = 200
_ORDER: Final = {Health.HEALTHY: 0, Health.DEGRADED: 1}

_BEARER: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_KEY: Final = {"type": "apiKey", "in": "header", "name": "x-api-key"}


def make_descriptions(
    originated: Originated,
    flush: Callable[[], None],
    counter: int,
    *,
    instances: Callable[[], Iterable[Instance]],
    snapshot: Callable[[], Snapshot],
    config: Callable[[], GatewayConfig],
) -> Descriptions:
    """Return what answers the page. counter: the index by which the wire counts what is no client's."""
    return Descriptions(
        sources=lambda: find_sources(instances()),
        ask=partial(_ask, originated, flush, counter),
        figure=lambda service: _figure(service, snapshot(), config()),
    )


def find_sources(instances: Iterable[Instance]) -> tuple[list[Source], list[Missing]]:
    """Return whom to ask, of each service the highest version first, and which versions nobody can be asked for."""
    found: dict[tuple[str, str], tuple[Instance, Hello]] = {}
    missing: dict[tuple[str, str], str] = {}
    for instance in sorted(instances, key=lambda each: (_ORDER.get(each.health, 2), each.instance)):
        key, said = (instance.service, instance.version), instance.said
        if said is None or instance.is_going or instance.health not in _ORDER:
            missing.setdefault(key, "no instance of it can be asked now")
        elif OPENAPI not in said.features:
            missing[key] = "it does not describe itself"
        else:
            found.setdefault(key, (instance, said))
    keys = sorted(sorted(found, key=lambda key: parse_version(key[1]), reverse=True), key=lambda key: key[0])
    sources = [_source(*found[key]) for key in keys]
    return sources, [Missing(*key, reason) for key, reason in missing.items() if key not in found]


def _source(instance: Instance, said: Hello) -> Source:
    digest = said.digest or endpoints_digest(said.listed)
    return Source(instance.service, instance.version, digest, instance.connection)


async def _ask(originated: Originated, flush: Callable[[], None], counter: int, connection: int) -> bytes:
    """Ask for a description."""
    outcome: list[Outcome] = []
    is_there = trio.Event()

    def done(found: Outcome) -> None:
        outcome.append(found)
        is_there.set()

    sent = originated.send(Place(connection, OPENAPI_ENDPOINT, counter, may_stream=True), _QUESTION, done)
    if isinstance(sent, Answer):
        raise NoDescriptionError(f"it was not asked: {sent.reason.code}")
    flush()
    try:
        await is_there.wait()
    finally:
        originated.give_up(sent, CancelReason.CLIENT_GONE)
    return _body(outcome[0])


def _body(outcome: Outcome) -> bytes:
    if not isinstance(outcome, Whole):
        raise NoDescriptionError(f"it did not answer: {outcome.reason.code}")
    if outcome.status != _OK:
        raise NoDescriptionError(f"it answered {outcome.status}")
    return outcome.body


def _figure(service: str, snapshot: Snapshot, config: GatewayConfig) -> Figure:
    """Return what can be asked through the gateway, and how."""
    public = {
        key_of(route.service, Method(route.method).name, route.template): is_public(route.policy)
        for route in snapshot.routes
        if service in ("", route.service)
    }
    schemes: dict[str, Any] = {"key": _KEY} if config.identity.api_keys else {}
    if config.identity.issuers or not schemes:
        schemes = {"bearer": _BEARER, **schemes}
    return Figure(public, schemes, service or "All services", __version__)
