"""A connection of the open loop: what it sends, and what it makes of answers, over a socket pair of this process."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from geventhttpclient.useragent import RetriesExceeded
from loadtests.client.asked import (
    Asked,
    UnexpectedStatusError,
    UnfinishedError,
    WrongAnswerError,
    context_of,
    outcome_of,
)
from loadtests.client.edge_link import EdgeLink, Mix
from loadtests.client.tally import UNFINISHED, Outcome
from loadtests.shape.document import RequestWords

from proxy.loading.sockets import Place

READ = RequestWords(request="GET /items/7")
ADD = RequestWords(request="POST /items", body='{"a": 1}', tenant="acme", weight=3)


@pytest.fixture
def dial() -> Iterator[Callable[[], "Dialled"]]:
    """Dials a server of this process, once for each call."""
    dialled: list[Dialled] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield lambda: dialled.append(Dialled(listening)) or dialled[-1]  # type: ignore[func-returns-value]
    for each in dialled:
        each.link.close()
        each.server.close()


class Dialled:
    """A link, and the server's end of it."""

    def __init__(self, listening: socket.socket) -> None:
        self.told: list[Outcome] = []
        place = Place(socket.AF_INET, listening.getsockname(), "here")
        self.link = EdgeLink(place, Mix([READ], "here", "", prefix="run", seed=1), self.told.append)
        self.server, _ = listening.accept()
        self.server.settimeout(5)
        self.link.ready()

    def ask(self) -> bytes:
        self.link.begin(0, 1_000)
        return self.server.recv(65_536)

    def answer(self, data: bytes) -> None:
        self.server.sendall(data)
        self.until(lambda: bool(self.told))

    def end(self) -> None:
        self.server.close()
        self.until(lambda: self.link.is_lost)

    def until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(500):
            self.link.ready()
            if is_so():
                return
            time.sleep(0.001)
        raise AssertionError("nothing came")


def test_requests_are_drawn_by_weight_and_named_one_by_one() -> None:
    mix = Mix([READ, ADD], "host:1", "secret", prefix="run", seed=1)
    drawn = [mix.next() for _ in range(4_000)]
    assert len({name for _, name, _ in drawn}) == 4_000
    assert 2_800 < sum(request is ADD for request, _, _ in drawn) < 3_200
    request, name, data = next(each for each in drawn if each[0] is ADD)
    assert data.startswith(b"POST /items HTTP/1.1\r\nHost: host:1\r\n")
    assert f"x-correlation-id: {name}\r\n".encode() in data
    assert b"x-tenant-id: acme\r\nauthorization: Bearer secret\r\n\r\n" in data
    assert data.endswith(request.body.encode())


def test_an_answer_is_told_with_its_reason_and_both_times(dial: Callable[[], Dialled]) -> None:
    dialled = dial()
    assert dialled.ask().startswith(b"GET /items/7 HTTP/1.1\r\n")
    dialled.answer(b"HTTP/1.1 503 Unavailable\r\nX-Penstock-Reason: no_instance\r\ncontent-length: 2\r\n\r\n{}")
    (outcome,) = dialled.told
    assert (outcome.status, outcome.reason, outcome.failure, outcome.is_expected) == (503, "no_instance", "", False)
    assert outcome.took_us == outcome.service_us + 1_000  # it was due 1 ms before it was sent
    assert dialled.link.room == 1
    dialled.ask()
    dialled.told.clear()
    dialled.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert (dialled.told[0].status, dialled.told[0].reason, dialled.told[0].is_expected) == (200, "", True)


def test_a_connection_that_ends_before_the_answer_is_a_failure(dial: Callable[[], Dialled]) -> None:
    dialled = dial()
    dialled.ask()
    dialled.end()
    (outcome,) = dialled.told
    assert (outcome.status, outcome.failure) == (0, "the connection ended before the answer")
    assert not outcome.is_expected


def test_what_is_late_is_given_up_and_what_is_cut_short_is_unfinished(dial: Callable[[], Dialled]) -> None:
    late = dial()
    late.ask()
    assert late.link.tick(10_000, 1)[0].why == "timeout"
    assert late.told[0].failure == "timeout"
    short = dial()
    short.ask()
    short.link.close()
    assert short.told[0].failure == UNFINISHED
    idle = dial()
    idle.link.close()
    assert idle.told == []


def test_what_is_no_http_is_said(dial: Callable[[], Dialled]) -> None:
    dialled = dial()
    dialled.ask()
    dialled.answer(b"220 ready\r\n\r\n")
    assert dialled.told[0].failure.startswith("no answer of HTTP/1.1: ")


# ---- requests of Locust's users ----


def told(asked: Asked, error: Exception | None = None, expect: tuple[int, ...] = (200,)) -> Outcome:
    return outcome_of("GET /x", 12.3456, asked, error, context_of("http_edge", "id-1", expect, True, asked))


def test_an_answer_of_a_user_is_counted_by_status_and_reason() -> None:
    asked = Asked("id-1")
    asked.answered(429, {"x-penstock-reason": "rate_limited"})
    outcome = told(asked, UnexpectedStatusError("status 429"))
    assert (outcome.status, outcome.reason, outcome.failure, outcome.is_expected) == (429, "rate_limited", "", False)
    assert (outcome.user, outcome.correlation_id, outcome.took_us) == ("http_edge", "id-1", 12_346)
    assert told(asked, None, expect=(200, 429)).is_expected


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError(), "timeout"),
        (RetriesExceeded("http://127.0.0.1/", 0, original=TimeoutError("timed out")), "timeout"),
        (WrongAnswerError("the digest is another one"), "the digest is another one"),
        (UnfinishedError(), UNFINISHED),
        (ValueError("x" * 500), ("ValueError: " + "x" * 500)[:120]),
    ],
)
def test_a_failure_of_a_user_is_told_in_few_words(error: Exception, said: str) -> None:
    asked = Asked("id-1")
    asked.answered(200, {})
    outcome = told(asked, error)
    assert (outcome.status, outcome.failure, outcome.is_expected) == (0, said, False)


def test_who_goes_away_on_purpose_has_expected_it() -> None:
    asked = Asked("id-1")
    asked.go_away("the client went away")
    assert told(asked, WrongAnswerError(asked.failure)).is_expected
    asked.comes_back()
    assert not told(asked).is_expected
    assert told(asked).failure == "no answer"
