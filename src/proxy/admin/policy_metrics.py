"""Figures of services, policies and settings as samples: `metric_names.OF_SERVICES`, in its order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from proxy.admin import answer_names, attempt_names, metric_names, policy_names, service_names
from proxy.admin.figures import (
    AdmissionFigures,
    BalanceFigures,
    CacheFigures,
    CallFigures,
    DialledFigures,
    FanOutFigures,
    Figures,
    HedgeFigures,
    IdentityFigures,
    InstanceFigures,
    KeyFigures,
    RateFigures,
    RegistryFigures,
    RetryFigures,
    RouteFigures,
)
from proxy.admin.metric_names import MetricName

SERIES_MAX: Final = 500
"""Of one metric: what is over it is told as one series, with `other` as labels."""

Samples = Iterable[tuple[tuple[str, ...], float]]
Family = tuple[MetricName, Samples]


def families(figures: Figures) -> Iterator[Family]:
    """Every family that this module knows."""
    yield service_names.VERSIONS, bounded_samples(_versions(figures.instances))
    yield service_names.SHARES, islice(_shares(figures.routes), SERIES_MAX)
    yield from _balance(figures.balance)
    yield from _rates(figures.rates)
    yield from _admission(figures.admission)
    yield from _identity(figures.identity)
    yield from _registry(figures.registry)
    yield from _dialled(figures.dialled)
    yield from _calls(figures.calls)
    yield from _fanouts(figures.fanouts)
    yield from _retries(figures.retries)
    yield from _hedges(figures.hedges)
    yield attempt_names.INJECTED, bounded_samples(figures.injected)
    yield from _cache(figures.cache)
    yield from _keys(figures.keys)
    reloads = figures.reloads
    yield metric_names.RELOADS, [(("true",), reloads.applied), (("false",), reloads.refused)]
    yield metric_names.RELOADED, [] if reloads.applied_at is None else [((), reloads.applied_at)]
    yield metric_names.REVISION, [((), reloads.revision)]


def bounded_samples(counts: Mapping[tuple[str, str], float], series_max: int = SERIES_MAX) -> Samples:
    """The first samples as they are, and the sum of the others under the label `other`."""
    samples = list(counts.items())
    kept, others = samples[:series_max], samples[series_max:]
    return [*kept, (("other", "other"), sum(value for _, value in others))] if others else kept


def _versions(instances: Sequence[InstanceFigures]) -> Mapping[tuple[str, str], int]:
    return Counter((instance.service, instance.version) for instance in instances)


def _shares(routes: Iterable[RouteFigures]) -> Samples:
    """Told for the first routes that have a split: shares of several routes have no sum."""
    for route in routes:
        for version, share in route.shares.items():
            yield (route.path, route.method, version), share


def _balance(balance: BalanceFigures) -> Iterator[Family]:
    yield service_names.STARTING, [((), balance.starting)]
    yield service_names.HASH_MOVED, [((), balance.moved)]
    yield service_names.HASH_KEYLESS, [((), balance.keyless)]


def _cache(cache: CacheFigures) -> Iterator[Family]:
    yield answer_names.CACHE_REQUESTS, [((outcome,), count) for outcome, count in cache.requests.items()]
    yield answer_names.CACHE_WAITING, [((), cache.waiting)]
    yield answer_names.CACHE_ANSWERS, [((), cache.answers)]
    yield answer_names.CACHE_BYTES, [((), cache.byte_count)]
    yield answer_names.CACHE_NOT_KEPT, [((why,), count) for why, count in cache.not_kept.items()]
    yield answer_names.CACHE_EVICTIONS, [((), cache.evicted)]
    yield answer_names.CACHE_INVALIDATIONS, [((), cache.invalidated)]
    yield answer_names.CACHE_REFRESHES, [((success,), count) for success, count in cache.refreshes.items()]


def _keys(keys: KeyFigures) -> Iterator[Family]:
    yield answer_names.KEYS_KNOWN, [((), keys.known)]
    yield answer_names.KEYS_IN_FLIGHT, [((), keys.in_flight)]
    yield answer_names.KEYS_BYTES, [((), keys.byte_count)]
    yield answer_names.KEYS_REQUESTS, [((outcome,), count) for outcome, count in keys.requests.items()]
    yield answer_names.KEYS_EVICTIONS, [((), keys.evicted)]
    yield answer_names.KEYS_FAILURES, [((), keys.failures)]


def _rates(rates: RateFigures) -> Iterator[Family]:
    yield policy_names.RATE_REFUSALS, bounded_samples(rates.refused)
    yield policy_names.RATE_KEYS, [((), rates.keys)]
    yield policy_names.RATE_CROWDED, [((), rates.crowded)]
    yield policy_names.RATE_FAILURES, [((), rates.failures)]


def _admission(admission: AdmissionFigures) -> Iterator[Family]:
    """A gate has a limit of its route, of its service, or both: what is told is of the route, if it has one."""
    gates = list(islice(admission.gates.items(), SERIES_MAX))
    limits = [(key, each.service_max if each.route_max is None else each.route_max) for key, each in gates]
    yield policy_names.LIMITS, [(key, limit) for key, limit in limits if limit is not None]
    yield policy_names.LIMITED_IN_FLIGHT, [(key, each.in_flight) for key, each in gates]
    yield policy_names.LIMITED_WAITING, [(key, each.waiting) for key, each in gates]
    waited = list(islice(admission.waited.items(), SERIES_MAX))
    yield policy_names.WAITED, [((service,), count) for service, (count, _) in waited]
    yield policy_names.WAITED_SECONDS, [((service,), seconds) for service, (_, seconds) in waited]
    yield policy_names.NOT_ADMITTED, bounded_samples(admission.refused)
    yield policy_names.SHED, [((cause,), count) for cause, count in admission.shed.items()]
    yield policy_names.SHED_SHARE, [((cause,), share) for cause, share in admission.shares.items()]
    yield policy_names.DELAY, [((), admission.delay_s)]
    yield policy_names.ACCEPTING_HELD, [((), admission.holds)]


def _identity(identity: IdentityFigures) -> Iterator[Family]:
    issuers = identity.issuers
    yield policy_names.CALLERS, [((), identity.known)]
    yield policy_names.CREDENTIALS_REFUSED, [((cause,), count) for cause, count in identity.refused.items()]
    yield policy_names.KEYS_MISSING, [((), identity.keys_missing)]
    yield policy_names.ISSUER_KEYS, [((each.name,), each.keys) for each in issuers]
    yield policy_names.ISSUER_AGE, [((each.name,), each.age_s) for each in issuers if each.age_s is not None]
    yield policy_names.ISSUER_STALE, [((each.name,), each.is_stale) for each in issuers]
    yield policy_names.ISSUER_FETCHES, [((each.name,), each.fetches) for each in issuers]
    yield policy_names.ISSUER_FAILURES, [((each.name,), each.failures) for each in issuers]


def _registry(registry: RegistryFigures) -> Iterator[Family]:
    yield service_names.ROUTES, [((), registry.routes)]
    yield service_names.HELLOS, [((), registry.hellos)]
    yield service_names.SLIM, [(("true",), registry.slim), (("false",), registry.lists_asked)]
    yield service_names.HEARTBEATS, [((), registry.heartbeats)]
    yield service_names.REPLACEMENTS, [((), registry.replacements)]
    yield service_names.SILENCES, [((), registry.silences)]
    yield service_names.REMOVALS, [((), registry.removals)]
    yield service_names.FAULTS, [((cause,), count) for cause, count in registry.faults.items()]


def _dialled(dialled: DialledFigures) -> Iterator[Family]:
    yield service_names.DIALLED, [((), dialled.addresses)]
    yield service_names.DIALLED_OPEN, [((), dialled.connections)]
    yield service_names.DIALLED_ATTEMPTS, [(("true",), dialled.reached), (("false",), dialled.failures)]
    yield service_names.POOL_DORMANT, [((), dialled.dormant)]
    yield service_names.POOL_WAITING, [((), dialled.waiting)]
    yield service_names.POOL_CHECKOUTS, [(("true",), dialled.hits), (("false",), dialled.misses)]
    yield service_names.POOL_SERVED, [((), dialled.served)]
    yield service_names.POOL_REFUSALS, [((why,), count) for why, count in dialled.refusals.items()]
    yield service_names.POOL_EVICTIONS, [((cause,), count) for cause, count in dialled.evictions.items()]


def _fanouts(fanouts: FanOutFigures) -> Iterator[Family]:
    yield attempt_names.FANOUTS, [((), fanouts.in_flight)]
    yield attempt_names.FANOUT_LEGS_NOW, [((), fanouts.legs_in_flight)]
    yield attempt_names.FANOUT_KEPT, [((), fanouts.kept_bytes)]
    yield attempt_names.FANOUT_REQUESTS, bounded_samples(fanouts.requests)
    yield attempt_names.FANOUT_LEGS, [((result,), count) for result, count in fanouts.legs.items()]


def _retries(retries: RetryFigures) -> Iterator[Family]:
    yield attempt_names.RETRIES, [((after,), count) for after, count in retries.sent.items()]
    yield attempt_names.RETRIES_LIMITED, [((limit,), count) for limit, count in retries.limited.items()]
    yield attempt_names.RETRIES_WAITING, [((), retries.waiting)]
    yield attempt_names.RETRY_BUDGET, islice((((service,), left) for service, left in retries.left.items()), SERIES_MAX)


def _hedges(hedges: HedgeFigures) -> Iterator[Family]:
    yield attempt_names.HEDGES_NOW, [((), hedges.in_flight)]
    yield attempt_names.HEDGES, [((outcome,), count) for outcome, count in hedges.made.items()]
    yield attempt_names.HEDGES_NOT_MADE, [((limit,), count) for limit, count in hedges.not_made.items()]


def _calls(calls: CallFigures) -> Iterator[Family]:
    yield service_names.CALLS, [((), calls.in_flight)]
    yield service_names.CALLS_ANSWERED, bounded_samples(calls.answered)
    yield service_names.CALLS_NOT_ANSWERED, bounded_samples(calls.not_answered)
    yield service_names.CALLS_REFUSED, [((), calls.refused)]
    yield service_names.COPIES, [((outcome,), count) for outcome, count in calls.copies.items()]
