"""What the answer writer writes, a client reads; what would break the message out of its frame is refused."""

from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

import h11
import pytest
from http1_support import DATE, Framing, write_answer, write_date, write_response, write_trailers
from hypothesis import given
from hypothesis import strategies as st

from frames._native import lib

Fields = list[tuple[bytes, bytes]]
OURS: Fields = [(b"x-request-id", b"r-1"), (b"x-correlation-id", b"c-1")]


def read_with_h11(head: bytes, body_bytes: int, method: str = "GET") -> tuple[int, bytes, Fields, int]:
    """Return status, reason, fields and the body's length as h11 reads them on the client's side."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head + b"b" * body_bytes)
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    read = 0
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        read += len(event.data)
    fields = [(bytes(name), bytes(value)) for name, value in response.headers]
    assert connection.trailing_data[0] == b""
    return response.status_code, bytes(response.reason), fields, read


def written(status: int, fields: Fields, body_bytes: int = 0, *, close: bool = False, head: bool = False) -> bytes:
    result = write_response(status, fields, body_bytes, close=close, head=head)
    assert isinstance(result, bytes), result
    return result


def test_the_whole_text() -> None:
    assert written(201, [(b"content-type", b"text/plain"), (b"x", b"")], 12, close=True) == (
        b"HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\nx: \r\ndate: " + DATE + b"\r\ncontent-length: 12\r\n"
        b"x-request-id: r-1\r\nx-correlation-id: c-1\r\nconnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("status", range(200, 600))
def test_each_status_is_read_by_a_client(status: int) -> None:
    body_bytes = 0 if status in (204, 304) else 7
    length = [(b"content-length", b"7")] if body_bytes else []
    found = read_with_h11(written(status, [(b"etag", b'"1"')], body_bytes), body_bytes)
    assert found[0] == status
    assert found[2:] == ([(b"etag", b'"1"'), (b"date", DATE), *length, *OURS], body_bytes)


def test_reason_phrases_are_those_of_the_registry() -> None:
    renamed = {
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        422: "Unprocessable Content",
    }
    for status in range(200, 600):
        known = {entry.value: entry.phrase for entry in HTTPStatus if entry != 418} | renamed
        reason = written(status, []).split(b"\r\n")[0].removeprefix(b"HTTP/1.1 %d " % status).decode()
        assert reason == known.get(status, ""), status


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, 65535])
def test_what_is_no_final_status(status: int) -> None:
    assert write_response(status, []) == "STATUS"
    assert write_answer(status, b"") == "STATUS"


@pytest.mark.parametrize("status", [204, 304])
def test_where_no_body_may_be(status: int) -> None:
    assert b"content-length" not in written(status, [])
    assert write_response(status, [], 1) == "BODY"
    assert write_answer(status, b"", 1) == "BODY"


def test_head_states_the_length_of_what_is_not_sent() -> None:
    head = written(200, [], 1234, head=True)
    assert (b"content-length", b"1234") in read_with_h11(head, 0, "HEAD")[2]


@pytest.mark.parametrize("length", [0, 9, 10, 99, 65536, 999999999, 1000000000, 4294967295])
def test_lengths(length: int) -> None:
    assert b"\r\ncontent-length: %d\r\n" % length in written(200, [], length)


@pytest.mark.parametrize(
    "name",
    [
        *(b"connection", b"content-length", b"keep-alive", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    ],
)
def test_what_frames_the_message_is_refused(name: bytes) -> None:
    assert write_response(200, [(b"x", b"y"), (name, b"1")]) == "FRAMING"
    assert write_response(200, [(name + b"s", b"1")]) != "FRAMING"


@pytest.mark.parametrize("name", [b"", b"X", b"a b", b"a:", b"a\r\nb", b"a\x00", b"\xe9", b"transfer-encoding "])
def test_what_is_no_name_is_refused(name: bytes) -> None:
    assert write_response(200, [(name, b"1")]) == "FIELD_NAME"


@pytest.mark.parametrize(
    "value", [b"a\r\nset-cookie: b", b"a\nb", b"\r", b"a" * 20 + b"\x00", b"\x1f", b"a" * 9 + b"\x7f"]
)
@pytest.mark.parametrize("name", [b"x", b"x-request-id", b"date"])
def test_what_would_inject_a_field_is_refused(name: bytes, value: bytes) -> None:
    assert write_response(200, [(name, value)]) == "FIELD_VALUE"


def test_ids_are_ours_and_a_date_may_be_the_service_s() -> None:
    theirs = [(b"x-request-id", b"forged"), (b"date", b"yesterday"), (b"x-correlation-id", b"forged")]
    found = read_with_h11(written(200, theirs), 0)
    assert found[2] == [(b"date", b"yesterday"), (b"content-length", b"0"), *OURS]


def test_a_head_fits_or_is_not_written() -> None:
    fields = [(b"content-type", b"text/plain"), (b"x-" + b"a" * 70, b"b" * 100)]
    whole = written(200, fields, 5)
    for room in range(len(whole)):
        assert write_response(200, fields, 5, room=room) == "ROOM"
    assert write_response(200, fields, 5, room=len(whole)) == whole


def test_an_answer_of_our_own() -> None:
    head = write_answer(503, b"content-type: text/plain\r\nretry-after: 1\r\n", 3, close=True)
    assert isinstance(head, bytes)
    assert read_with_h11(head, 3) == (
        503,
        b"Service Unavailable",
        [
            *((b"content-type", b"text/plain"), (b"retry-after", b"1"), (b"date", DATE), (b"content-length", b"3")),
            *(*OURS, (b"connection", b"close")),
        ],
        3,
    )


def test_a_chunked_answer_with_trailers_is_read_by_a_client() -> None:
    head = write_response(200, [], framing=Framing(lib.FRAMING_CHUNKED))
    trailers = write_trailers([(b"x-sum", b"1"), (b"content-length", b"9"), (b"server-timing", b"")])
    assert isinstance(head, bytes)
    assert isinstance(trailers, bytes)
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head + b"3\r\nabc\r\n0\r\n" + trailers)
    assert isinstance(connection.next_event(), h11.Response)
    assert connection.next_event() == h11.Data(data=b"abc", chunk_start=True, chunk_end=True)
    end = connection.next_event()
    assert isinstance(end, h11.EndOfMessage)
    assert [(bytes(name), bytes(value)) for name, value in end.headers] == [(b"x-sum", b"1"), (b"server-timing", b"")]


def test_interim_answers_and_a_switch_are_read_by_a_client() -> None:
    hints = write_response(103, [(b"link", b"</a>")], framing=Framing(lib.FRAMING_NONE))
    switch = write_response(101, [], framing=Framing(lib.FRAMING_UPGRADE, upgrade=b"websocket"))
    assert isinstance(hints, bytes)
    assert isinstance(switch, bytes)
    connection = h11.Connection(h11.CLIENT)
    asked = [("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket")]
    connection.send(h11.Request(method="GET", target="/", headers=asked))
    connection.send(h11.EndOfMessage())
    connection.receive_data(hints + switch)
    early, switched = connection.next_event(), connection.next_event()
    assert isinstance(early, h11.InformationalResponse)
    assert isinstance(switched, h11.InformationalResponse)
    assert (early.status_code, list(early.headers)) == (103, [(b"link", b"</a>")])
    assert (switched.status_code, connection.their_state) == (101, h11.SWITCHED_PROTOCOL)
    assert (b"upgrade", b"websocket") in switched.headers


def test_a_declared_length_is_stated_and_the_body_comes_later() -> None:
    head = write_response(200, [], framing=Framing(length=1 << 53))
    assert isinstance(head, bytes)
    assert b"\r\ncontent-length: 9007199254740992\r\n" in head


def test_an_answer_without_an_end_is_not_written() -> None:
    assert write_response(200, [], framing=Framing(lib.FRAMING_NONE)) == "FRAMING"
    assert isinstance(write_response(200, [], framing=Framing(lib.FRAMING_NONE), close=True), bytes)


@pytest.mark.parametrize(("name", "value", "error"), [(b"X", b"", "FIELD_NAME"), (b"x", b"a\r\nb: c", "FIELD_VALUE")])
def test_trailers_that_break_out_are_not_written(name: bytes, value: bytes, error: str) -> None:
    assert write_trailers([(name, value)]) == error


names = st.text("abcxyz019-_!#$%&'*+.^`|~", min_size=1, max_size=20).map(lambda text: b"x" + text.encode())
values = st.text([chr(byte) for byte in [9, *range(32, 127), *range(128, 256)]], max_size=40)


@given(st.integers(200, 599), st.lists(st.tuples(names, values.map(lambda text: text.encode("latin-1"))), max_size=12))
def test_whatever_is_written_is_read_the_same(status: int, fields: Fields) -> None:
    found = read_with_h11(written(status, fields), 0)
    assert found[0] == status
    assert found[2][: len(fields)] == [(name, value.strip(b" \t")) for name, value in fields]


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=4))
def test_no_bytes_of_a_service_break_out_of_its_fields(fields: Fields) -> None:
    result = write_response(200, fields)
    if isinstance(result, bytes):
        sent = [
            (name, value.strip(b" \t")) for name, value in fields if name not in (b"x-request-id", b"x-correlation-id")
        ]
        assert read_with_h11(result, 0)[2][: len(sent)] == sent


@given(st.integers(0, 253402300799))
def test_dates(unix_seconds: int) -> None:
    assert write_date(unix_seconds).decode() == format_datetime(datetime.fromtimestamp(unix_seconds, UTC), usegmt=True)


def test_dates_end_with_the_year_9999() -> None:
    assert write_date(2**64 - 1) == write_date(253402300799) == b"Fri, 31 Dec 9999 23:59:59 GMT"
