"""The closed loop: users of Locust, as many as the shape says, each waiting for its answers.

Locust runs here as a library. What it adds up itself is left out, since everything is counted by `tally`; users notice
nothing of that, and run under plain `locust -f` as well.
"""

import importlib
import inspect
import logging
import signal
import time
from typing import Any, Final

import gevent
import gevent.event
from locust import LoadTestShape, User, events
from locust.env import Environment
from locust.event import EventHook, Events

from loadtests.order import Order, Said
from loadtests.record import Phase
from loadtests.shape import Shape, ShapeError

from .asked import outcome_of
from .tally import Tally
from .target import Target, TargetError, use
from .telling import Telling
from .tls import check

STEP_S: Final = 0.1
SPAWN_PER_S: Final = 100
STOP_S: Final = 10.0
"""How long a user that is stopped may take to end what it does."""


class PhasedShape(LoadTestShape):
    """A shape of ours as one of Locust's: how many users of which kinds there are now."""

    def __init__(self, shape: Shape, phases: list[Phase], classes: list[type[User]], factor: float = 1.0) -> None:
        """phases: of a run; classes: of its users; factor: of their number."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = shape
        self._phases = phases
        self._classes = classes
        self._factor = factor

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Return number, users that may start in a second, and classes; None at the end."""
        return self.wanted(self.get_run_time())  # type: ignore[no-untyped-call]

    def wanted(self, at_s: float) -> tuple[int, float, list[type[User]]] | None:
        """Return what is wanted at a moment of the run."""
        phase = next((phase for phase in self._phases if phase.begin_s <= at_s < phase.end_s), None)
        if phase is None:
            return None
        kinds = self._shape.part(phase.name).kinds
        classes = [each for each in self._classes if not kinds or kind_of(each) in kinds]
        level = self._shape.level(self._phases, at_s) * self._factor
        count = max(round(level), 1) if level else 0
        return count, float(max(count, SPAWN_PER_S)), classes


def kind_of(user_class: type[User]) -> str:
    """Return which kind of user a class is."""
    return getattr(user_class, "kind", "") or user_class.__module__.rpartition(".")[2]


def load_users(weights: dict[str, float]) -> list[type[User]]:
    """Return the classes of some kinds of users, with their weights. Raises `ShapeError`."""
    found: list[type[User]] = []
    for name, weight in weights.items():
        module = importlib.import_module(f"loadtests.users.{name}")
        classes = [
            each
            for each in vars(module).values()
            if inspect.isclass(each) and issubclass(each, User) and each.__module__ == module.__name__
        ]
        if not classes:
            raise ShapeError(f"loadtests/users/{name}.py has no class of users; copy http_edge.py")
        for each in classes:
            each.weight = weight
        found += classes
    return found


def check_places(classes: list[type[User]], target: Target) -> None:
    """See that the users have somewhere to go, before any begins. Raises `TargetError`."""
    places = {getattr(each, "goes_to", "edge"): kind_of(each) for each in classes}
    for place, (option, why) in _OPTIONS.items():
        if place in places and getattr(target, place) is None:
            raise TargetError(
                f"users of the kind {places[place]} have nowhere to go, since nobody said where {why}; "
                f"give {option}, or a --shape without them"
            )
    if "tls_edge" in places:
        check(target)


_OPTIONS: Final = {
    "services": ("--services HOST:PORT", "services connect to"),
    "tls_edge": ("--tls-edge HOST:PORT (for a stand: `tls: true` in its plan)", "the edge speaks TLS"),
}


class ClosedLoop:
    """One run."""

    def __init__(self, order: Order, shape: Shape, telling: Telling) -> None:
        """Make everything ready; nothing is sent yet. Raises `ShapeError` and `TargetError`."""
        target = Target(
            edge=order.edge,
            services=order.services,
            tls_edge=order.tls_edge,
            authority=order.authority,
            token=order.token,
            think_ms=shape.words.think_ms,
        )
        use(target)
        logging.getLogger("locust").setLevel(logging.ERROR)
        classes = load_users(order.users or shape.words.users)
        check_places(classes, target)
        self._order = order
        self._telling = telling
        self._tally = Tally()
        self._shape = PhasedShape(shape, order.phases, classes, order.rate_factor)
        self._environment = Environment(
            user_classes=classes, host=f"http://{order.edge}", events=_copy(events), stop_timeout=STOP_S
        )
        self._runner = self._environment.create_local_runner()
        self._environment.events.request = EventHook()  # without what adds Locust's own statistics up
        for listener in [self._count, *events.request._handlers]:
            self._environment.events.request.add_listener(listener)
        self._stop = gevent.event.Event()
        self._start_s = 0.0

    def run(self) -> None:
        """Run to the end of the last phase, or until a signal."""
        self._start_s = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._stop.set)
        closing = gevent.spawn(self._close_intervals)
        try:
            self._follow_shape()
        finally:
            self._runner.quit()
            closing.kill()
        self._close_interval()
        self._telling.say(Said(requests=self._tally.requests()))

    def _now(self) -> float:
        return time.monotonic() - self._start_s

    def _follow_shape(self) -> None:
        before: Any = None
        while (wanted := self._shape.wanted(self._now())) is not None:
            if wanted != before:
                count, a_second, classes = before = wanted
                self._runner.start(count, a_second, user_classes=classes)
            if self._stop.wait(STEP_S):
                break

    def _count(self, name: str, response_time: float, response: Any = None, context: Any = None, **more: Any) -> None:
        """Be told by Locust of a request that has ended."""
        outcome = outcome_of(name, response_time, response, more.get("exception"), context or {})
        notable = self._tally.count(outcome, self._now())
        if notable is not None:
            self._telling.say(Said(notable=notable))

    def _close_intervals(self) -> None:
        number = 1
        while True:
            gevent.sleep(max(0.0, number * self._order.interval_s - self._now()))
            self._close_interval()
            number = max(number + 1, int(self._now() / self._order.interval_s) + 1)

    def _close_interval(self) -> None:
        interval, slow = self._tally.close_interval(self._now(), self._runner.user_count)
        self._telling.say(Said(interval=interval))
        if slow is not None:
            self._telling.say(Said(notable=slow))


def _copy(registered: Events) -> Events:
    """Return events to which is listened as users' files have asked for when they were imported."""
    copied = Events()
    for name, hook in vars(registered).items():
        for listener in hook._handlers:
            getattr(copied, name).add_listener(listener)
    return copied
