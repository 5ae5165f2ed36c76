"""Stages in a row: each goes on or answers, and the first answer counts."""

from frames.frame import FieldId
from frames.wire import KnownName
from proxy.errors import NO_INSTANCE, NO_ROUTE
from proxy.exchange import Exchange
from proxy.route.table import RouteTable
from proxy.snapshot import Limits, Snapshot
from proxy.stage import Answer, Stage, run_stages

SNAPSHOT = Snapshot(RouteTable(), Limits())


class NoFields:
    def request_field(self, exchange: int, name: KnownName) -> bytes | None:
        raise AssertionError

    def set_context(self, exchange: int, field: FieldId, value: bytes) -> int:
        raise AssertionError


def begun() -> Exchange:
    exchange = Exchange(NoFields(), SNAPSHOT)
    exchange.begin(0xABC, 1, 2, b"/a", SNAPSHOT)
    return exchange


def test_stages_run_in_order_until_one_answers() -> None:
    ran: list[str] = []

    def stage(name: str, answer: Answer | None = None) -> Stage:
        def run(exchange: Exchange) -> Answer | None:
            ran.append(name)
            return answer

        return run

    stages = [stage("a"), stage("b", Answer(NO_ROUTE)), stage("c", Answer(NO_INSTANCE))]
    assert run_stages(stages, begun()) == Answer(NO_ROUTE)
    assert ran == ["a", "b"]


def test_no_answer_when_all_go_on() -> None:
    assert run_stages([lambda _: None, lambda _: None], begun()) is None
    assert run_stages([], begun()) is None


def test_an_exchange_that_begins_anew_is_another() -> None:
    exchange = begun()
    other = Snapshot(RouteTable(), Limits(), 9)
    exchange.begin(5, 3, 0, b"/b", other)
    assert (exchange.id, exchange.method, exchange.flags, exchange.path) == (5, 3, 0, b"/b")
    assert exchange.snapshot is other


def test_an_exchange_is_told_on_one_line() -> None:
    assert repr(begun()) == "<Exchange 0xabc method=1 flags=0x2 path=b'/a'>"
