"""Rules: what services declare and what the configuration says of routes become each route's policy.

    who may ask      the strictest that any version of the service declares, and rules only make it stricter; where
                     none of them declares anything, rules decide, and else ``identity.undeclared``
    claims, limits   all of them hold, of whomever they are
    deadline, body   the least
    all else         the last rule that says anything

A rule that would loosen what a service declared has no effect on that, and a note tells so. A rule holds for whole
routes: where its path is but a part of what a template matches, and it holds for no other route, a note tells so, too.

Routes of which the same is declared and for which the same rules hold have one policy.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from frames.frame import Method
from proxy.request.route_policy import Access, RoutePolicy

if TYPE_CHECKING:
    from proxy.config.rule import Rule
    from proxy.request.offer import Offer
    from proxy.route.policy_join import Facts, Note
    from proxy.route.rule_scopes import RulesOfService, Scope

POLICIES_REMEMBERED_MAX: Final = 4_096
TEMPLATES_REMEMBERED_MAX: Final = 16_384
"""Of those that were looked at for rules that hold for a part of them: each is, once."""
NOTES_MAX: Final = 256
"""As many as somebody may read; each is told once."""


class Policies:
    """Makes the policies of routes, by one set of rules."""

    def __init__(self, rules: "Iterable[Rule]" = (), *, undeclared: Access = Access.AUTHENTICATED) -> None:
        """rules: in their order; undeclared: who may ask where neither service nor rules say anything."""
        self._scopes = _scopes_of(tuple(rules))
        self._undeclared = undeclared
        self._by_service: dict[str, RulesOfService] = {}
        self._made: dict[tuple[str, tuple[int, ...], frozenset[Facts]], RoutePolicy] = {}
        self._notes: dict[tuple[object, ...], str] = {}
        self._partial: dict[int, str] = {}
        self._held: set[int] = set()
        self._looked: set[tuple[str, int, str]] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """Which rules have no effect where somebody might think so, one line each, since the beginning."""
        return (*self._notes.values(), *(text for at, text in self._partial.items() if at not in self._held))

    def rules_of(self, service: str, method: int, template: str) -> "tuple[Rule, ...]":
        """Return the rules that hold for a route, in their order."""
        return tuple(scope.rule for scope in self._hold(service, method, template))

    def policy_of(self, service: str, method: int, template: str, offers: "Sequence[Offer]") -> RoutePolicy:
        """Return the policy of a route. offers: of all its instances, in all versions."""
        from proxy.route.policy_join import Join, facts_of

        scopes = self._hold(service, method, template)
        if self._scopes and "{" in template and (service, method, template) not in self._looked:
            self._note_partial(service, method, template)
        facts = frozenset(facts_of(service, offer) for offer in offers)
        key = (service, tuple(scope.at for scope in scopes), facts)
        policy = self._made.get(key)
        if policy is None:
            if len(self._made) >= POLICIES_REMEMBERED_MAX:
                self._made.clear()
            route = f"{Method(method).name} {template}"
            join = Join(
                sorted(facts, key=repr), [scope.rule for scope in scopes], self._undeclared, self._noter(service, route)
            )
            policy = self._made[key] = join.policy()
            self._held.update(key[1])
        return policy

    def _hold(self, service: str, method: int, template: str) -> "list[Scope]":
        return self._of_service(service).holding(method, template) if self._scopes else []

    def _of_service(self, service: str) -> "RulesOfService":
        from proxy.route.rule_scopes import RulesOfService

        scopes = self._by_service.get(service)
        if scopes is None:
            mine = [scope for scope in self._scopes if scope.rule.service in (None, service)]
            scopes = self._by_service[service] = RulesOfService(mine)
        return scopes

    def _note_partial(self, service: str, method: int, template: str) -> None:
        if len(self._looked) >= TEMPLATES_REMEMBERED_MAX:
            self._looked.clear()
        self._looked.add((service, method, template))
        for scope in self._of_service(service).partial(method, template):
            if len(self._partial) < NOTES_MAX:
                text = (
                    f"the rule {scope.rule.label}: its path {scope.rule.path} has no effect on {Method(method).name}"
                    f" {template}, since that is one route of {service} for more than this path: it must offer the path"
                    " by itself"
                )
                self._partial.setdefault(scope.at, text)

    def _noter(self, service: str, route: str) -> "Note":
        def note(rule: "Rule", what: str, why: str) -> None:
            if len(self._notes) < NOTES_MAX:
                text = f"the rule {rule.label}: its {what} has no effect on {route}, since {why}"
                self._notes.setdefault((rule.origin, what, service), text)

        return note


def _scopes_of(rules: "tuple[Rule, ...]") -> "list[Scope]":
    if not rules:
        return []
    from proxy.route.rule_scopes import scopes_of

    return scopes_of(rules)
