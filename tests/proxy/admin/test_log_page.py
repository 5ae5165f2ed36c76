"""GET and PUT /log-level: what is shown, what is changed, and what cannot be."""

import json
import logging
from typing import Any

import pytest
from admin_support import LOG_STATE, state_with

from penstock.settings import LogSettings
from penstock.telemetry.levels import CHANGES_MAX, Level, process_levels
from proxy.admin.log_page import LogState, merge_log_states
from proxy.admin.pages import Pages
from proxy.admin.state import AdminProblem
from proxy.overview.logs import LOGGERS, change_log_level, log_levels

Change = tuple[str, str, float | None]


async def asked(method: str, target: str) -> tuple[int, Any, list[Change]]:
    changes: list[Change] = []

    async def change(*wanted: Any) -> None:
        changes.append(wanted)

    page = await Pages(state_with(change_log_level=change)).page(method, target)
    return page.status, json.loads(page.body), changes


async def test_what_is_logged_is_shown() -> None:
    status, said, changes = await asked("GET", "/log-level")
    assert (status, changes) == (200, [])
    assert said == {
        "levels": [],
        "loggers": [
            {"logger": "root", "what": "all", "level": "info"},
            {"logger": "penstock.tls", "what": "handshakes", "level": "info"},
        ],
        "others": ["other"],
        "dropped": 0,
    }


@pytest.mark.parametrize(
    ("query", "change"),
    [
        ("level=debug", ("root", "debug", None)),
        ("logger=penstock.tls&level=DEBUG&for=10m", ("penstock.tls", "debug", 600.0)),
        ("logger=other&level=default", ("other", "default", None)),
        ("level=error&for=1ms", ("root", "error", 0.001)),
    ],
)
async def test_what_is_changed(query: str, change: Change) -> None:
    status, said, changes = await asked("PUT", f"/log-level?{query}")
    assert (status, changes) == (200, [change])
    assert said["dropped"] == 0


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "'' is no level; write debug, info, warning, error or default."),
        ("level=loud", "'loud' is no level; write debug, info, warning, error or default."),
        (
            "logger=penstock.nothing&level=debug",
            "There is no logger 'penstock.nothing' here; `penstock log-level` shows which there are.",
        ),
        ("level=debug&for=10", "a duration needs a unit: write 10s or 10ms."),
        ("level=debug&for=0s", "'0s' is too short or too long; write a time up to 24h."),
        ("level=debug&for=25h", "'25h' is too short or too long; write a time up to 24h."),
        ("level=debug&level=info", "The parameter level is there 2 times; write it once."),
        ("lavel=debug", "There is no parameter 'lavel' here; write logger, level, for."),
    ],
)
async def test_what_cannot_be(query: str, detail: str) -> None:
    status, said, changes = await asked("PUT", f"/log-level?{query}")
    assert (status, said["detail"], changes) == (400, detail, [])


async def test_only_these_methods() -> None:
    page = await Pages(state_with()).page("POST", "/log-level?level=debug")
    assert (page.status, page.headers) == (405, (("allow", "GET, HEAD, PUT"),))


def test_workers_together() -> None:
    started_later = LogState([Level("root", "info", "settings")], LOG_STATE.loggers, ["a"], 3)
    changed = LogState(
        [*started_later.levels, Level("penstock.tls", "debug", "changed", 5.0)], LOG_STATE.loggers, [], 4
    )
    assert merge_log_states([started_later, changed]) == LogState(changed.levels, LOG_STATE.loggers, ["a"], 7)


async def test_the_loggers_of_this_process(caplog: pytest.LogCaptureFixture) -> None:
    logger, level = logging.getLogger("penstock.rates"), logging.getLogger().level
    process_levels.follow(LogSettings(level="warning", format="json"))
    try:
        await change_log_level("penstock.rates", "debug", 60)
        assert caplog.messages == ["the level of penstock.rates is debug for 60 s"]
        state = await log_levels()
        assert [each.logger for each in state.loggers] == list(LOGGERS)
        assert {each.logger: each.level for each in state.loggers if each.level != "warning"} == {
            "penstock.rates": "debug"
        }
        assert [(each.logger, each.source) for each in state.levels] == [
            ("root", "settings"),
            ("penstock.rates", "changed"),
        ]
        assert "trio" not in LOGGERS
        assert logger.isEnabledFor(logging.DEBUG)
        await change_log_level("penstock.rates", "default", None)
        assert not logger.isEnabledFor(logging.INFO)
    finally:
        process_levels.undo_all()
        logging.getLogger().setLevel(level)


async def test_too_many_changes() -> None:
    level = logging.getLogger().level
    try:
        for number in range(CHANGES_MAX):
            process_levels.change(f"penstock.test.{number}", "error")
        with pytest.raises(AdminProblem) as caught:
            await change_log_level("root", "debug", None)
        assert caught.value.status == 409
    finally:
        process_levels.undo_all()
        logging.getLogger().setLevel(level)
