"""The budgets of all services: one for each, made when its first request fails."""

from collections.abc import Callable, Iterable, Iterator

from proxy.attempts.budget import AttemptBudget, BudgetTerms


class AttemptBudgets:
    """By service. Retries and hedges take from the same one."""

    def __init__(
        self,
        terms: BudgetTerms,
        requests_of: Callable[[str], int],
        clock: Callable[[], float],
        marks: Callable[[str], Iterable[tuple[float, int]]] = lambda service: (),
    ) -> None:
        """requests_of: how many requests of a service were sent for the first time, ever; clock: in seconds.

        marks: moments not long ago, and how many there had been by then
        (`proxy.gateway.service_groups.RequestMarks`). The first failure may come after an hour without one, and only
        what came lately counts.
        """
        self._terms = terms
        self._requests_of = requests_of
        self._clock = clock
        self._marks = marks
        self._budgets: dict[str, AttemptBudget] = {}

    def take(self, service: str) -> bool:
        """Take a token for one more attempt at a service, made now or after a wait; False: there is none."""
        now = self._clock()
        return self._fed(service, now).take(now)

    def left(self, service: str) -> float:
        """Return how many tokens there are for a service."""
        now = self._clock()
        return self._fed(service, now).left(now)

    def change(self, terms: BudgetTerms) -> None:
        """Go on by other terms. Budgets begin anew where they are others."""
        if terms != self._terms:
            self._terms = terms
            self._budgets.clear()

    def __iter__(self) -> Iterator[str]:
        """The services of which a request has failed."""
        return iter(tuple(self._budgets))

    def _fed(self, service: str, now: float) -> AttemptBudget:
        budget = self._budgets.get(service)
        if budget is None:
            at, before = next(iter(self._marks(service)), (now, 0))
            budget = self._budgets[service] = AttemptBudget(self._terms, at, before)
        for at, before in self._marks(service):
            if at > budget.looked_at:
                budget.saw(at, before)
        budget.saw(now, self._requests_of(service))
        return budget
