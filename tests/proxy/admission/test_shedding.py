"""Shedding: how much is refused, of what, and that it ends when nothing is short any more."""

from collections import Counter
from random import Random

import pytest
from request_fields import Fields
from route_support import NO_SNAPSHOT

from proxy.admission.pressure import LOOKS, SHARE_MAX, Lateness, Portions, scaled
from proxy.admission.priority import Priority
from proxy.admission.shedding import Shedding, Short, Thresholds, make_shed, resident_bytes
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.stage import Answer


@pytest.mark.parametrize(
    ("used", "share"), [(0, 0), (99, 0), (100, 0), (105, 1.5), (110, 3), (500, 3), (101, pytest.approx(0.3))]
)
def test_an_amount_sheds_by_how_far_it_is_above_its_threshold(used: float, share: float) -> None:
    assert scaled(used, 100, 110) == share


def test_being_late_once_sheds_nothing() -> None:
    lateness = Lateness()
    for delay_s in (0.0, 5.0, 0.0, 0.0, 5.0, 5.0, 0.0, 5.0):
        lateness.take(delay_s, 0.2)
        assert lateness.share == 0


def test_being_late_for_long_sheds_more_and_more_and_then_less_and_less() -> None:
    lateness, shares = Lateness(), []
    for _ in range(30):
        lateness.take(0.5, 0.2)
        shares.append(lateness.share)
    assert shares[: LOOKS - 1] == [0] * (LOOKS - 1)
    assert shares == sorted(shares)
    assert shares[-1] == SHARE_MAX
    lateness.take(0.19, 0.2)  # nearly too late: as it is
    assert lateness.share == SHARE_MAX
    for _ in range(100):
        lateness.take(0.0, 0.2)
    assert lateness.share == 0


@pytest.mark.parametrize(
    ("share", "shed"),
    [
        (0.0, [0, 0, 0, 0]),
        (0.25, [0, 0, 0, 25]),
        (1.0, [0, 0, 0, 100]),
        (1.1, [0, 0, 10, 100]),
        (2.5, [0, 50, 100, 100]),
        (3.0, [0, 100, 100, 100]),
    ],
)
def test_what_matters_least_is_shed_first_and_what_is_critical_never(share: float, shed: list[int]) -> None:
    portions = Portions()
    assert [sum(portions.is_shed(share, priority) for _ in range(100)) for priority in Priority] == shed


@pytest.mark.parametrize("seed", range(10))
def test_a_part_is_exact_however_the_share_moves(seed: int) -> None:
    random, portions = Random(seed), Portions()
    asked, shed, owed = Counter[Priority](), Counter[Priority](), Counter[Priority]()
    share = 1.5
    for _ in range(5_000):
        share = max(0.0, min(SHARE_MAX, share + random.uniform(-0.1, 0.1)))
        priority = random.choice(list(Priority))
        asked[priority] += 1
        shed[priority] += portions.is_shed(share, priority)
        owed[priority] += max(0.0, min(1.0, share - (Priority.LOW - priority)))  # type: ignore[assignment]
    for priority in Priority:
        assert abs(shed[priority] - owed[priority]) <= 1.001
    assert not shed[Priority.CRITICAL]


class Machine:
    """What is used, as it is told to be."""

    def __init__(self, *, queue_delay_s: float = 0.2, memory_bytes: int = 1_000) -> None:
        self.held = 0
        self.memory = 0
        thresholds = Thresholds(
            queue_delay_s=queue_delay_s, memory_bytes=memory_bytes, bytes_threshold=90, bytes_max=100
        )
        self.shedding = Shedding(thresholds, lambda: self.held, lambda: self.memory)
        self.priority = Priority.LOW
        self.shed = make_shed(self.shedding, lambda exchange: self.priority)

    def look(self, delay_s: float = 0.0, times: int = 1) -> None:
        for _ in range(times):
            self.shedding.look(delay_s)

    def ask(self, *, flags: int = 0) -> str:
        exchange = Exchange(Fields(), NO_SNAPSHOT)
        exchange.begin(1, 1, flags, b"/things", NO_SNAPSHOT)
        result = self.shed(exchange)
        if result is None:
            return "goes on"
        assert isinstance(result, Answer)
        assert (result.reason.status, result.retry_after_s) == (503, 2)
        return result.reason.code


def test_nothing_is_shed_while_nothing_is_short() -> None:
    machine = Machine()
    machine.look(0.1, times=20)
    assert (machine.shedding.is_on, machine.shedding.holds_connections) == (False, False)
    assert machine.ask() == "goes on"


def test_memory_is_shed_for_and_no_connection_accepted() -> None:
    machine = Machine()
    machine.memory = 1_050
    machine.look()
    assert machine.shedding.is_on
    assert machine.shedding.holds_connections
    assert machine.ask() == "shed_memory"
    machine.priority = Priority.CRITICAL
    assert machine.ask() == "goes on"
    machine.memory = 900
    machine.look()
    assert not machine.shedding.is_on
    assert machine.shedding.shed[Short.MEMORY] == 1


def test_lateness_is_shed_for() -> None:
    machine = Machine()
    machine.look(0.3, times=8)
    assert machine.ask() == "shed_queue_delay"
    assert machine.shedding.holds_connections


def test_bytes_are_shed_for_where_a_body_is_to_come_and_nowhere_else() -> None:
    machine = Machine()
    machine.held = 100
    machine.look()
    assert machine.ask() == "goes on"
    assert machine.ask(flags=NEEDS_TASK) == "shed_bytes"
    assert not machine.shedding.holds_connections
    assert machine.shedding.shed == {Short.QUEUE_DELAY: 0, Short.MEMORY: 0, Short.BYTES: 1}


def test_what_is_not_configured_is_not_shed_for() -> None:
    machine = Machine(queue_delay_s=0.0, memory_bytes=0)
    machine.memory = 1 << 40
    machine.look(60.0, times=20)
    assert not machine.shedding.is_on


def test_a_request_is_shed_for_one_thing_only() -> None:
    machine = Machine()
    machine.memory, machine.held = 2_000, 100
    machine.look(1.0, times=20)
    for _ in range(10):
        assert machine.ask(flags=NEEDS_TASK).startswith("shed_")
    assert sum(machine.shedding.shed.values()) == 10


def test_this_process_has_memory() -> None:
    assert resident_bytes() > 1 << 20
