"""The batch: each event and each request reaches whom it is for, events first. Transcript: event in, calls out."""

from collections.abc import Iterator
from typing import Any

import pytest

from frames.frame import FrameType, Method
from frames.wire_values import Event, EventKind, Request
from proxy.gateway.batch import make_decide

ARENA = b"0123456789/path"


class Recorder:
    """Stands for one of the parts: keeps what is called, and fails where it is told to."""

    def __init__(self, name: str, calls: list[tuple[Any, ...]], fails_at: str | None, *, is_its: bool = False) -> None:
        self.name = name
        self.calls = calls
        self.fails_at = fails_at
        self.is_its = is_its

    def ids(self, exchange: int) -> dict[str, str]:
        """Only looked at, for the log."""
        return {}

    def __getattr__(self, method: str) -> Any:
        called = f"{self.name}.{method}"

        def call(*arguments: Any) -> bool:
            self.calls.append((called, *arguments))
            if called == self.fails_at:
                raise LookupError("a bug of ours")
            return self.is_its

        return call


def event(kind: int, **values: int) -> Event:
    row = dict.fromkeys(("exchange", "connection", "kind", "detail", "flags", "at", "bytes", "a", "b", "c", "d"), 0)
    return tuple({**row, "kind": kind, **values}.values())  # type: ignore[return-value]


def decide(
    *events: Event,
    requests: tuple[Request, ...] = (),
    fails_at: str | None = None,
    waits: bool = False,
    is_own: bool = False,
) -> list[tuple[Any, ...]]:
    """waits: the exchanges are with the task lane; is_own: the gateway itself has begun exchange 1."""
    calls: list[tuple[Any, ...]] = []
    lane: Any = Recorder("lane", calls, fails_at)
    waiting: Any = Recorder("waiting", calls, fails_at, is_its=waits)
    transport: Any = Recorder("transport", calls, fails_at)

    def of_step() -> Iterator[Request]:
        return iter(requests)

    tls: Any = Recorder("tls", calls, fails_at)
    own: Any = Recorder("own", calls, fails_at)
    own.takers = {1: own.taken} if is_own else {}
    make_decide(lane, waiting, transport, ARENA, of_step, own, tls)(iter(events))
    return calls


RECEIVED, TLS_CLOSED = (event(kind, connection=2) for kind in (EventKind.TLS_INPUT, EventKind.TLS_CLOSED))
STREAMED = event(EventKind.STREAM, exchange=1, connection=2, detail=FrameType.DATA, at=3, bytes=4)

ANSWERED = event(EventKind.ANSWERED, exchange=1, connection=2, detail=503, at=3, bytes=4)

EXPIRED = event(EventKind.EXPIRED, exchange=1)
LOST = event(EventKind.LOST, exchange=1, connection=2, detail=1)
REFUSED = event(EventKind.REFUSED, exchange=1, connection=2, detail=3, a=4)
BAD_RESPONSE = event(EventKind.BAD_RESPONSE, exchange=1, connection=2, detail=3)

TRANSCRIPT: list[tuple[Event, list[tuple[Any, ...]]]] = [
    (event(EventKind.BAD_REQUEST, exchange=1, detail=11, flags=1), [("lane.refuse", 1, 11)]),
    (event(EventKind.CLIENT_GONE, exchange=1), [("lane.client_gone", 1)]),
    (EXPIRED, [("lane.expired", EXPIRED)]),
    (LOST, [("waiting.lost", 1), ("lane.lost", LOST)]),
    (REFUSED, [("waiting.refused", 1, 3, 4), ("lane.refused", REFUSED)]),
    (BAD_RESPONSE, [("lane.bad_response", BAD_RESPONSE)]),
    (ANSWERED, [("lane.answered", ANSWERED)]),
    (event(EventKind.FRAMED_OPENED, connection=2), [("transport.opened", 2)]),
    (
        event(EventKind.FRAMED_CLOSED, connection=2, detail=3, flags=4),
        [("waiting.dropped", 2), ("transport.closed", 2, 3, 4)],
    ),
    (event(EventKind.FRAMED_ROOM, connection=2), [("waiting.room", 2), ("own.room", 2)]),
    (STREAMED, [("waiting.stream", STREAMED)]),
    (
        event(EventKind.FRAME, exchange=1, connection=2, detail=FrameType.DATA, flags=1, at=3, bytes=4),
        [("transport.frame", 2, 1, FrameType.DATA, 1, b"3456")],
    ),
    (
        event(EventKind.CALL, exchange=1, connection=2, detail=9, flags=Method.GET | 1 << 8 | 1 << 16, at=3, bytes=4),
        [("transport.call", 2, 1, 1, b"3456")],
    ),
    (RECEIVED, [("tls.received", RECEIVED)]),
    (TLS_CLOSED, [("tls.closed", TLS_CLOSED)]),
]
IDS = [EventKind(given[2]).name for given, _ in TRANSCRIPT]
OURS = {
    EventKind.BAD_REQUEST,
    EventKind.CLIENT_GONE,
    EventKind.EXPIRED,
    EventKind.LOST,
    EventKind.REFUSED,
    EventKind.BAD_RESPONSE,
    EventKind.ANSWERED,
}
"""Events about an exchange that somebody waits for."""


@pytest.mark.parametrize(("given", "called"), TRANSCRIPT, ids=IDS)
def test_each_kind_of_event(given: Event, called: list[tuple[Any, ...]]) -> None:
    assert decide(given) == called


@pytest.mark.parametrize("kind", [EventKind.LOST, EventKind.REFUSED])
def test_what_the_task_lane_carries_is_not_for_the_express_lane(kind: EventKind) -> None:
    called = decide(event(kind, exchange=1), waits=True)
    assert [call[0] for call in called] == [f"waiting.{kind.name.lower()}"]


TAKEN = [
    *(EventKind.LOST, EventKind.REFUSED, EventKind.STREAM),
    *(EventKind.CLIENT_GONE, EventKind.EXPIRED, EventKind.ANSWERED),
]


@pytest.mark.parametrize("kind", TAKEN)
def test_what_the_gateway_has_begun_or_parked_is_for_nobody_else(kind: EventKind) -> None:
    given = event(kind, exchange=1)
    assert decide(given, is_own=True) == [("own.taken", given)]


def test_every_kind_has_a_line_here() -> None:
    assert {given[2] for given, _ in TRANSCRIPT} == set(EventKind)


def test_a_request_comes_with_its_path() -> None:
    assert decide(requests=((7, 10, 5, Method.GET, 2),)) == [("lane.begin", 7, Method.GET, 2, b"/path")]


def test_events_come_before_requests_and_each_in_order() -> None:
    lost = event(EventKind.LOST, exchange=1)
    calls = decide(
        lost,
        event(EventKind.FRAMED_CLOSED, connection=2),
        requests=((7, 10, 5, Method.GET, 0), (8, 10, 1, Method.PUT, 0)),
    )
    assert [call[:2] for call in calls] == [
        ("waiting.lost", 1),
        ("lane.lost", lost),
        ("waiting.dropped", 2),
        ("transport.closed", 2),
        ("lane.begin", 7),
        ("lane.begin", 8),
    ]


def test_trouble_with_one_event_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    calls = decide(
        event(EventKind.FRAME, connection=1),
        event(EventKind.FRAME, connection=2),
        event(99),
        event(EventKind.LOST, exchange=1),
        requests=((7, 10, 5, Method.GET, 0),),
        fails_at="transport.frame",
    )
    assert [call[0] for call in calls] == [
        "transport.frame",
        "transport.frame",
        "waiting.lost",
        "lane.lost",
        "lane.begin",
    ]
    assert caplog.records
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(("given", "called"), TRANSCRIPT, ids=IDS)
def test_trouble_with_an_event_of_an_exchange_leaves_no_client_waiting(
    given: Event, called: list[tuple[Any, ...]]
) -> None:
    given_up = [("lane.give_up", 1)] if given[2] in OURS else []
    for count, (failing, *_) in enumerate(called, 1):
        assert decide(given, fails_at=failing) == called[:count] + given_up


def test_nothing_is_nothing() -> None:
    assert decide() == []
