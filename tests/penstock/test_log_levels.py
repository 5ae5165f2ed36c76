"""Levels of loggers: those of the settings, and changes that hold for a while."""

import logging
import threading
from collections.abc import Iterator

import pytest

from penstock.settings import LogSettings
from penstock.settings.errors import BadValueError
from penstock.settings.levels import LEVELS
from penstock.settings.service import load_service
from penstock.telemetry.levels import CHANGES_MAX, ROOT, Level, Levels

NAME = "penstock.levels-test"
WAIT_S = 10


@pytest.fixture
def levels() -> Iterator[Levels]:
    level = logging.getLogger().level
    levels = Levels()
    levels.follow(LogSettings(level="warning", format="json"))
    yield levels
    levels.follow(LogSettings(level="warning", format="json"))
    levels.undo_all()
    logging.getLogger().setLevel(level)


def is_logged(level: int, name: str = NAME) -> bool:
    return logging.getLogger(name).isEnabledFor(level)


def test_the_settings_levels(levels: Levels) -> None:
    assert not is_logged(logging.INFO)
    levels.follow(LogSettings(level="warning", format="json", levels=((NAME, "debug"),)))
    assert is_logged(logging.DEBUG)
    assert is_logged(logging.DEBUG, NAME + ".below")
    assert not is_logged(logging.INFO, "penstock.another")
    assert levels.shown() == [Level(ROOT, "warning", "settings"), Level(NAME, "debug", "settings")]
    levels.follow(LogSettings(level="info", format="json"))  # without it again
    assert not is_logged(logging.DEBUG)
    assert is_logged(logging.INFO)


def test_a_change_outlives_a_reload_and_can_be_undone(levels: Levels) -> None:
    levels.change(NAME, "debug")
    levels.follow(LogSettings(level="error", format="json", levels=((NAME, "error"),)))
    assert is_logged(logging.DEBUG)
    assert levels.shown() == [Level(ROOT, "error", "settings"), Level(NAME, "debug", "changed")]
    levels.undo(NAME)
    assert not is_logged(logging.WARNING)
    levels.undo(NAME)
    assert levels.shown()[1] == Level(NAME, "error", "settings")


def test_all_loggers_are_changed_by_the_one_above(levels: Levels) -> None:
    levels.change(ROOT, "debug")
    assert is_logged(logging.DEBUG)
    levels.undo_all()
    assert not is_logged(logging.INFO)


class Timer(threading.Thread):
    """A timer whose time is over when a test says so."""

    made: "list[Timer]" = []  # noqa: RUF012

    def __init__(self, seconds: float, function: object, args: tuple[str, ...]) -> None:
        super().__init__(target=function, args=args)  # type: ignore[arg-type]
        self.seconds = seconds
        self.is_cancelled = False
        self.made.append(self)

    def start(self) -> None:
        """Wait for `fire`."""

    def fire(self) -> None:
        super().start()
        self.join(WAIT_S)

    def cancel(self) -> None:
        self.is_cancelled = True


def test_a_change_for_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Timer", Timer)
    now = [100.0]
    levels, level = Levels(clock=lambda: now[0]), logging.getLogger().level
    try:
        levels.change(NAME, "debug", 600)
        now[0] += 100
        assert levels.shown() == [Level(NAME, "debug", "changed", 500.0)]
        levels.change(NAME, "info", 60)  # another takes its place
        first, second = Timer.made
        assert (first.seconds, second.seconds, first.is_cancelled) == (600, 60, True)
        first.fire()  # it was about to, when it was cancelled
        assert levels.shown() == [Level(NAME, "info", "changed", 60.0)]
        second.fire()
        assert levels.shown() == []
        assert logging.getLogger(NAME).level == logging.NOTSET
    finally:
        Timer.made.clear()
        logging.getLogger().setLevel(level)


def test_changes_are_bounded(levels: Levels) -> None:
    for number in range(CHANGES_MAX):
        levels.change(f"{NAME}.{number}", "error")
    levels.change(f"{NAME}.0", "info")
    with pytest.raises(ValueError, match="64 loggers have changed levels already"):
        levels.change(NAME, "error")


def test_the_setting() -> None:
    environment = {"PENSTOCK_LOG_LEVELS": "penstock.link=DEBUG, my_app = warning"}
    settings = load_service(environment).settings.log
    assert settings.levels == (("penstock.link", "debug"), ("my_app", "warning"))
    assert LEVELS.parse(LEVELS.render(settings.levels)) == settings.levels
    assert LEVELS.parse(["penstock.tls=info"]) == (("penstock.tls", "info"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("debug", "'' is no level"),
        ("penstock=loud", "'loud' is no level"),
        ("=debug", "'' is no name of a logger"),
        ("a b=debug", "'a b' is no name of a logger"),
        ("a=debug, a=info", "a is there twice"),
        ("a=debug, a=debug", "one logger is there twice"),
    ],
)
def test_settings_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(BadValueError) as caught:
        LEVELS.parse(text)
    assert caught.value.why == why
