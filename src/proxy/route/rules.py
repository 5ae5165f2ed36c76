"""Rules: what services declare and what the configuration says of routes become each route's policy.

    who may ask      the strictest that any version of the service declares, and rules only make it stricter; where
                     none of them declares anything, rules decide, and else ``identity.undeclared``
    claims, limits   all of them hold, of whomever they are
    deadline, body   the least
    all else         the last rule that says anything

A rule that would loosen what a service declared has no effect on that, and a note tells so. A rule holds for whole
routes: where its path is but a part of what a wildcard matches, and it holds for no other route, a note tells so, too.

Routes of which the same is declared and for which the same rules hold have one policy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from frames.frame import Method
from penstock.settings.rate import RateLimit, parse_rate_limit
from penstock.settings.types import BadValueError
from proxy.route.rule_scopes import RulesOfService, Scope, scopes_of
from proxy.route_policy import Access, Claim, RoutePolicy, TenantRule, Versions
from proxy.rules import Rule

if TYPE_CHECKING:
    from proxy.offer import Offer

T = TypeVar("T")

POLICIES_REMEMBERED_MAX: Final = 4_096
NOTES_MAX: Final = 256
"""As many as somebody may read; each is told once."""


class _Facts(NamedTuple):
    """What one version declares of an endpoint, comparable."""

    origin: str
    access: str | None
    claims: tuple[Claim, ...]
    deadline_ms: int | None
    body_bytes: int | None
    rate_limits: tuple[str, ...]


class Policies:
    """Makes the policies of routes, by one set of rules."""

    def __init__(self, rules: Iterable[Rule] = (), *, undeclared: Access = Access.AUTHENTICATED) -> None:
        """rules: in their order; undeclared: who may ask where neither service nor rules say anything."""
        self._scopes = scopes_of(rules)
        self._undeclared = undeclared
        self._by_service: dict[str, RulesOfService] = {}
        self._made: dict[tuple[str, tuple[int, ...], frozenset[_Facts]], RoutePolicy] = {}
        self._notes: dict[tuple[object, ...], str] = {}
        self._partial: dict[int, str] = {}
        self._held: set[int] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """Which rules have no effect where somebody might think so, one line each, since the beginning."""
        return (*self._notes.values(), *(text for at, text in self._partial.items() if at not in self._held))

    def rules_of(self, service: str, method: int, template: str) -> tuple[Rule, ...]:
        """Return the rules that hold for a route, in their order."""
        return tuple(scope.rule for scope in self._hold(service, method, template))

    def policy_of(self, service: str, method: int, template: str, offers: "Sequence[Offer]") -> RoutePolicy:
        """Return the policy of a route. offers: of all instances that may be chosen, in all versions."""
        scopes = self._hold(service, method, template)
        if "...}" in template:
            self._note_partial(service, method, template)
        facts = frozenset(_facts(service, offer) for offer in offers)
        key = (service, tuple(scope.at for scope in scopes), facts)
        policy = self._made.get(key)
        if policy is None:
            if len(self._made) >= POLICIES_REMEMBERED_MAX:
                self._made.clear()
            route = f"{Method(method).name} {template}"
            join = _Join(
                sorted(facts, key=repr), [scope.rule for scope in scopes], self._undeclared, self._noter(service, route)
            )
            policy = self._made[key] = join.policy()
            self._held.update(key[1])
        return policy

    def _hold(self, service: str, method: int, template: str) -> list[Scope]:
        scopes = self._of_service(service)
        return scopes.holding(method, template) if scopes else []

    def _of_service(self, service: str) -> RulesOfService:
        scopes = self._by_service.get(service)
        if scopes is None:
            mine = [scope for scope in self._scopes if scope.rule.service in (None, service)]
            scopes = self._by_service[service] = RulesOfService(mine)
        return scopes

    def _note_partial(self, service: str, method: int, template: str) -> None:
        for scope in self._of_service(service).partial(method, template):
            if len(self._partial) < NOTES_MAX:
                text = (
                    f"the rule {scope.rule.label}: its path {scope.rule.path} has no effect on {Method(method).name}"
                    f" {template}, since that is one route of {service} for more than this path: it must offer the path"
                    " by itself"
                )
                self._partial.setdefault(scope.at, text)

    def _noter(self, service: str, route: str) -> "Note":
        def note(rule: Rule, what: str, why: str) -> None:
            if len(self._notes) < NOTES_MAX:
                text = f"the rule {rule.label}: its {what} has no effect on {route}, since {why}"
                self._notes.setdefault((rule.origin, what, service), text)

        return note


Note = Callable[[Rule, str, str], None]
"""(rule, what it says, why that has no effect)."""


class _Join:
    """Joins what is declared and the rules of one route; notes down what has no effect, and who said the rest."""

    def __init__(self, declared: Sequence[_Facts], rules: Sequence[Rule], undeclared: Access, note: Note) -> None:
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


def _facts(service: str, offer: "Offer") -> _Facts:
    declared = offer.declared
    return _Facts(
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
