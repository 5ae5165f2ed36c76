"""`penstock tail` and `penstock trace`: what they show of records, and how whoever follows goes on."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from proxy.admin.record_page import AttemptRow, RecordRow
from proxy.cli import tail
from proxy.cli.failures import AdminError
from proxy.cli.record_lines import BAR_WIDTH, block_of, line_of


def attempt(number: int, outcome: str, began_us: int, took_us: int, **more: Any) -> AttemptRow:
    return AttemptRow(number, "things", f"t-{number}", outcome, began_us, took_us, **more)


def row(**changes: Any) -> RecordRow:
    made = RecordRow(
        worker="0.1",
        sequence=5,
        at=1_000_000.25,
        request_id="r-1",
        correlation_id="c-1",
        trace_id="0" * 32,
        method="GET",
        target="/things/1",
        route="GET /things/{id}",
        service="things",
        status=200,
        reason="",
        took_us=4_000,
        sent_us=100,
        answered_us=3_900,
        gateway_us=500,
        bytes_in=100,
        bytes_out=2_048,
        tenant="acme",
        principal="",
        client="192.0.2.7",
        flags=[],
        attempt_count=1,
        attempts=[attempt(1, "200", 100, 3_800)],
    )
    return msgspec.structs.replace(made, **changes)


def test_a_line() -> None:
    clock, rest = line_of(row()).split("  ", 1)
    assert clock.endswith(":40.250")
    assert rest == "200   4.00 ms  GET /things/1  -> things/t-1  r-1"


def test_a_line_of_what_was_sent_again_or_refused() -> None:
    twice = row(attempt_count=2, attempts=[attempt(1, "503", 0, 10), attempt(2, "lost", 50, 10)], status=502)
    assert "-> things/t-1 503, things/t-2 lost" in line_of(twice)
    refused = row(status=404, reason="no_route", attempts=[], attempt_count=0)
    assert line_of(refused).endswith("404   4.00 ms  GET /things/1  no_route  r-1")
    gone = row(status=0, flags=["client_gone"])
    assert "  -   4.00 ms" in line_of(gone)
    assert "(client_gone)" in line_of(gone)
    forgotten = row(attempts=[AttemptRow(1, "", "", "200", 0, 5)])
    assert "-> somebody who has gone" in line_of(forgotten)


def test_colours_are_for_people() -> None:
    assert "\x1b" not in line_of(row(status=500))
    assert "\x1b[31m500\x1b[0m" in line_of(row(status=500), colours=True)
    assert "\x1b[33m404\x1b[0m" in line_of(row(status=404), colours=True)


def test_what_clients_say_does_not_command_the_terminal() -> None:
    bad = row(target="/\x1b]0;a\x07", request_id="\x1b[2J", tenant="\x1b[31m", client="\x1b", principal="a\x9bb")
    assert "\x1b" not in line_of(bad) + "".join(block_of(bad))


def test_all_of_a_request() -> None:
    told = row(
        status=200,
        took_us=4_000,
        attempt_count=5,
        attempts=[attempt(1, "503", 0, 1_000), attempt(2, "200", 2_000, 2_000, is_hedge=True)],
    )
    lines = list(block_of(told))
    assert lines[0] == "GET /things/1 => 200"
    facts = {
        line.split()[0]: line.split(maxsplit=1)[1] for line in lines[2:] if line.startswith("  ") and "#" not in line
    }
    assert facts["route"] == "GET /things/{id} of things"
    assert facts["in"] == "gateway   0.50 ms"
    assert facts["bytes"] == "100 B in, 2.0 KiB out"
    assert "principal" not in facts
    bars = [line[2 : 2 + BAR_WIDTH] for line in lines if "#" in line]
    assert bars == ["#" * 40, "#" * 10 + " " * 30, " " * 20 + "#" * 20]
    assert lines[-2].endswith("2.00 ms  2. things/t-2: 200, a hedge")
    assert lines[-1].strip() == "5 attempts in all: the first ones and the last are kept"


@pytest.mark.parametrize(("began_us", "took_us"), [(0, 0), (4_000, 0), (9_999_999, 9_999_999), (-1, 3)])
def test_a_bar_is_never_outside(began_us: int, took_us: int) -> None:
    lines = list(block_of(row(attempts=[attempt(1, "200", began_us, took_us)])))
    bar = lines[-1][2 : 2 + BAR_WIDTH]
    assert len(bar) == BAR_WIDTH
    assert "#" in bar


class Gateway:
    """Answers questions with what a test says, and interrupts whoever asks once more."""

    def __init__(self, *answers: dict[str, Any] | AdminError) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, query: Mapping[str, str | Sequence[str]] | None = None) -> Any:
        assert path == "/records"
        self.asked.append(dict(query or {}))
        if not self.answers:
            raise KeyboardInterrupt
        answer = self.answers.pop(0)
        if isinstance(answer, AdminError):
            raise answer
        return answer


def page(*rows: RecordRow, after: str, **more: Any) -> dict[str, Any]:
    return {"records": [msgspec.to_builtins(each) for each in rows], "next": after, **more}


def follow(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, output: str = "text") -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("proxy.cli.tail.time.sleep", slept.append)
    with pytest.raises(KeyboardInterrupt):
        tail._follow(gateway, {"limit": "9"}, tail.read_page(gateway, {}), output)  # type: ignore[arg-type]
    return slept


def test_following_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Gateway(
        page(after=":1"),
        page(row(request_id="r-2"), after=":2", has_more=True),
        page(row(request_id="r-3"), after=":3"),
    )
    slept = follow(gateway, monkeypatch)
    assert [asked.get("after") for asked in gateway.asked] == [None, ":1", ":2", ":3"]
    assert slept == [tail.EVERY_S, tail.EVERY_S]  # not before what was there already
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["r-2", "r-3"]


def test_what_was_lost_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    follow(Gateway(page(after=":1"), page(after=":2", lost=1_234)), monkeypatch)
    assert "1,234 requests were not seen" in capsys.readouterr().err


def test_a_gateway_that_has_gone_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = AdminError("nobody listens")
    gateway = Gateway(page(after=":1"), gone, gone, page(row(), after=":2"))
    slept = follow(gateway, monkeypatch)
    seen = capsys.readouterr()
    assert slept == [tail.EVERY_S, tail.AGAIN_S, tail.AGAIN_S, tail.EVERY_S]
    assert seen.err == "penstock: warning: nobody listens; it is looked for until it is back\n"
    assert seen.out.rstrip().endswith("r-1")


def test_json_is_one_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    follow(Gateway(page(after=":1"), page(row(), row(), after=":2")), monkeypatch, "json")
    lines = capsys.readouterr().out.splitlines()
    assert [msgspec.json.decode(line, type=RecordRow) for line in lines] == [row(), row()]


def test_a_gateway_that_speaks_otherwise() -> None:
    with pytest.raises(AdminError, match="it is of another version"):
        tail.read_page(Gateway({"records": "none"}), {})  # type: ignore[arg-type]
