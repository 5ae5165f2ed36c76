"""The batch: each event and each request reaches whom it is for, events first. Transcript: event in, calls out."""

from collections.abc import Iterator
from typing import Any

import pytest

from frames.frame import FrameType, Method
from frames.wire import Event, EventKind, Request
from proxy.batch import make_decide

ARENA = b"0123456789/path"


class Recorder:
    """Stands for the lane and for the transport: keeps what is called, and fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails_at: str | None = None

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> None:
            self.calls.append((name, *arguments))
            if name == self.fails_at:
                raise LookupError("a bug of ours")

        return call


def event(kind: int, **values: int) -> Event:
    row = dict.fromkeys(("exchange", "connection", "kind", "detail", "flags", "at", "bytes", "a", "b", "c", "d"), 0)
    return tuple({**row, "kind": kind, **values}.values())  # type: ignore[return-value]


def decide(*events: Event, requests: tuple[Request, ...] = (), fails_at: str | None = None) -> list[tuple[Any, ...]]:
    recorder: Any = Recorder()
    recorder.fails_at = fails_at

    def of_step() -> Iterator[Request]:
        return iter(requests)

    make_decide(recorder, recorder, ARENA, of_step)(iter(events))
    calls: list[tuple[Any, ...]] = recorder.calls
    return calls


TRANSCRIPT = [
    (event(EventKind.BAD_REQUEST, exchange=1, detail=11, flags=1), ("refuse", 1, 11)),
    (event(EventKind.CLIENT_GONE, exchange=1), ("client_gone", 1)),
    (event(EventKind.EXPIRED, exchange=1), ("expired", 1)),
    (event(EventKind.LOST, exchange=1, connection=2, detail=1), ("lost", 1)),
    (event(EventKind.REFUSED, exchange=1, connection=2, detail=3, a=4), ("refused", 1, 3, 4)),
    (event(EventKind.BAD_RESPONSE, exchange=1, connection=2, detail=3), ("bad_response", 1, 3, 2)),
    (event(EventKind.FRAMED_OPENED, connection=2), ("opened", 2)),
    (event(EventKind.FRAMED_CLOSED, connection=2, detail=3, flags=4), ("closed", 2, 3, 4)),
    (
        event(EventKind.FRAME, exchange=1, connection=2, detail=FrameType.DATA, flags=1, at=3, bytes=4),
        ("frame", 2, 1, FrameType.DATA, 1, b"3456"),
    ),
    (
        event(EventKind.CALL, exchange=1, connection=2, detail=9, flags=Method.GET | 1 << 8 | 1 << 16, at=3, bytes=4),
        ("call", 2, 1, 1),
    ),
]


@pytest.mark.parametrize(("given", "called"), TRANSCRIPT, ids=[EventKind(given[2]).name for given, _ in TRANSCRIPT])
def test_each_kind_of_event(given: Event, called: tuple[Any, ...]) -> None:
    assert decide(given) == [called]


def test_every_kind_has_a_line_here() -> None:
    assert {given[2] for given, _ in TRANSCRIPT} == set(EventKind)


def test_a_request_comes_with_its_path() -> None:
    assert decide(requests=((7, 10, 5, Method.GET, 2),)) == [("begin", 7, Method.GET, 2, b"/path")]


def test_events_come_before_requests_and_each_in_order() -> None:
    calls = decide(
        event(EventKind.LOST, exchange=1),
        event(EventKind.FRAMED_CLOSED, connection=2),
        requests=((7, 10, 5, Method.GET, 0), (8, 10, 1, Method.PUT, 0)),
    )
    assert [call[:2] for call in calls] == [("lost", 1), ("closed", 2), ("begin", 7), ("begin", 8)]


def test_trouble_with_one_event_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    calls = decide(
        event(EventKind.FRAME, connection=1),
        event(EventKind.FRAME, connection=2),
        event(99),
        event(EventKind.LOST, exchange=1),
        requests=((7, 10, 5, Method.GET, 0),),
        fails_at="frame",
    )
    assert [call[0] for call in calls] == ["frame", "frame", "lost", "begin"]
    assert caplog.records
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(("given", "called"), TRANSCRIPT, ids=[EventKind(given[2]).name for given, _ in TRANSCRIPT])
def test_trouble_with_an_event_of_an_exchange_leaves_no_client_waiting(given: Event, called: tuple[Any, ...]) -> None:
    is_ours = called[0] not in {"opened", "closed", "frame", "call"}
    assert decide(given, fails_at=called[0]) == [called, *([("give_up", 1)] if is_ours else [])]


def test_nothing_is_nothing() -> None:
    assert decide() == []
