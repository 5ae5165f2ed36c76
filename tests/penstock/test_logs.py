"""Logs: the two forms, secrets, and that a log nobody reads stops nobody."""

import gc
import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.settings import LogSettings, Secret
from penstock.telemetry.formats import ConsoleFormatter, JsonFormatter
from penstock.telemetry.logs import BoundedHandler, SameFields, set_up_logs
from penstock.telemetry.redaction import Redactor
from penstock.telemetry.writer import sink_of

logger = logging.getLogger("penstock.test")


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log_to(stream: io.StringIO, form: str = "json", level: str = "info", secrets: tuple[Secret, ...] = ()) -> list[str]:
    logs = set_up_logs(LogSettings(level=level, format=form), secrets, stream)
    try:
        logger.debug("too small")
        logger.info("ready on %s", "127.0.0.1:8080", extra={"service": "billing", "in_flight": 3})
    finally:
        logs.close()
    return stream.getvalue().splitlines()


def test_json() -> None:
    (line,) = log_to(io.StringIO())
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "penstock.test",
        "message": "ready on 127.0.0.1:8080",
        "service": "billing",
        "in_flight": 3,
    }


def test_console() -> None:
    (line,) = log_to(io.StringIO(), "console")
    assert line.endswith(" info    penstock.test: ready on 127.0.0.1:8080 service=billing in_flight=3")


def test_auto_is_json_for_a_collector_and_console_for_a_person() -> None:
    assert log_to(io.StringIO(), "auto")[0].startswith("{")
    assert not log_to(Terminal(), "auto")[0].startswith("{")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in log_to(Terminal())[0] or "\x1b[" in log_to(Terminal(), "console")[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in log_to(Terminal(), "console")[0]


def test_level() -> None:
    assert log_to(io.StringIO(), level="warning") == []
    assert len(log_to(io.StringIO(), level="debug")) == 2


def test_setting_up_again_replaces_what_was_there() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logs(LogSettings(level="info", format="json"), stream=first)
    assert len(log_to(second)) == 1
    assert first.getvalue() == ""


def test_secrets_do_not_get_out_in_any_form() -> None:
    stream = io.StringIO()
    secret = Secret('hun"ter\\2')
    logs = set_up_logs(LogSettings(level="info", format="json"), [secret, Secret("hun"), Secret("")], stream)
    try:
        int(secret.reveal())  # its error repeats the text
    except ValueError:
        logger.exception("token %s", secret.reveal(), extra={"header": f"Bearer {secret.reveal()}"})
    finally:
        logs.close()
    text = stream.getvalue()
    assert "ter\\2" not in text
    assert "ter" not in json.loads(text)["header"]
    assert json.loads(text)["message"] == "token ***"


def test_an_error_keeps_its_traceback() -> None:
    for form in ("json", "console"):
        stream = io.StringIO()
        logs = set_up_logs(LogSettings(level="info", format=form), stream=stream)
        logger.error("failed", exc_info=ExceptionGroup("several", [ValueError("inner")]))
        logs.close()
        assert "ValueError: inner" in stream.getvalue()


def test_what_a_client_sent_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    logs = set_up_logs(LogSettings(level="info", format="console"), stream=stream)
    logger.info("target %s", "/a\n12:00:00.000 error   forged\x1b[2J")
    logs.close()
    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["json", "console"])
def test_odd_values_do_not_hurt(form: str) -> None:
    logging.getLogger().handlers.clear()  # pytest's own, which raises for what must not hurt
    stream = io.StringIO()
    logs = set_up_logs(LogSettings(level="info", format=form), stream=stream)
    circle: list[object] = []
    circle.append(circle)
    logger.info(
        "odd", extra={"value": {1: object()}, "circle": circle, "bytes": b"\xff", "text": "\ud800", "big": 1 << 80}
    )
    logger.info("wrong number of arguments: %s %s", 1)
    logger.info("after")
    logs.close()
    assert "after" in stream.getvalue().splitlines()[-1]
    assert logs.dropped == 0


class Stalled(io.StringIO):
    """A stream whose reader does not read until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.let_go.wait(10)
        return super().write(text)


def test_a_log_that_nobody_reads_stops_nobody_and_is_counted() -> None:
    stream = Stalled()
    handler = BoundedHandler(sink_of(stream), Redactor(), lines_max=3)
    handler.setFormatter(JsonFormatter())
    handler.start()
    record = logging.makeLogRecord({"name": "penstock", "msg": "line"})
    handler.emit(record)
    assert stream.entered.wait(10)  # the first line is being written; from here on they wait
    for _ in range(10):
        handler.emit(record)
    assert handler.dropped == 7
    stream.let_go.set()
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("dropped") for line in lines] == [None, 7, None, None, None]


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_is_gone_is_counted() -> None:
    handler = BoundedHandler(sink_of(Broken()), Redactor())
    handler.setFormatter(ConsoleFormatter(coloured=False))
    handler.start()
    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "line"}))
    handler.close()
    handler.close()
    assert handler.dropped == 3


def test_fields_that_each_line_has() -> None:
    stream = io.StringIO()
    logs = set_up_logs(LogSettings(level="info", format="json"), stream=stream, filters=[SameFields(worker="0.1")])
    logger.info("line")
    logs.close()
    assert json.loads(stream.getvalue())["worker"] == "0.1"


def test_a_process_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    logs = set_up_logs(LogSettings(level="info", format="auto"))
    logger.info("line")
    logs.close()
    assert logs.dropped == 0


def test_a_stream_that_nobody_else_holds_stays_open(tmp_path: Path) -> None:
    logs = set_up_logs(LogSettings(level="info", format="json"), stream=(tmp_path / "log").open("w"))
    gc.collect()
    logger.info("line")
    logs.close()
    assert (logs.dropped, "line" in (tmp_path / "log").read_text()) == (0, True)
    logs._stream.close()  # type: ignore[union-attr]
