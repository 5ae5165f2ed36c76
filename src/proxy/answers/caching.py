"""The stage of the response cache: an answer that is kept, or one request for all who ask the same at once.

    fresh      given at once; the service is not asked
    stale      given at once, where that is allowed, and another is fetched beside (stale-while-revalidate, RFC 5861)
    missing    the first one asks; who asks the same meanwhile is parked until its answer is there, and then gets it too
               ("collapsed forwarding", RFC 9111, section 4). Where that is not to be shared, each goes on by itself

An answer comes to its client straight from the wire, as without a cache; a copy of it comes here with EVENT_ANSWERED.
Successful requests that change something make void what is kept for their target (RFC 9111, section 4.4).
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from frames.frame import Method
from frames.wire_values import HEAD_HAS_FORWARDED, RequestHead, WireResult
from proxy.answers.directives import Directives, parse_directives, seconds
from proxy.answers.freshness import NotKept, judge
from proxy.answers.kept import RETRY_MS, Ask, Entry, Kept, Variant
from proxy.answers.payload import read_response
from proxy.answers.routes import UNSAFE, is_cached
from proxy.answers.watching import watch
from proxy.errors import NOT_CACHED
from proxy.request.ended import GONE, Ended, Endings
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.route_policy import CacheScope
from proxy.request.stage import PARKED, Answer, Lane, Stage, for_routes

if TYPE_CHECKING:
    from proxy.request.parked import Parking

_GET: Final = int(Method.GET)
_HEAD: Final = int(Method.HEAD)
_CONDITIONS: Final = (b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since")
_EARLIER: Final = (b"no-cache", b"max-age", b"min-fresh")
"""Directives of a request by which an answer that is kept may not do."""


class CachePort(Protocol):
    """What is asked of the wire."""

    def request_head_fields(self, exchange: int, /) -> list[tuple[int, bytes, bytes]]:
        """Return all fields of a request of this batch: which known name it is, the name in lower case, the value."""
        ...

    def request_head(self, exchange: int, /) -> RequestHead | None:
        """Return what was read of the head of a request of this batch."""
        ...

    def is_secured(self, exchange: int, /) -> bool:
        """Return whether a request came over TLS."""
        ...

    def pass_on(self, exchange: int, payload: Any, /) -> int:
        """Answer an undecided exchange with a service's RESPONSE."""
        ...


class Flight:
    """A request whose answer others wait for."""

    __slots__ = ("ask", "began_ms", "is_authenticated", "is_void", "key", "rule", "scope", "target", "waiters")

    def __init__(self, key: "FlightKey", exchange: Exchange, ask: Ask, now: int, *, is_authenticated: bool) -> None:
        self.key = key
        self.target, self.scope, _ = key
        self.ask = ask
        self.began_ms = now
        self.is_authenticated = is_authenticated
        self.is_void = False
        self.rule = exchange.route.policy.cache
        self.waiters: dict[int, Exchange] = {}


FlightKey = tuple[bytes, bytes, Variant]

Refresh = Callable[[Exchange, Callable[[Ended], None]], bool]
"""Asks again, beside the request, which goes on; False: that is not possible now. Calls back with what has come."""


class CacheFigures:
    """What the cache has done since the start."""

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(("hit", "stale", "unchanged", "miss", "collapsed", "bypass"), 0)
        self.not_kept = dict.fromkeys((reason.value for reason in NotKept), 0)
        self.kept = 0
        self.invalidated = 0
        self.refreshed = dict.fromkeys(("true", "false"), 0)


class Caching:
    """The cache of a gateway; it stays when the configuration changes."""

    def __init__(
        self,
        port: CachePort,
        kept: Kept,
        endings: Callable[[], Endings],
        parking: Callable[[], "Parking"],
        *,
        wait_ms: int,
        refresh: Refresh = lambda exchange, done: False,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """wait_ms: how long a request waits for another's answer before it goes on by itself."""
        self.kept = kept
        self.wait_ms = wait_ms
        self.figures = CacheFigures()
        self._port = port
        self._endings = endings
        self._parking = parking
        self._refresh = refresh
        self._now_ms = now_ms
        self._now_s = now_s
        self._flights: dict[FlightKey, Flight] = {}
        self._waiting: dict[int, Flight] = {}
        self.stage: Stage = self._make_stage()

    @property
    def waiting(self) -> int:
        """How many requests wait for another's answer."""
        return len(self._waiting)

    def _make_stage(self) -> Stage:
        look, changes = self._look, self._changes

        @for_routes(is_cached)
        def cache(exchange: Exchange) -> Answer | Lane | None:
            if exchange.flags & NEEDS_TASK:
                return None
            if exchange.method in UNSAFE:
                return changes(exchange)
            return look(exchange) if exchange.method in (_GET, _HEAD) else None

        return cache

    # ---- a request ----

    def _look(self, exchange: Exchange) -> Answer | Lane | None:
        number, named = exchange.id, exchange.fields.named_field

        def ask(name: bytes) -> bytes | None:
            return named(number, name)

        target, scope = self._target(exchange), _scope(exchange)
        if target is None:
            return None
        entry = self.kept.find(target, scope, ask)
        said = ask(b"cache-control")
        asked = parse_directives(said) if said is not None else {}
        if ask(b"range") is not None or b"no-store" in asked:
            return self._bypass(asked)
        now = self._now_ms()
        if entry is not None and entry.template is not None:
            state = _state(entry, asked, now)
            if state == "hit" or (state == "stale" and self._may_be_stale(exchange, entry, now)):
                return self._give(exchange, entry, state, now, ask(b"if-none-match"))
        if b"only-if-cached" in asked:
            return Answer(NOT_CACHED)
        if exchange.method == _HEAD or any(ask(name) is not None for name in _CONDITIONS):
            return self._bypass(asked)
        if entry is not None and entry.template is None and now < entry.fresh_until:
            return self._bypass(asked)
        return self._fetch(exchange, (target, scope, self.kept.variant_of(target, scope, ask)), asked, now)

    def _give(self, exchange: Exchange, entry: Entry, state: str, now: int, match: bytes | None) -> Lane | None:
        """Answer with what is kept."""
        is_unchanged = match is not None and entry.not_modified is not None and _matches(match, entry.etag)
        payload = entry.unchanged(now) if is_unchanged else entry.payload(now)
        result = self._port.pass_on(exchange.id, payload)
        if result in (WireResult.OK, WireResult.NO_EXCHANGE):  # else the request goes on as any other
            self.figures.outcomes["unchanged" if is_unchanged else state] += 1
            return PARKED
        return None

    def _bypass(self, asked: Directives) -> Answer | None:
        if b"only-if-cached" in asked:
            return Answer(NOT_CACHED)
        self.figures.outcomes["bypass"] += 1
        return None

    def _fetch(self, exchange: Exchange, key: FlightKey, asked: Directives, now: int) -> Lane | None:
        """Ask the service, or wait for who does so already."""
        flight = self._flights.get(key)
        if flight is None or b"no-cache" in asked:
            self.figures.outcomes["miss"] += 1
            fields = self._port.request_head_fields(exchange.id)
            flight = Flight(key, exchange, _asks(fields), now, is_authenticated=_is_authenticated(exchange))
            self._flights.setdefault(key, flight)
            self._lead(exchange.id, flight)
            return None
        waiting = self._parking().park(
            exchange, self.stage, on_gone=self._leave, on_expired=self._go_alone, wait_ms=self.wait_ms
        )
        if waiting is None:
            self.figures.outcomes["bypass"] += 1
            return None
        self.figures.outcomes["collapsed"] += 1
        flight.waiters[exchange.id] = waiting
        self._waiting[exchange.id] = flight
        return PARKED

    def _lead(self, exchange: int, flight: Flight) -> None:
        watch(self._endings(), exchange, lambda ended: self._landed(flight, ended))

    def _leave(self, exchange: Exchange) -> None:
        """Forget one that waits no more."""
        flight = self._waiting.pop(exchange.id, None)
        if flight is not None:
            del flight.waiters[exchange.id]

    def _go_alone(self, exchange: Exchange) -> None:
        """Carry on one that has waited long enough."""
        self._leave(exchange)
        self._parking().resume(exchange)

    # ---- its answer ----

    def _landed(self, flight: Flight, ended: Ended) -> None:
        if ended is GONE and flight.waiters and self._flights.get(flight.key) is flight:
            self._hand_on(flight)
            return
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        entry = self._keep(flight, ended) if ended.payload else None
        parking, now = self._parking, self._now_ms()
        waiters, flight.waiters = flight.waiters, {}
        for number in waiters:
            del self._waiting[number]
        for number, exchange in waiters.items():
            if entry is not None and entry is self.kept.find(flight.target, flight.scope, _ask_of(exchange)):
                parking().pass_on(number, entry.payload(now))
            else:
                parking().resume(number)

    def _hand_on(self, flight: Flight) -> None:
        """Its client has left: the one who has waited longest asks in its place."""
        number = next(iter(flight.waiters))
        exchange = flight.waiters.pop(number)
        del self._waiting[number]
        flight.ask = _ask_of(exchange)
        flight.began_ms = self._now_ms()
        self._lead(number, flight)
        self._parking().resume(number)

    def _keep(self, flight: Flight, ended: Ended) -> Entry | None:
        """Keep what has come, if it may be, and note why it may not."""
        response, now = read_response(ended.payload), self._now_ms()
        if flight.is_void:
            life: Any = NotKept.INVALIDATED
        elif flight.rule is None:
            return None
        else:
            life = judge(
                response,
                flight.rule,
                {},
                is_authenticated=flight.is_authenticated,
                delay_ms=now - flight.began_ms,
                now_s=self._now_s,
            )
        entry = (
            None
            if isinstance(life, NotKept)
            else self.kept.put(flight.target, flight.scope, flight.ask, response, life, now)
        )
        if entry is not None:
            self.figures.kept += 1
            return entry
        why = life if isinstance(life, NotKept) else NotKept.SIZE
        self.figures.not_kept[why.value] += 1
        if ended.status < 500 and why is not NotKept.INVALIDATED:
            self.kept.put_pass(flight.target, flight.scope, now)
        return None

    # ---- fetching anew ----

    def _may_be_stale(self, exchange: Exchange, entry: Entry, now: int) -> bool:
        """Have it fetched anew, once, and say whether it may be given meanwhile."""
        if now < entry.is_refreshed_at:
            return True
        key = (entry.target, entry.scope, entry.variant)
        flight = Flight(
            key,
            exchange,
            _asks(self._port.request_head_fields(exchange.id)),
            now,
            is_authenticated=_is_authenticated(exchange),
        )
        if not self._refresh(exchange, lambda ended: self._refreshed(flight, entry, ended)):
            return False
        entry.is_refreshed_at = now + exchange.deadline_ms
        return True

    def _refreshed(self, flight: Flight, entry: Entry, ended: Ended) -> None:
        is_good = bool(ended.payload) and ended.status < 500
        self.figures.refreshed["true" if is_good else "false"] += 1
        if is_good:
            self._keep(flight, ended)
        entry.is_refreshed_at = self._now_ms() + RETRY_MS

    # ---- requests that change something ----

    def _changes(self, exchange: Exchange) -> None:
        target = self._target(exchange)
        if target is not None:
            watch(self._endings(), exchange.id, lambda ended: self._changed(target, ended))

    def _changed(self, target: bytes, ended: Ended) -> None:
        if ended.status >= 400:
            return
        self.figures.invalidated += self.kept.forget(target)
        for flight in self._flights.values():
            flight.is_void |= flight.target == target

    def _target(self, exchange: Exchange) -> bytes | None:
        """Return what the request is about; None where its batch is over, so that nothing can be said of it."""
        number = exchange.id
        head = self._port.request_head(number)
        if head is None:
            return None
        named, service = exchange.fields.named_field, exchange.route.service.encode()
        host, scheme = named(number, b"host") or b"", b"https" if self._port.is_secured(number) else b"http"
        if exchange.flags & HEAD_HAS_FORWARDED:  # what a trusted proxy says of it counts; what others say does no harm
            scheme += named(number, b"x-forwarded-proto") or b""
        return b"%s\n%s://%s\n%s" % (service, scheme, host.lower(), head.target)


def _scope(exchange: Exchange) -> bytes:
    """Return who shares an answer: the version that answers, the tenant, and, where it matters, who asks."""
    offers, caller = exchange.offers, exchange.caller
    version = offers[0].version.encode() if offers else b""
    if caller is None:
        return version
    identity, rule = caller.identity, exchange.route.policy.cache
    if identity is None:
        return b"%s\n%s\n%d" % (version, caller.tenant, _is_authenticated(exchange))
    if rule is not None and rule.shared_by is CacheScope.PRINCIPAL:
        name = f"{identity.issuer}\n{identity.principal}".encode("utf-8", "surrogatepass")
        return b"%s\n%s\n2%s" % (version, caller.tenant, name)
    return b"%s\n%s\n1" % (version, caller.tenant)


def _is_authenticated(exchange: Exchange) -> bool:
    """Whether the request says who asks, and its answer would be given to others, too (RFC 9111, section 3.5)."""
    caller, rule = exchange.caller, exchange.route.policy.cache
    if caller is None:
        return False
    if caller.identity is not None:
        return rule is None or rule.shared_by is not CacheScope.PRINCIPAL
    named = exchange.fields.named_field
    return named(exchange.id, b"authorization") is not None or named(exchange.id, b"x-api-key") is not None


def _state(entry: Entry, asked: Directives, now: int) -> str:
    """Return whether an answer may be given: as "hit", as "stale", or not ("")."""
    if asked:
        if b"no-cache" in asked:
            return ""
        age_max_s, fresh_s = seconds(asked, b"max-age"), seconds(asked, b"min-fresh")
        if age_max_s is not None and entry.age_s(now) > age_max_s:
            return ""
        if fresh_s is not None and now + fresh_s * 1_000 > entry.fresh_until:
            return ""
    if now < entry.fresh_until:
        return "hit"
    return "stale" if now < entry.stale_until and not asked.keys() & set(_EARLIER) else ""


def _matches(condition: bytes, etag: bytes | None) -> bool:
    """Whether If-None-Match names an entity tag, by the weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2)."""
    if etag is None:
        return False
    if condition.strip() == b"*":
        return True
    opaque = etag.removeprefix(b"W/")
    return any(tag.strip().removeprefix(b"W/") == opaque for tag in condition.split(b","))


def _ask_of(exchange: Exchange) -> Ask:
    """Return what answers for the fields of a parked request."""
    return lambda name: exchange.fields.named_field(exchange.id, name)


def _asks(fields: list[tuple[int, bytes, bytes]]) -> Ask:
    """Return what answers for the fields of a request beyond its batch."""

    def ask(name: bytes) -> bytes | None:
        values = [value for _, given, value in fields if given == name]
        return b", ".join(values) if values else None

    return ask
