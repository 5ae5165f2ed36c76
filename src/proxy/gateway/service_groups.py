"""Groups: the numbers by which the wire counts what is in flight, was asked and was answered of each service."""

from collections import deque
from collections.abc import Callable
from typing import Final

from frames.wire_values import GROUPS_MAX


class ServiceGroups:
    """Gives each service a number, and tells the wire which routes are of it.

    A service keeps its number when it goes, for it is likely to come again. What comes when all are taken is not
    counted: number 0.
    """

    def __init__(self, set_group: Callable[[int, int], object]) -> None:
        """set_group: lets a route (its index) count for a group."""
        self._set_group = set_group
        self._numbers: dict[str, int] = {}
        self._of_route: dict[int, int] = {}

    def number(self, service: str) -> int:
        """Return the number of a service, 1 to 4,095, or 0."""
        number = self._numbers.get(service)
        if number is None:
            number = len(self._numbers) + 1
            if number >= GROUPS_MAX:
                return 0
            self._numbers[service] = number
        return number

    def enter(self, route: int, service: str) -> int:
        """Let a route count for its service from now on; return the service's number."""
        number = self.number(service)
        if self._of_route.get(route, 0) != number:
            self._of_route[route] = number
            self._set_group(route, number)
        return number

    def services(self) -> dict[str, int]:
        """Return the number of each service that has one."""
        return dict(self._numbers)


MARK_S: Final = 5.0
MARKS: Final = 3
"""Together they reach back as long as the budget of retries looks, by default, and a little more."""

Mark = tuple[float, int]
"""A moment, and how many requests there had been by then."""


class RequestMarks:
    """How many requests each service had been sent by some moments not long ago: for who counts by time."""

    def __init__(self, groups: ServiceGroups, requests_of: Callable[[int], int]) -> None:
        """requests_of: of a number, ever."""
        self._groups = groups
        self._requests_of = requests_of
        self._marks: deque[tuple[float, dict[str, int]]] = deque(maxlen=MARKS)

    def tick(self, now: float) -> None:
        """Make a mark, if it is time for one. now: in seconds; time begins with the first tick."""
        if not self._marks or now - self._marks[-1][0] >= MARK_S:
            counts = {service: self._requests_of(number) for service, number in self._groups.services().items()}
            self._marks.append((now, counts))

    def of(self, service: str) -> list[Mark]:
        """Return the marks of a service, the oldest first."""
        return [(at, counts.get(service, 0)) for at, counts in self._marks]
