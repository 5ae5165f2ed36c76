"""What stages work with, kept apart from what serves traffic wherever they would change it."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from frames.wire_values import NO_IDENTITY, KnownName
from penstock.settings.rate import RateLimit
from proxy.answers.key import parse_key
from proxy.answers.routes import is_cached, takes_keys
from proxy.errors import IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_MISSING, RATE_LIMITED
from proxy.explain.question import Question
from proxy.gateway.pipeline import Parts
from proxy.gateway.pooling import is_pooled
from proxy.policy.authorize import authorize
from proxy.policy.identify import make_identify
from proxy.policy.identity.callers import Callers
from proxy.policy.identity.tenant import INVALID, is_tenant
from proxy.policy.rates.limiter import RateLimiter, Standing
from proxy.policy.rates.plan import Plan
from proxy.request.caller import Caller, Identity
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Reply, Stage, for_routes

if TYPE_CHECKING:
    from proxy.gateway.configured import Configured

_UNCOUNTED: Final = Answer(RATE_LIMITED, "Requests cannot be counted at the moment.")


class PeekingLimiter(RateLimiter):
    """Looks at what the limiter has counted, and counts nothing. ``standings``: how the request stands, by scope."""

    def __init__(self, real: RateLimiter) -> None:
        """Look at this limiter."""
        self._real = real
        self.standings: list[Standing] = []

    def plan(self, scope: str, limits: tuple[RateLimit, ...], *, route: bytes | None = None) -> Plan:
        """Return a plan as the limiter makes it."""
        return self._real.plan(scope, limits, route=route)

    def check(self, exchange: Exchange, plan: Plan) -> Answer | None:
        """Return the answer that would refuse the request now."""
        try:
            standings = self._real.peek(exchange, plan)
        except Exception:  # as the limiter itself takes whatever a store raises
            return None if self._real.is_open_on_failure else _UNCOUNTED
        self.standings += standings
        longest = max(standings, key=lambda standing: standing.wait_s)
        if not longest.wait_s:
            return None
        return Answer(RATE_LIMITED, f"The limit is {longest.limit}.", retry_after_s=-int(-longest.wait_s // 1))


class ApartRates(NamedTuple):
    """The limiter, as `proxy.gateway.pipeline` takes it from the gateway's."""

    limiter: RateLimiter


class ApartIdentities(NamedTuple):
    """The two stages, as `proxy.gateway.pipeline` takes them from the gateway's identities."""

    identify: Stage
    authorize: Stage


def identities_of(question: Question, callers: Callers) -> ApartIdentities:
    """Return the stages. callers: a gateway's own, set apart. Whoever is named in the question is believed."""
    if not question.principal:
        return ApartIdentities(make_identify(callers), authorize)
    identity = Identity(principal=question.principal, claims=question.claims, issuer="imagined")

    def believe(exchange: Exchange) -> Answer | None:
        tenant = exchange.fields.request_field(exchange.id, KnownName.TENANT)
        if tenant is not None and not is_tenant(tenant):
            return INVALID
        exchange.caller = Caller(tenant=tenant or b"", identity=identity, wire=NO_IDENTITY)
        return None

    return ApartIdentities(believe, authorize)


class _NoDelays:
    """Stands for `proxy.attempts.hedging.HedgeDelays`: what is imagined sets no timer, and counts for nothing."""

    def time(self, route: object) -> None:
        """Do nothing."""


def parts_of(configured: "Configured", imagined: Any, identities: Any, limiter: RateLimiter) -> Parts:
    """Return the parts of a pipeline over an imagined request, whose two stand-ins have what stages ask of them."""

    @for_routes(lambda route: route.policy.mirror is not None)
    def mirror(exchange: Exchange) -> None:
        """Copy nothing."""

    @for_routes(lambda route: route.fanout is not None)
    def fan_out(exchange: Exchange) -> Reply:
        """Ask nobody."""
        return Reply(200)

    @for_routes(lambda route: route.choice is not None and route.choice.is_recovering)
    def probe(exchange: Exchange) -> None:
        """Probe nobody."""

    @for_routes(is_pooled)
    def connect(_: Exchange) -> None:
        """Take nothing."""

    @for_routes(lambda route: route.policy.concurrency is not None)
    def limit_concurrency(_: Exchange) -> None:
        """Wait for no place."""

    @for_routes(takes_keys)
    def repeat(exchange: Exchange) -> Answer | None:
        """Look for a key, and at nothing that is kept for it."""
        value, rule = exchange.fields.named_field(exchange.id, b"idempotency-key"), exchange.route.policy.idempotency
        if value is None:
            return Answer(IDEMPOTENCY_KEY_MISSING) if rule is not None and rule.is_required else None
        return None if parse_key(value) is not None else Answer(IDEMPOTENCY_KEY_INVALID)

    @for_routes(is_cached)
    def cache(exchange: Exchange) -> None:
        """Give nothing that is kept."""

    return configured.parts._replace(
        answers=lambda config: (repeat, cache),
        wire=imagined,
        doubts={},
        identities=identities,
        rates=ApartRates(limiter),
        mirror=mirror,
        probe=probe,
        fanout=fan_out,
        connect=connect,
        admission=lambda trusts: limit_concurrency,
        figures=configured.parts.figures._replace(tally=Counter()),
        injected=None,
        notes=None,
        hedge_delays=cast("Any", _NoDelays),
    )
