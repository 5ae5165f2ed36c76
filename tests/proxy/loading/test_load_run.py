"""A run against servers that answer, stand still, break off and go away. Only times that must pass are asserted."""

import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme
from load_support import HELLO, OK, Talk, answering, frames_service, requests, server

from frames.codec import encode_frame, encode_response
from frames.frame import FrameType
from frames.session import Role, Session
from proxy.loading.arrivals import Arrivals
from proxy.loading.many import measure
from proxy.loading.result import LoadError, Result, Second
from proxy.loading.run import Plan
from proxy.loading.targets import Target, make_dial, read_url


def run(
    url: str,
    *,
    rate: float = 200,
    duration_s: float = 0.2,
    connections: int = 4,
    timeout_ms: int = 5_000,
    **more: object,
) -> Result:
    scheme, host, port, path = read_url(url)
    target = Target(url=url, scheme=scheme, host=host, port=port, path=path, timeout_ms=timeout_ms, **more)  # type: ignore[arg-type]
    plan = Plan(url, Arrivals(rate, duration_s), connections, timeout_ms * 1000)
    return measure(plan, target, 1, None)


def test_every_request_that_is_due_is_sent_and_answered() -> None:
    with server(answering()) as port:
        result = run(f"http://127.0.0.1:{port}/x")
    assert (result.due, result.sent, dict(result.statuses), dict(result.failures)) == (40, 40, {200: 40}, {})
    assert (result.connections, result.body_bytes, result.duration_us) == (4, 80, 200_000)
    assert result.latency.count == result.service_time.count == result.lateness.count == 40
    assert sum(second.answered for second in result.seconds) == 40


def test_whoever_waits_for_a_server_that_stands_still_has_waited() -> None:
    """The measure of it all: one second of standing still is not one slow request (coordinated omission)."""
    stood: list[bool] = []

    def talk(connection: socket.socket) -> None:
        for _ in requests(connection):
            if not stood:
                stood.append(True)
                time.sleep(0.4)
            connection.sendall(OK)

    with server(talk) as port:
        result = run(f"http://127.0.0.1:{port}/x", rate=100, duration_s=0.2, connections=1)
    assert result.answered == 20
    assert result.latency.min_us >= 190_000  # the last was due after 190 ms, and could be sent after 400
    assert result.latency.percentile_us(50) >= 300_000
    assert result.service_time.percentile_us(50) < 300_000  # which is what a load that waits would have told
    assert result.connection_wait.max_us >= 300_000


def silent(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def silent_service(connection: socket.socket) -> None:
    connection.sendall(encode_frame(FrameType.HELLO, 0, 0, Session(Role.SERVICE, dialled=False).hello(HELLO)))
    silent(connection)


@pytest.mark.parametrize(("scheme", "talk"), [("http", silent), ("tcp", silent_service)])
def test_what_is_not_answered_in_time_is_given_up(scheme: str, talk: Talk) -> None:
    with server(talk) as port:
        result = run(f"{scheme}://127.0.0.1:{port}/invoices/1", connections=1, timeout_ms=250)
    assert dict(result.failures) == {"timeout": 40}
    assert result.answered == 0
    assert result.latency.min_us >= 250_000


def test_a_connection_that_the_server_closes_is_dialled_again() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        next(requests(connection), None)
        connection.sendall(closing)

    with server(talk) as port:
        result = run(f"http://127.0.0.1:{port}/x", connections=2)
    assert (dict(result.statuses), dict(result.failures)) == ({200: 40}, {})
    assert not result.connection_failures


def test_a_connection_that_breaks_off_is_a_failure_of_its_request() -> None:
    def talk(connection: socket.socket) -> None:
        next(requests(connection), None)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")

    with server(talk) as port:
        result = run(f"http://127.0.0.1:{port}/x", connections=2, rate=50)
    assert dict(result.failures) == {"the connection ended before the answer": 10}
    assert result.connection_failures.total() >= 10


def test_statuses_are_counted_and_no_failures() -> None:
    with server(answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")) as port:
        result = run(f"http://127.0.0.1:{port}/x")
    assert (dict(result.statuses), dict(result.failures)) == ({503: 40}, {})


def test_frames_carry_many_at_once_over_one_connection() -> None:
    asked = []

    def answer(payload: bytes) -> bytes:
        asked.append(payload)
        return encode_response(404 if len(asked) % 2 else 200, body=b"abc")

    with server(frames_service(answer)) as port:
        result = run(f"tcp://127.0.0.1:{port}/invoices/42", connections=1)
    assert (dict(result.statuses), result.body_bytes) == ({404: 20, 200: 20}, 120)
    assert b"/invoices/42" in asked[0]


def test_by_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def secured(talk: Talk) -> Talk:
        def secure(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as inner:
                talk(inner)

        return secure

    with server(secured(answering())) as http, server(secured(frames_service())) as frames:
        for url in (f"https://127.0.0.1:{http}/x", f"tls://127.0.0.1:{frames}/invoices/1"):
            result = run(url, ca=str(tmp_path / "ca.pem"))
            assert (dict(result.statuses), dict(result.failures)) == ({200: 40}, {})
            assert run(url, is_trusting=True).answered == 40
            with pytest.raises(LoadError, match="cannot be loaded: certificate: "):
                run(url)


def test_the_warm_up_is_not_counted() -> None:
    with server(answering()) as port:
        url = f"http://127.0.0.1:{port}/x"
        target = Target(url=url, scheme="http", host="127.0.0.1", port=port, path="/x")
        result = measure(Plan(url, Arrivals(100, 0.3), 1, 5_000_000, warmup_us=100_000), target, 1, None)
    assert (result.due, result.answered, result.duration_us) == (20, 20, 200_000)


def test_parts_make_one_result() -> None:
    told: list[Second] = []
    with server(answering()) as port:
        url = f"http://127.0.0.1:{port}/x"
        target = Target(url=url, scheme="http", host="127.0.0.1", port=port, path="/x")
        result = measure(Plan(url, Arrivals(100, 0.4), 3, 5_000_000), target, 2, told.append)
    assert (result.due, dict(result.statuses), result.connections, result.rate) == (40, {200: 40}, 3, 100)
    assert (result.latency.count, result.body_bytes) == (40, 80)
    assert sum(second.answered for second in result.seconds) == sum(second.answered for second in told) == 40


@pytest.mark.parametrize("processes", [1, 2])
def test_nobody_is_there(processes: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"http://127.0.0.1:{port}/x"
        target = Target(url=url, scheme="http", host="127.0.0.1", port=port, path="/x")
        with pytest.raises(LoadError, match=f"^http://127.0.0.1:{port}/x cannot be loaded: Connection refused$"):
            measure(Plan(url, Arrivals(10, 1), 2, 1_000_000), target, processes, None)


def test_a_service_without_that_endpoint() -> None:
    with server(frames_service()) as port, pytest.raises(LoadError) as raised:
        run(f"tcp://127.0.0.1:{port}/nope")
    assert str(raised.value) == (
        f"tcp://127.0.0.1:{port}/nope cannot be loaded: billing/b-1 1.4.0 has no endpoint for GET /nope; "
        "it offers GET /invoices/{id}, POST /invoices"
    )


def test_frames_where_http_was_expected() -> None:
    """What comes before the first request says at once what is wrong; where it comes later, nothing is answered."""
    with server(frames_service()) as port:
        try:
            result = run(f"http://127.0.0.1:{port}/x", timeout_ms=250)
        except LoadError as error:
            told = str(error)
        else:
            told = "speaks frames" if (result.answered, result.failures.total()) == (0, 40) else ""
    assert "speaks frames" in told


def test_http_where_frames_were_expected() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")

    with server(talk) as port, pytest.raises(LoadError, match="it does not speak the protocol"):
        run(f"tcp://127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:8080/x", "is nothing that can be loaded; write http://host:port/path"),
        ("ftp://a/x", "is nothing that can be loaded"),
        ("http://", "is nothing that can be loaded"),
        ("http://a:99999/x", "is no URL: Port out of range"),
        ("tcp://a/x", "has no port"),
        ("http://user:hunter2@a/x", "a URL here has no user and password"),
    ],
)
def test_urls_that_are_none(url: str, why: str) -> None:
    with pytest.raises(LoadError, match=why) as raised:
        read_url(url)
    assert "hunter2" not in str(raised.value)


def test_urls() -> None:
    assert read_url("http://a") == ("http", "a", 80, "/")
    assert read_url("https://a/b?c=d#e") == ("https", "a", 443, "/b?c=d")
    assert read_url("tls://[::1]:7501/x") == ("tls", "::1", 7501, "/x")


@pytest.mark.parametrize("path", ["/ä", "/a b"])
@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_targets_that_cannot_be_sent(scheme: str, path: str) -> None:
    with pytest.raises(LoadError, match="is no path with a query"):
        make_dial(Target(url="", scheme=scheme, host="127.0.0.1", port=1, path=path))


def test_a_method_that_frames_do_not_know() -> None:
    with pytest.raises(LoadError, match="frames know no method TRACE; write one of GET, HEAD"):
        make_dial(Target(url="", scheme="tcp", host="127.0.0.1", port=1, path="/", method="TRACE"))
