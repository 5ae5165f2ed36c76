"""The generator as the runner starts it, against a whole stand: what it counts is what the gateway has counted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from free_port import free_port
from loadtests.client.tally import SLOW_USERS
from loadtests.order import Address, Order, Said
from loadtests.record import RequestCounts
from loadtests.shape import read
from loadtests.shape.document import known_users
from loadtests.stand.child import Keeper
from loadtests.stand.layout import make_layout
from loadtests.stand.metrics_page import gateway_sample
from loadtests.stand.stand import Stand

pytestmark = pytest.mark.slow

CLOSED = """
name: all
about: Every kind of user.
loop: closed
users: {%s}
think_ms: 10
phases:
  - {name: steady, lasts: 1, users: %d}
  - {name: rest, kind: quiet, lasts: 1s}
"""
BESIDE_HTTP = ("message of ", "TLS handshake")
OPEN = """
name: open
about: Requests when they are due.
loop: open
connections: 8
requests:
  - {request: GET /items/7, weight: 3}
  - {request: GET /none, expect: [404]}
phases:
  - {name: ramp, lasts: 1, from: 50, rate: 150}
  - {name: pause, kind: quiet, lasts: 500ms}
  - {name: again, lasts: 1, rate: 100}
  - {name: rest, kind: quiet, lasts: 500ms}
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    keeper = Keeper()
    layout = make_layout(
        tmp_path_factory.mktemp("stand"), workers=1, services={"steady": 1, "unruly": 1}, with_tls=True
    )
    made = Stand(layout, keeper)
    try:
        made.start()
        yield made
    finally:
        made.end()
        keeper.close()


class Generated:
    """A generator, and what it says."""

    def __init__(self, folder: Path, order: Order, *, ends_after: int = 0, loses_runner: bool = False) -> None:
        """ends_after: it is sent SIGTERM after so many intervals."""
        file = folder / "order.json"
        file.write_bytes(msgspec.json.encode(order))
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "loadtests.client", "--order", str(file), "--out", f"/dev/fd/{writing}"]
        self.said: list[Said] = []
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writing]) as process:
            os.close(writing)
            assert process.stdin is not None
            with os.fdopen(reading, "rb") as lines:
                for line in lines:
                    self.said.append(msgspec.json.decode(line, type=Said))
                    if self.said[-1].ready:
                        process.stdin.write(b"begin\n")
                        process.stdin.flush()
                    if ends_after and len(self.intervals) == ends_after:
                        process.send_signal(signal.SIGTERM)
                    if loses_runner and self.intervals:
                        process.stdin.close()
            process.stdin.close()
            self.exit_code = process.wait(20)

    @property
    def intervals(self) -> list[Said]:
        return [said for said in self.said if said.interval is not None]

    @property
    def requests(self) -> dict[str, RequestCounts]:
        told = self.said[-1].requests
        assert told is not None
        return {f"{counts.user} {counts.name}": counts for counts in told}


def order_of(stand: Stand, folder: Path, text: str, duration_s: float) -> Order:
    file = folder / "shape.yaml"
    file.write_text(text)
    return Order(
        edge=stand.layout.edge,
        services=stand.services_address,
        tls_edge=stand.tls_edge,
        authority=stand.authority,
        shape=str(file),
        users={},
        phases=read(file).phases(duration_s),
    )


def counted(stand: Stand) -> tuple[int, int]:
    """Requests and answers, as the gateway counts them."""
    sample = gateway_sample(stand.admin.ask("GET", "/metrics")[1].decode(), [], is_ready=True)
    return sample.requests_total, sample.answers_total


def test_all_kinds_of_users_are_counted_as_the_gateway_counts_them(stand: Stand, tmp_path: Path) -> None:
    kinds = known_users()
    before = counted(stand)
    text = CLOSED % (", ".join(f"{kind}: 1" for kind in kinds), len(kinds))
    made = Generated(tmp_path, order_of(stand, tmp_path, text, 3.0))
    after = counted(stand)
    assert made.exit_code == 0
    counts = list(made.requests.values())
    assert {each.user for each in counts} == set(kinds)
    for each in counts:
        assert each.sent == sum(each.statuses.values()) + sum(each.failures.values()) + each.unfinished
        assert each.failures == each.expected_failures, each.name
        assert each.unfinished == 0
    over_http = [each for each in counts if each.user != "framed" and not each.name.startswith(BESIDE_HTTP)]
    assert after[0] - before[0] == sum(each.sent for each in over_http) + 1  # and its probe
    express = [each for each in over_http if each.counted_at_gateway]
    answered = sum(sum(each.statuses.values()) for each in express) + 1
    gone = sum(sum(each.failures.values()) for each in express)  # a gateway that hears late of it may have answered
    assert answered <= after[1] - before[1] <= answered + gone
    intervals = [said.interval for said in made.intervals if said.interval]
    assert sum(interval.sent for interval in intervals) == sum(each.sent for each in counts)
    quick = [each for each in counts if each.user not in SLOW_USERS]
    assert sum(interval.times.count for interval in intervals) == sum(each.times.count for each in quick)


def test_an_open_loop_sends_what_is_due_and_rests_when_it_is_to(stand: Stand, tmp_path: Path) -> None:
    before = counted(stand)
    order = msgspec.structs.replace(order_of(stand, tmp_path, OPEN, 3.0), interval_s=0.5)
    made = Generated(tmp_path, order)
    after = counted(stand)
    assert made.exit_code == 0
    read_counts, none = made.requests["open_loop GET /items/7"], made.requests["open_loop GET /none"]
    assert set(read_counts.statuses) == {"200"}
    assert set(none.statuses) == {"404"}
    assert none.reasons == {"no_route": none.sent}
    sent = read_counts.sent + none.sent
    assert after[0] - before[0] == sent + 1
    assert 100 < sent < 300  # 200 in the mean
    assert read_counts.time_of_service is not None
    assert read_counts.time_of_service.count == read_counts.times.count
    assert sum(said.interval.sent for said in made.intervals if said.interval) == sent
    assert not [said for said in made.said if said.notable and said.notable.failure]


def test_a_signal_ends_it_early_with_its_counts(stand: Stand, tmp_path: Path) -> None:
    made = Generated(tmp_path, order_of(stand, tmp_path, CLOSED % ("http_edge: 1", 3), 60.0), ends_after=1)
    assert made.exit_code == 0
    assert sum(counts.sent for counts in made.requests.values()) > 0
    assert len(made.intervals) < 10


def test_it_ends_with_whoever_has_started_it(stand: Stand, tmp_path: Path) -> None:
    made = Generated(tmp_path, order_of(stand, tmp_path, OPEN, 60.0), loses_runner=True)
    assert made.exit_code == 1
    assert made.said[-1].requests is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"edge": Address("127.0.0.1", 1)},
            "127.0.0.1:1 does not answer: Connection refused; is the gateway",
        ),
        ({"edge": Address("none.invalid", 80)}, "none.invalid:80 does not answer: "),
        ({"users": {"nobody": 1.0}}, "users: there are no users 'nobody'; write one of aborts, churn, "),
        (
            {"shape": "none.yaml"},
            "none.yaml cannot be read: No such file or directory; give a file",
        ),
        (
            {"services": None},
            "users of the kind framed have nowhere to go, since nobody said where services connect to; give --",
        ),
        (
            {"tls_edge": None},
            "users of the kind tls_edge have nowhere to go, since nobody said where the edge speaks TLS; give --",
        ),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(
    stand: Stand, tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    order = order_of(stand, tmp_path, CLOSED % ("framed: 1, tls_edge: 1", 3), 4.0)
    made = Generated(tmp_path, msgspec.structs.replace(order, **changed))
    assert made.exit_code == 1
    assert [each.error.startswith(said) for each in made.said] == [True]
    assert "\n" not in made.said[0].error


ECHO = b"HTTP/1.1 %s\r\nX-Correlation-ID: ECHO\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "token", "said"),
    [
        (
            ECHO % b"401 Unauthorized",
            "wrong",
            "does not take the token (401 for GET /items/7); give one that is good (--token-file)",
        ),
        (
            ECHO % b"403 Forbidden",
            "wrong",
            "does not take the token (403 for GET /items/7); give one that is good (--token-file)",
        ),
        (ECHO % b"401 Unauthorized", "", "wants a token (401 for GET /items/7); give one that is good (--token-file)"),
        (b"220 mail\r\n", "", "does not speak HTTP/1.1; give the address of the edge"),
        (b"", "", "does not speak HTTP/1.1; give the address of the edge"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "",
            "is no edge of Penstock, which would have told our x-correlation-id; give that of edge.listen",
        ),
    ],
)
def test_a_token_that_is_refused_and_another_server_are_told_of(
    stand: Stand, tmp_path: Path, answer: bytes, token: str, said: str
) -> None:
    made, where = probed(order_of(stand, tmp_path, OPEN, 4.0), tmp_path, answer, token)
    assert made.exit_code == 1
    assert made.said[0].error == f"{where} {said}"


def test_a_status_that_the_shape_expects_is_no_refusal(stand: Stand, tmp_path: Path) -> None:
    shape = OPEN.replace("{request: GET /items/7, weight: 3}", "{request: GET /closed, expect: [401]}")
    made, _ = probed(order_of(stand, tmp_path, shape, 4.0), tmp_path, ECHO % b"401 Unauthorized", "", ends_after=1)
    assert made.said[0].ready


def probed(order: Order, folder: Path, answer: bytes, token: str, ends_after: int = 0) -> tuple[Generated, Address]:
    """Send a generator to a server that says the same each time, the correlation id in it."""
    where = Address("127.0.0.1", free_port())
    server = subprocess.Popen([sys.executable, "-c", _SERVER, str(where.port), answer.decode()], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        changed = msgspec.structs.replace(order, edge=where, token=token)
        return Generated(folder, changed, ends_after=ends_after), where
    finally:
        server.kill()
        server.communicate()


_SERVER = """
import re, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    connection, _ = listening.accept()
    asked = connection.recv(65536).decode()
    told = re.search("(?i)x-correlation-id: (.*)\\r", asked)
    connection.sendall(sys.argv[2].replace("ECHO", told[1] if told else "").encode())
    connection.close()
"""
