"""Joins what is declared of one route and the rules that hold for it into its policy; see `proxy.route.rules`.

It is loaded with the first route.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from penstock.settings.rate import RateLimit, parse_rate_limit
from penstock.settings.types import BadValueError
from proxy.config.rule import Rule
from proxy.request.route_policy import Access, Claim, RoutePolicy, TenantRule, Versions

if TYPE_CHECKING:
    from proxy.request.offer import Offer

T = TypeVar("T")


class Facts(NamedTuple):
    """What one version declares of an endpoint, comparable."""

    origin: str
    access: str | None
    claims: tuple[Claim, ...]
    deadline_ms: int | None
    body_bytes: int | None
    rate_limits: tuple[str, ...]


Note = Callable[[Rule, str, str], None]
"""(rule, what it says, why that has no effect)."""


class Join:
    """Joins what is declared and the rules of one route; notes down what has no effect, and who said the rest."""

    def __init__(self, declared: Sequence[Facts], rules: Sequence[Rule], undeclared: Access, note: Note) -> None:
        """declared: in an order that is always the same; rules: in theirs; undeclared: as `Policies` has it."""
        self._declared = declared
        self._rules = rules
        self._undeclared = undeclared
        self._note = note
        self._origins: dict[str, str] = {}

    def policy(self) -> RoutePolicy:
        """Return the policy."""
        return RoutePolicy(
            access=self._access(),
            claims=self._claims(),
            tenant=self._last("tenant", TenantRule.OPTIONAL),
            rate_limits=self._rate_limits(),
            deadline_ms=self._least("deadline_ms", "deadline"),
            body_bytes=self._least("body_bytes", "body_bytes"),
            versions=self._versions(),
            split=self._maybe(self._last("split", None), lambda split: bool(split.weights or split.cases)),
            mirror=self._maybe(self._last("mirror", None), lambda mirror: bool(mirror.percent)),
            placement=self._last("placement", ""),
            balance=self._maybe(self._last("balance", None), lambda balance: bool(balance.says_anything)),
            retries=self._last("retries", ""),
            stream_idle_ms=self._last("stream_idle_ms", None),
            faults=self._last("faults", ()),
            concurrency=self._maybe(self._last("concurrency", None), lambda said: bool(said.is_limit)),
            cache=self._maybe(self._last("cache", None), lambda cache: bool(cache.ttl_max_ms)),
            idempotency=self._maybe(self._last("idempotency", None), lambda idempotency: bool(idempotency.ttl_ms)),
            origins=self._origins,
        )

    def _access(self) -> Access:
        strict = [facts for facts in self._declared if facts.access == Access.AUTHENTICATED.value or facts.claims]
        stricter = [rule for rule in self._rules if rule.access is Access.AUTHENTICATED or rule.claims]
        opening = [rule for rule in self._rules if rule.access is Access.PUBLIC]
        if strict:
            for rule in opening:
                self._note(rule, "access", f"{strict[0].origin} declares that it needs an identity")
            return self._from(strict[0].origin, "access", Access.AUTHENTICATED)
        if stricter:
            return self._from(stricter[0].label, "access", Access.AUTHENTICATED)
        if self._declared and all(facts.access for facts in self._declared):
            return self._from(self._declared[0].origin, "access", Access.PUBLIC)
        if opening:
            return self._from(opening[-1].label, "access", Access.PUBLIC)
        return self._undeclared

    def _claims(self) -> tuple[Claim, ...]:
        declared = {claim: facts.origin for facts in self._declared for claim in facts.claims}
        wanted = dict(declared)
        for rule in self._rules:
            for name, values in (rule.claims or {}).items():
                claim = Claim(name, tuple(sorted(values)))
                stricter = next((one for one in declared if one != claim and _implies(one, claim)), None)
                if stricter is not None:
                    self._note(rule, f"claim {name}", f"{declared[stricter]} declares a stricter one")
                wanted.setdefault(claim, rule.label)
        kept = [one for one in wanted if not any(other != one and _implies(other, one) for other in wanted)]
        self._from_all([wanted[claim] for claim in kept], "claims")
        return tuple(sorted(kept))

    def _rate_limits(self) -> tuple[RateLimit, ...]:
        limits: dict[RateLimit, str] = {}
        for facts in self._declared:
            for text in facts.rate_limits:
                with suppress(BadValueError):  # who registers it is refused, so that none comes here
                    limits.setdefault(parse_rate_limit(text), facts.origin)
        for rule in self._rules:
            for limit in rule.rate_limits or ():
                limits.setdefault(limit, rule.label)
        self._from_all(limits.values(), "rate_limits")
        return tuple(limits)

    def _least(self, field: str, name: str) -> int | None:
        """Return the least that anybody says; name: what a rule calls it."""
        declared: list[tuple[int, str]] = [
            (getattr(facts, field), facts.origin) for facts in self._declared if getattr(facts, field) is not None
        ]
        least = min(declared, default=None)
        for rule in self._rules:
            said = getattr(rule, field)
            if said is None:
                continue
            if declared and said > min(declared)[0]:
                self._note(rule, name, f"{min(declared)[1]} declares less")
            if least is None or said < least[0]:
                least = (said, rule.label)
        return None if least is None else self._from(least[1], field, least[0])

    def _versions(self) -> Versions:
        default, takes_ranges, origins = "", False, []
        for rule in self._rules:
            said = rule.versions
            if said is None:
                continue
            default = default if said.default is None else said.default
            takes_ranges = takes_ranges if said.takes_ranges is None else said.takes_ranges
            origins.append(rule.label)
        self._from_all(origins, "versions")
        return Versions(default=default, takes_ranges=takes_ranges)

    def _last(self, field: str, otherwise: Any) -> Any:
        """Return what the last rule says that says anything."""
        saying = [rule for rule in self._rules if getattr(rule, field) is not None]
        return self._from(saying[-1].label, field, getattr(saying[-1], field)) if saying else otherwise

    def _maybe(self, value: Any, says_anything: Callable[[Any], bool]) -> Any:
        return value if value is not None and says_anything(value) else None

    def _from(self, origin: str, field: str, value: T) -> T:
        self._origins[field] = origin
        return value

    def _from_all(self, origins: Iterable[str], field: str) -> None:
        joined = ", ".join(dict.fromkeys(origins))
        if joined:
            self._origins[field] = joined


def facts_of(service: str, offer: "Offer") -> Facts:
    """Return what an offer's instance declares."""
    declared = offer.declared
    return Facts(
        f"{service} {offer.version}",
        declared.access,
        _claims(declared.claims) if declared.claims else (),
        declared.deadline_ms,
        declared.body_bytes,
        declared.rate_limits,
    )


def _claims(claims: Mapping[str, Iterable[str]]) -> tuple[Claim, ...]:
    return tuple(sorted(Claim(name, tuple(sorted(set(values)))) for name, values in claims.items()))


def _implies(one: Claim, other: Claim) -> bool:
    """Whether who meets the one meets the other."""
    return one.name == other.name and (not other.values or (bool(one.values) and set(one.values) <= set(other.values)))
