"""What each stage has decided, in words, and who made it so. By the name of the stage's function."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from frames.frame import Method
from frames.wire_values import HEAD_HAS_REQUEST_TIMEOUT
from proxy.config import GatewayConfig
from proxy.explain.answer_words import cache, idempotency
from proxy.explain.balance_words import instance
from proxy.explain.origins import Origins
from proxy.explain.probe_words import breakers
from proxy.explain.question import Question
from proxy.explain.retry_words import retries
from proxy.explain.told import Line
from proxy.fanout.plan import ALL, Combine, FanOutPlan
from proxy.policy.authorize import is_public
from proxy.policy.identity.callers import Callers
from proxy.policy.identity.claims import claims_met
from proxy.policy.rates.limiter import Standing
from proxy.policy.rates.stages import GATEWAY
from proxy.request.exchange import NEEDS_TASK, VERSION_IN_PATH, VERSION_NAMED, Exchange
from proxy.request.policy_words import claim_text, concurrency_text, fault_text, key_text, mirror_text
from proxy.request.route_policy import TenantRule
from proxy.route.split import BUCKETS, bucket_of, find_case
from proxy.targets.choose import Balancing

if TYPE_CHECKING:
    from proxy.gateway.configured import Configured
    from proxy.route.choice import Choice
    from proxy.route.split_parts import Splitting


class View(NamedTuple):
    """What can be looked at once a stage has decided."""

    question: Question
    exchange: Exchange
    configured: "Configured"
    origins: Origins
    callers: Callers
    standings: list[Standing]
    balancing: Balancing

    @property
    def config(self) -> GatewayConfig:
        """The settings that are in effect."""
        return self.configured.config


Words = Callable[[View], Iterator[Line]]


def path(view: View) -> Iterator[Line]:
    """Tell the path that is matched."""
    exchange = view.exchange
    came = view.question.target.partition("?")[0].encode("utf-8", "replace")
    text = exchange.path.decode("ascii", "replace")
    if exchange.path == came:
        yield Line(f"{text}, as it came")
    else:
        yield Line(f"{text}, in its one form", view.origins.setting("edge.parsing"))
    client = exchange.fields.client_address(exchange.id)
    if client != view.question.address:
        yield Line(f"for {client}, as a trusted proxy says", view.origins.setting("edge.trusted_proxies"))


def version_prefix(view: View) -> Iterator[Line]:
    """Tell the version that was taken off the path."""
    if view.exchange.flags & VERSION_IN_PATH:
        version = view.exchange.version.decode("latin-1")
        yield Line(f"the path names version {version}", view.origins.setting("versions.path_prefix"))


def route(view: View) -> Iterator[Line]:
    """Tell the route, and the rules that hold for it."""
    exchange, terms = view.exchange, view.configured.terms
    route = exchange.route
    versions = [f"{route.service} {version}" for version in route.choice.versions]
    declared = f"{', '.join(versions)} declare{'s' if len(versions) == 1 else ''}"
    origin = declared if versions or route.fanout is None else route.fanout.origin
    yield Line(f"{Method(route.method).name} {route.template} of {route.service}", origin)
    if terms.hosts:
        yield Line(f"host {', '.join(terms.hosts.patterns_of(route.service))}", view.origins.setting("routes.hosts"))
    for rule in terms.policies.rules_of(route.service, route.method, route.template):
        yield Line(f"rule {rule.name or 'without a name'} holds", rule.origin)


def admit(view: View) -> Iterator[Line]:
    """Tell how it stands with the limits of the gateway."""
    for standing in view.standings:
        if standing.scope == GATEWAY:
            yield Line(_standing(standing), view.origins.setting("rates.admit"))


def who(view: View) -> Iterator[Line]:
    """Tell who asks, and for which tenant."""
    caller = view.exchange.caller
    identity = caller.identity if caller else None
    cause = next((cause.value for cause, count in view.callers.refused.items() if count), "")
    if identity is not None and view.question.principal:
        yield Line(f"{identity.principal}, as imagined: no credentials are judged")
    elif identity is not None:
        by, name = (f"issuer {identity.issuer}", "issuers") if identity.issuer else ("an API key", "api_keys")
        yield Line(f"{identity.principal}, by {by}", view.origins.setting(f"identity.{name}"))
    elif cause:
        yield Line(f"nobody in particular: the credentials prove nothing ({cause})")
    else:
        yield Line("nobody in particular")
    if caller is not None and caller.tenant:
        yield Line(f"tenant {caller.tenant.decode('ascii')}")


def access(view: View) -> Iterator[Line]:
    """Tell what a caller must be, and whether this one is."""
    exchange, origins = view.exchange, view.origins
    caller, policy = exchange.caller, exchange.route.policy
    identity = caller.identity if caller else None
    default = origins.setting("identity.undeclared")
    by_access = origins.policy(exchange.route, "access") or default
    if is_public(policy):
        yield Line("anybody may ask", by_access)
    else:
        yield Line(f"an identity: {'there' if identity else 'MISSING'}", by_access)
    for claim in policy.claims:
        is_met = identity is not None and claims_met(identity.claims, (claim,))
        by_claims = origins.policy(exchange.route, "claims")
        yield Line(f"claim {claim_text(claim)} ({'met' if is_met else 'NOT MET'})", by_claims)
    if policy.tenant is TenantRule.REQUIRED:
        is_there = caller is not None and caller.tenant
        yield Line(f"a tenant: {'there' if is_there else 'MISSING'}", origins.policy(exchange.route, "tenant"))


def rate_limits(view: View) -> Iterator[Line]:
    """Tell how it stands with the limits of the route."""
    for standing in view.standings:
        if standing.scope != GATEWAY:
            yield Line(_standing(standing), view.origins.policy(view.exchange.route, "rate_limits"))


def body(view: View) -> Iterator[Line]:
    """Tell how long a body may be."""
    route = view.exchange.route
    name = "edge.call_bytes" if route.streams else "edge.buffered_bytes"
    most = view.config.edge.call_bytes if route.streams else view.config.edge.buffered_bytes
    origin, stated = view.origins.setting(name), route.policy.body_bytes
    if stated is not None and stated <= most:
        most, origin = stated, view.origins.policy(route, "body_bytes")
    yield Line(f"at most {view.origins.shown(name, most)}{', streamed' if route.streams else ''}", origin)


def deadline(view: View) -> Iterator[Line]:
    """Tell the deadline, and which of those that hold is the least."""
    exchange, edge = view.exchange, view.config.edge
    shown = view.origins.shown("edge.deadline", exchange.deadline_ms)
    stated = exchange.route.policy.deadline_ms
    if exchange.flags & HEAD_HAS_REQUEST_TIMEOUT and exchange.requested_ms == exchange.deadline_ms:
        yield Line(shown, "x-request-timeout-ms of the request")
    elif stated is not None and stated <= edge.deadline_max_ms:
        yield Line(shown, view.origins.policy(exchange.route, "deadline_ms"))
    elif exchange.deadline_ms == edge.deadline_max_ms:
        yield Line(f"{shown}, the longest that is allowed", view.origins.setting("edge.deadline_max"))
    else:
        yield Line(shown, view.origins.setting("edge.deadline"))


def version(view: View) -> Iterator[Line]:
    """Tell the version that the request names, or else the route's default, unless there is a split."""
    exchange = view.exchange
    choice: Choice = exchange.route.choice
    if exchange.flags & VERSION_NAMED:
        in_path = exchange.flags & VERSION_IN_PATH
        name = "versions.path_prefix" if in_path else "versions.header"
        yield Line(f"{version_of(exchange)}, as the request asks", view.origins.setting(name))
        return
    if choice.split is not None:
        yield Line("none is named, so the split decides")
        return
    others = [each for each in choice.versions if each != choice.default.version]
    besides = f"; there {'is' if len(others) == 1 else 'are'} {', '.join(others[:8])}, too" if others else ""
    origin = view.origins.policy(exchange.route, "versions") if exchange.route.policy.versions.default else ""
    yield Line(f"{choice.default.version or 'none'}, the default{besides}", origin or "the highest that there is")


def split(view: View) -> Iterator[Line]:
    """Tell which part of the split the request falls into."""
    exchange = view.exchange
    splitting: Splitting | None = exchange.route.choice.split
    stated, origin = exchange.route.policy.split, view.origins.policy(exchange.route, "split")
    if stated is None or splitting is None:
        return
    if exchange.flags & VERSION_NAMED:
        yield Line("not split: the request names its version", origin)
        return
    value = splitting.read_key(exchange)
    taken = version_of(exchange) or "no version"
    case = find_case(exchange, splitting.cases, value, lambda: 0.0)
    if case is not None and case.candidates.offers is exchange.offers:
        yield Line(f"{taken}: a case of the split holds", origin)
    elif value:
        shown = value.decode("utf-8", "replace")[:64]
        place = f"bucket {bucket_of(value):,} of {BUCKETS:,}{key_text(stated.key)}: {shown}"
        yield Line(f"{taken}: {place}", origin)
    else:
        yield Line(f"{taken} this time: at random, since there is no key{key_text(stated.key)}", origin)
    shares = ", ".join(f"{weight:g} % {name}" for name, weight in stated.weights)
    if shares:
        yield Line(shares)


def placement(view: View) -> Iterator[Line]:
    """Tell the tenant's shard."""
    exchange = view.exchange
    kind, caller = exchange.route.policy.placement, exchange.caller
    found = view.configured.placement.maps.get(kind)
    shard = found.shard_of(caller.tenant) if found is not None and caller is not None and caller.tenant else None
    by_rule = view.origins.policy(exchange.route, "placement")
    if found is None:
        yield Line(f"there is no map {kind}", view.origins.setting("placement.maps"))
    elif shard is None:
        yield Line(f"the tenant has no shard in {kind}, revision {found.revision}", found.origin)
    else:
        yield Line(f"shard {shard.name} by {kind}, revision {found.revision}", f"{found.origin}; {by_rule}")


def concurrency(view: View) -> Iterator[Line]:
    """Tell the limits, and how it stands with them; this explanation takes no place."""
    route = view.exchange.route
    policy, gate, wire = route.policy.concurrency, route.gate, view.configured.parts.wire
    if policy is None:
        return
    yield Line(concurrency_text(policy), view.origins.policy(route, "concurrency"))
    if policy.route_max is not None:
        yield Line(f"{wire.route_in_flight[route.index]} of {policy.route_max} are with the route now")
    if policy.service_max is not None:
        most = gate.service_limit if gate is not None else "a number that is not known yet"
        yield Line(f"{wire.group_in_flight[route.group]} of {most} are with the service now")
    if gate is not None and gate.line.waiting:
        yield Line(f"{gate.line.waiting} wait already, so this one would WAIT, too")


def faults(view: View) -> Iterator[Line]:
    """Tell what may be done to the request on purpose; this explanation draws nothing."""
    exchange, route = view.exchange, view.exchange.route
    origin = f"{view.origins.policy(route, 'faults')}; {view.origins.setting('faults.enabled')}"
    for fault in route.policy.faults:
        has_all = all(exchange.fields.named_field(exchange.id, name) == value for name, value in fault.headers)
        hits = "" if has_all else ": not this one, which has not these fields"
        yield Line(f"ON PURPOSE: {fault_text(fault)}{hits}", origin)


def fanout(view: View) -> Iterator[Line]:
    """Tell who would be asked, and what would be made of the answers."""
    plan: FanOutPlan = view.exchange.route.fanout
    for leg in plan.legs:
        count = {ALL: "every instance", 1: "one instance"}.get(leg.instances, f"{leg.instances} instances")
        path = f" {leg.path}" if leg.path else ""
        yield Line(f"{leg.name}: {count} of {leg.service} is asked{path}", plan.origin)
    needed = {Combine.QUORUM: f"{plan.quorum} good answers", Combine.ALL: "a good answer of each"}
    wanted = needed.get(plan.combine, "one good answer")
    yield Line(f"{plan.combine.value}: {wanted} needed, {plan.leg_ms} ms for each leg", plan.origin)


def connection(view: View) -> Iterator[Line]:
    """Tell how many connections there are to an instance that the gateway has dialled, and who waits for one."""
    ring = view.exchange.offer.instance.ring
    if ring is None:
        return
    pool = view.config.pool
    if ring.is_dormant:
        yield Line("none now: it is dialled first", view.origins.setting("pool.warm"))
    else:
        count = len(ring.connections)
        yield Line(
            f"{count} of at most {pool.per_target} to {ring.target.key}", view.origins.setting("pool.per_target")
        )
    if ring.line:
        yield Line(f"{len(ring.line)} wait for one of them", view.origins.setting("pool.in_flight"))


def hedging(view: View) -> Iterator[Line]:
    """Tell when it would get a second attempt."""
    route, delays = view.exchange.route, view.configured.parts.hedge_delays
    delay_ms = delays().delay_ms(route.index) if delays else 0
    when = f"after {delay_ms} ms" if delay_ms else "not yet: too few answers were seen"
    text = f"a second attempt at another instance {when}; at most {route.plan.profile.hedge:g} % of the requests"
    yield Line(text, view.origins.policy(route, "retries"))


def sending(view: View) -> Iterator[Line]:
    """Tell how it would be carried, and whether it would be sent again."""
    is_task = view.exchange.flags & NEEDS_TASK
    yield Line("by a task: its head is unusual, or its body is waited for" if is_task else "in a batch, without a task")
    yield from retries(view)


def mirror(view: View) -> Iterator[Line]:
    """Tell what is copied."""
    exchange = view.exchange
    policy, mirroring = exchange.route.policy, exchange.route.choice.mirror
    if policy.mirror is None:
        return
    origin = view.origins.policy(exchange.route, "mirror")
    text = mirror_text(policy.mirror)
    if exchange.flags & NEEDS_TASK:
        yield Line(f"{text}; this one is not copied: only what goes in a batch is", origin)
    elif mirroring is None or not mirroring.candidates.offers:
        yield Line(f"{text}; none is copied: no instance of it is there", origin)
    elif mirroring.candidates.version == exchange.offer.version.partition("+")[0]:
        yield Line(f"{text}; this one is not copied: it goes there itself", origin)
    else:
        yield Line(text, origin)


def version_of(exchange: Exchange) -> str:
    """Return the version whose candidates the exchange has, before a placement: empty where none of it is there."""
    try:
        return str(exchange.route.choice.candidates_of(exchange.offers).version) if exchange.offers else ""
    except KeyError:
        return ""


def _standing(standing: Standing) -> str:
    left = f"{standing.remaining:,} left" if not standing.wait_s else f"USED UP for {standing.wait_s:.1f} s"
    return f"{standing.limit}: {left}"


class Told(NamedTuple):
    """How a stage is told. also_refused: it has something to say where it refuses; always: where it is left out."""

    name: str
    words: Words
    also_refused: bool = False
    always: bool = False


def _nothing(_: View) -> Iterator[Line]:
    yield from ()


WORDS: Final[Mapping[str, Told]] = {
    "read_context": Told("context", _nothing),
    "read_head": Told("path", path),
    "take_version_prefix": Told("prefix", version_prefix),
    "match_route": Told("route", route),
    "admit": Told("admit", admit, also_refused=True),
    "identify": Told("who", who, also_refused=True),
    "believe": Told("who", who),
    "authorize": Told("access", access, also_refused=True, always=True),
    "rate_limit": Told("rate limits", rate_limits, also_refused=True),
    "check_limits": Told("body", body, also_refused=True),
    "check_body": Told("body", _nothing),
    "set_deadline": Told("deadline", deadline),
    "fan_out": Told("fan-out", fanout, also_refused=True),
    "choose_by_header": Told("version", version),
    "choose_by_either": Told("version", version),
    "split": Told("split", split),
    "place": Told("placement", placement, also_refused=True),
    "repeat": Told("idempotency", idempotency, also_refused=True, always=True),
    "cache": Told("cache", cache, always=True),
    "limit_concurrency": Told("concurrency", concurrency),
    "inject_faults": Told("FAULTS", faults),
    "probe": Told("breakers", breakers),
    "pick_offer": Told("instance", instance),
    "balance": Told("instance", instance),
    "connect": Told("connection", connection),
    "time_hedge": Told("hedging", hedging),
    "note_marker": Told("sending", _nothing),
    "note_key": Told("sending", _nothing),
    "send_request": Told("sending", sending),
    "mirror": Told("mirror", mirror),
}
"""Each stage of `proxy.gateway.pipeline`."""
