"""The stages of a request's path: the only file that knows their order.

Each has its place for a reason:

    context         first, so that every answer, refusals included, carries the ids that the client knows
    head            what is unusual is put into its usual form before anything is matched or allowed by it
    version prefix  what names the version is taken off the path before the path is matched
    match           before anything that depends on the route: the stages from here on are the route's own
    admit           who asks too much is stopped before the work of finding out who it is
    identify        before all that depends on who asks: claims, rates, splits, placement
    authorize       as soon as it is known who asks, so that nobody else learns anything of what follows
    rate limit      by tenant and principal, so it must know them; refusals by claims do not use up a limit
    limits          a body that is too long is refused before any of it is read
    deadline        before time is spent on choosing and queueing
    fan-out         where several are asked, the rest is decided for each of them by itself (`proxy.fanout.legs`)
    version         what the client says about the version comes before what the operator does with the rest
    split           among versions, for who named none
    place           among the instances of a version: only those that have the tenant
    faults          where faults on purpose are on: before an instance is chosen, so that none is blamed for them
    admission       where there are limits: who has no place waits; before the choice, which is made when it goes on
    probe           where a breaker is half-open: what goes to that instance is not chosen, but sent there
    idempotency     before anything else that takes time or place: a repeated request is answered, not sent
    cache           likewise; it must know by then which version answers, and to whom
    pick            last of the decisions, since load is judged by what is true now
    connect         by which connection, where the gateway has dialled the instance; there may be none yet
    notes           what is left of the request, once it is sent, for who may send it again
    send            nothing may be decided after it: a service may have started. What must wait goes on in the task lane
    mirror          when the request is out, so that its copy cannot be in its way

A stage that has nothing to say about a route is not in its path (`proxy.request.stage.for_routes`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from frames.wire import Wire
from proxy.attempts.notes import Notes, make_note_key, make_note_marker
from proxy.config import GatewayConfig
from proxy.edge.context import read_context
from proxy.edge.head import make_read_head
from proxy.gateway.bounds import nobody_is_trusted, trusted_proxies
from proxy.policy.deadline import set_deadline
from proxy.policy.identity.identities import Identities
from proxy.policy.limits import make_check_body, make_check_limits
from proxy.policy.rates.stages import make_admit, make_rate_limit
from proxy.request.path import Path
from proxy.request.stage import Stage
from proxy.route.match import TrailingSlash, make_match
from proxy.route.placement import make_place
from proxy.route.split import make_split
from proxy.route.versions import make_choose_version, make_take_version_prefix
from proxy.targets.choose import Balancing, make_picks
from proxy.targets.pick import Figures
from proxy.transport.send import make_send

if TYPE_CHECKING:
    from proxy.attempts.hedging import HedgeDelays
    from proxy.edge.forwarded import Doubt
    from proxy.faults.inject import Counts
    from proxy.policy.rates.stages import HasLimiter
    from proxy.request.parked import Parking
    from proxy.route.placement import PlacementSource

NO_FIELD = "none"
"""The name of the version's field where there is none."""


class Parts(NamedTuple):
    """What stages work with, beside the exchange. It stays when the configuration changes."""

    wire: Wire
    doubts: "dict[Doubt, int]"
    identities: Identities
    rates: "HasLimiter"
    placement: "PlacementSource"
    mirror: Stage
    parking: "Callable[[], Parking]"
    """Where exchanges are parked: made, and loaded, when it is first asked for."""
    figures: Figures
    """By what instances are chosen."""
    injected: "Counts | None" = None
    """Of faults on purpose; None: none is injected, for who asks what would happen."""
    notes: Notes | None = None
    """Of what a retry must know; None: nothing is sent, by who asks what would happen."""
    fanout: Stage | None = None
    """Asks several; None: nobody is asked, for who asks what would happen."""
    hedge_delays: "Callable[[], HedgeDelays] | None" = None
    """When requests get a second attempt; None: nothing is sent, for who asks what would happen."""
    connect: Stage | None = None
    """Takes a connection of the pool; None: none is taken, for who asks what would happen."""
    admission: Callable[[Callable[[str], bool]], Stage] | None = None
    """Makes what holds requests to limits of concurrency, and is told whose x-priority is believed."""
    probe: Stage | None = None
    """Sends a request to who is half-open; None: nothing is, for who asks what would happen."""
    answers: "Callable[[GatewayConfig], tuple[Stage, ...]]" = lambda config: ()
    """The stages of what keeps answers."""


class Pipeline(NamedTuple):
    """The stages by one configuration."""

    entry: tuple[Stage, ...]
    """Up to match."""
    rest: tuple[Stage, ...]
    """From there on: a route's path is made of these."""
    path: Path
    """The same for requests that have waited."""
    balancing: Balancing
    """For who sends a request again, or a copy of one."""


def make_pipeline(config: GatewayConfig, parts: Parts) -> Pipeline:
    """Return the stages in their order."""
    edge, versions, wire = config.edge, config.versions, parts.wire
    slash = TrailingSlash(config.routes.trailing_slash)
    match = make_match(wire, lambda exchange: slash)
    proxies = trusted_proxies(config)
    is_tolerant = edge.parsing == "tolerant"
    header = "" if versions.header == NO_FIELD else versions.header
    choosing = (
        *([make_choose_version(header, is_in_path=versions.path_prefix)] if header or versions.path_prefix else []),
        make_split(),
        make_place(parts.placement),
    )
    balancing = Balancing(parts.figures, config.balancing.default)
    picks = (*([parts.probe] if parts.probe else []), *make_picks(parts.figures, balancing))
    connect = [parts.connect] if parts.connect else []
    admission = _make_admission(config, parts, proxies.trusts if proxies else nobody_is_trusted)
    entry = (
        read_context,
        make_read_head(wire, proxies, parts.doubts, is_tolerant=is_tolerant),
        *([make_take_version_prefix(wire)] if versions.path_prefix else []),
        match,
    )
    rest = (
        *([make_admit(parts.rates.limiter, config.rates.admit)] if config.rates.admit else []),
        parts.identities.identify,
        parts.identities.authorize,
        make_rate_limit(parts.rates),
        make_check_limits(edge.call_bytes, edge.buffered_bytes),
        make_check_body(wire),
        set_deadline,
        *([parts.fanout] if config.fanouts and parts.fanout else []),
        *choosing,
        *_make_faults(config, parts),
        *parts.answers(config),
        *admission,
        *picks,
        *connect,
        *_make_notes(parts.notes),
        *_make_hedge(config, parts),
        make_send(wire, *([parts.notes.choose] if parts.notes else [])),
    )
    path = Path([match], rest, choosing=[parts.identities.authorize, *choosing, *admission, *picks], connecting=connect)
    return Pipeline(entry, (*rest, parts.mirror), path, balancing)


def _make_hedge(config: GatewayConfig, parts: Parts) -> tuple[Stage, ...]:
    if parts.hedge_delays is None or not any(profile.hedge for profile in config.retries.profiles.values()):
        return ()
    from proxy.attempts.hedging import make_time_hedge  # what a gateway without hedges does not load

    return (make_time_hedge(parts.hedge_delays()),)


def _make_notes(notes: Notes | None) -> tuple[Stage, ...]:
    return (make_note_marker(notes), make_note_key(notes)) if notes is not None else ()


def _make_admission(config: GatewayConfig, parts: Parts, trusts: Callable[[str], bool]) -> tuple[Stage, ...]:
    if parts.admission is None or not any(rule.concurrency for rule in config.rules):
        return ()
    return (parts.admission(trusts),)


def _make_faults(config: GatewayConfig, parts: Parts) -> tuple[Stage, ...]:
    if not config.faults.enabled:
        return ()
    from proxy.faults.inject import make_inject_faults  # what a gateway without faults on purpose does not load

    return (make_inject_faults(parts.injected, parts.parking),)
