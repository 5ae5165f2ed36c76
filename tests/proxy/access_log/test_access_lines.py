"""What a line of the access log says."""

from typing import Any

import msgspec
from made_records import STARTED_UNIX_US, TRACE_ID, attempt, names, record

from frames.records import AttemptOutcome, RecordFlag
from proxy.access_log.lines import AccessLine, access_line, json_line, text_line
from proxy.errors import REASONS

REASON_NUMBERS = {code: number for number, code in enumerate(REASONS, 1)}


def said(**fields: Any) -> dict[str, Any]:
    """The line as a program reads it."""
    line: dict[str, Any] = msgspec.json.decode(json_line(record(**fields), names(), "names"))
    return line


def test_a_request_that_went_well() -> None:
    assert said() == {
        "logger": "penstock.access",
        "time": "2026-09-21T14:13:20.123456Z",
        "method": "GET",
        "target": "/invoices/42?page=*",
        "status": 200,
        "total_ms": 1.25,
        "bytes_in": 80,
        "bytes_out": 512,
        "client": "192.0.2.7",
        "request_id": TRACE_ID.hex(),
        "correlation_id": "c-1",
        "trace_id": TRACE_ID.hex(),
        "service": "billing",
        "route": "/invoices/{invoice_id}",
        "tenant": "acme",
        "principal": "alice",
        "gateway_ms": 0.35,
        "first_sent_ms": 0.1,
        "answered_ms": 1.0,
        "attempt_count": 1,
        "attempts": [{"number": 1, "instance": "billing/b-1", "took_ms": 0.9, "status": 200, "version": "1.4.0"}],
        "sampled": True,
    }


def test_what_there_is_nothing_to_say_of_is_left_out() -> None:
    line = said(
        route=-1,
        status=404,
        reason=REASON_NUMBERS["no_route"],
        attempt_count=0,
        attempts=(),
        sent_us=-1,
        answered_us=-1,
        upstream_us=0,
        tenant=b"",
        principal=b"",
        trace_flags=0,
    )
    assert (line["status"], line["reason"], line["gateway_ms"]) == (404, "no_route", 1.25)
    left_out = {"route", "service", "tenant", "principal", "first_sent_ms", "answered_ms", "attempts", "sampled"}
    assert line.keys() & left_out == set()


def test_every_attempt_is_told_with_how_it_ended() -> None:
    attempts = (
        attempt(outcome=int(AttemptOutcome.LOST)),
        attempt(number=2, connection=4098, outcome=503),
        attempt(number=3, connection=1, outcome=0, is_hedge=True),
    )
    line = said(attempts=attempts, attempt_count=7)
    assert line["attempt_count"] == 7
    told = [(each["number"], each["instance"], each.get("status"), each.get("outcome")) for each in line["attempts"]]
    assert told == [(1, "billing/b-1", None, "lost"), (2, "billing/b-2", 503, None), (3, "?", None, "open")]
    assert [each.get("hedge", False) for each in line["attempts"]] == [False, False, True]


def test_flags_are_told() -> None:
    line = said(flags=RecordFlag.TLS | RecordFlag.STREAMED | RecordFlag.CLIENT_GONE | RecordFlag.CUT, status=0)
    assert [line[name] for name in ("tls", "streamed", "client_gone", "cut")] == [True] * 4
    assert line["status"] == 0
    assert "gateway_ms" not in line  # whose time it was cannot be told apart


def test_of_several_workers_the_one_is_named() -> None:
    of_worker = names()
    of_worker.worker = "1.2"
    assert access_line(record(), of_worker, "names").worker == "1.2"


def test_time_in_the_gateway_is_never_negative() -> None:
    assert said(upstream_us=5_000)["gateway_ms"] == 0  # two attempts at once


def test_a_line_can_be_read_as_what_it_is() -> None:
    line = access_line(record(), names(), "whole")
    assert msgspec.json.decode(msgspec.json.encode(line), type=AccessLine) == line
    assert line.target == "/invoices/42?page=2"


def test_text_is_one_line_with_parts_in_their_places() -> None:
    assert text_line(record(), names(), "names").decode() == (
        '2026-09-21T14:13:20.123Z 192.0.2.7 acme alice "GET /invoices/42?page=*" 200 - 1.250ms 0.350ms 80B 512B'
        f" billing billing/b-1=200:0.900ms {TRACE_ID.hex()}"
    )


def test_text_of_a_request_that_nobody_answered() -> None:
    line = text_line(
        record(status=0, flags=RecordFlag.CLIENT_GONE, attempts=(), tenant=b"", principal=b"", client="", route=-1),
        names(),
        "none",
    )
    assert line.decode().split(" ")[1:4] == ["-", "-", "-"]
    assert ' "GET /invoices/42" gone - 1.250ms - 80B 512B - - ' in line.decode()


def test_nothing_that_a_client_says_ends_a_line_or_moves_a_part() -> None:
    evil = "a b\n\x1b[2J\u202e\x00"
    for form in (json_line, text_line):
        line = form(record(principal=evil.encode(), correlation_id=b"\xff\n", client="x\ny"), names(), "whole")
        assert b"\n" not in line
        assert b"\x1b" not in line
    text = text_line(record(principal=evil.encode()), names(), "names").decode()
    assert text.split(" ")[3] == "a\\x20b\\n\\x1b[2J\\u202e\\x00"


def test_the_time_is_that_of_the_first_byte() -> None:
    assert access_line(record(), names(), "names").time.timestamp() == STARTED_UNIX_US / 1_000_000
