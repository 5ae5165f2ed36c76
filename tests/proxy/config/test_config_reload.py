"""Reading the settings again: whole or not at all, told line by line, asked for or by watching files."""

import logging
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from penstock.settings import Loaded, Problem, SettingsError
from proxy.config import GatewayConfig, load_gateway
from proxy.config.changes import Changes
from proxy.config.reload import Reloader
from proxy.config.watching import FileWatch

Applied = list[tuple[Loaded[GatewayConfig], Changes]]


class Subject:
    """A reloader over one file, and what it applied."""

    def __init__(self, path: Path, text: str, environment: dict[str, str] | None = None) -> None:
        self.path = path
        self.applied: Applied = []
        self.failure: Exception | None = None
        self.write(text)
        self.load = partial(load_gateway, environment or {}, path=path)
        self.reloader = Reloader(self.load(), self.load, self.apply, path=path)

    def write(self, text: str) -> None:
        fresh = self.path.with_name("fresh")
        fresh.write_text(text)
        os.replace(fresh, self.path)  # noqa: PTH105 - a new inode each time, whatever the clock's resolution

    async def apply(self, loaded: Loaded[GatewayConfig], changes: Changes) -> None:
        await trio.lowlevel.checkpoint()
        if self.failure:
            raise self.failure
        self.applied.append((loaded, changes))


@pytest.fixture(name="make")
def _make(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Callable[..., Subject]:
    caplog.set_level(logging.INFO, "penstock.gateway")
    return partial(Subject, tmp_path / "p.yaml")


Make = Callable[..., Subject]


async def test_what_has_changed_is_applied_and_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    subject = make("edge: {deadline: 5s}\nrules: [{name: a, deadline: 1s}, {name: b, access: authenticated}]\n")
    subject.write("edge: {deadline: 6s}\nrules: [{name: a, deadline: 2s}, {name: c, tenant: required}]\n")
    report = await subject.reloader.reload("SIGHUP")
    ((loaded, changes),) = subject.applied
    assert loaded.settings.edge.deadline_ms == 6000
    assert loaded is subject.reloader.loaded
    assert changes.settings == {"edge.deadline", "rules"}
    assert changes.touches("rules")
    assert changes.touches("edge")
    assert not changes.touches("services", "edge.listen")
    assert (report.applied, report.revision, report.cause) == (True, 2, "SIGHUP")
    assert caplog.messages == [
        "SIGHUP: settings read again, 4 changed; revision 2",
        "edge.deadline: 5s -> 6s",
        "rules[a].deadline: 1s -> 2s",
        "rules[b] is gone: {name: b, access: authenticated}",
        "rules[c] is new: {name: c, tenant: required}",
    ]


async def test_nothing_new_is_applied_too(make: Make) -> None:
    # What the files say that settings name may be new.
    subject = make("edge: {deadline: 5s}\n")
    subject.write("# a comment\nedge:\n\n  deadline: 5s\n")
    report = await subject.reloader.reload("SIGHUP")
    assert (report.applied, report.changes) == (True, ())
    assert len(subject.applied) == 1


async def test_what_is_wrong_changes_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    subject = make("edge: {deadline: 5s}\n")
    before = subject.reloader.loaded
    subject.write("edge: {deadline: 6}\nzzz: 1\n")
    report = await subject.reloader.reload("SIGHUP")
    assert subject.applied == []
    assert subject.reloader.loaded is before
    assert (report.applied, report.revision) == (False, 1)
    assert subject.reloader.status.last is report
    expected = [
        f"unknown_key: zzz ({subject.path}:2): there is no such setting; remove it, or see `penstock config` for what"
        " there is",
        f"bad_value: edge.deadline = 6 ({subject.path}:1): a duration needs a unit; write 6s or 6ms",
    ]
    assert list(report.problems) == expected
    assert caplog.messages == [*expected, "SIGHUP: the settings stay as they are, since what was read is wrong"]


async def test_a_restart_is_waited_for(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    subject = make("edge: {listen: '127.0.0.1:1', deadline: 5s}\n")
    subject.write("edge: {listen: '127.0.0.1:2', deadline: 6s}\n")
    report = await subject.reloader.reload("SIGHUP")
    config = subject.reloader.config
    assert (str(config.edge.listen), config.edge.deadline_ms) == ("127.0.0.1:1", 6000)
    assert subject.reloader.loaded.origins["edge.listen"] == f"{subject.path}:1"
    assert subject.applied[0][1].settings == {"edge.deadline"}
    assert [(change.name, change.needs_restart) for change in report.changes] == [
        ("edge.listen", True),
        ("edge.deadline", False),
    ]
    assert caplog.messages[1:] == [
        "edge.listen: 127.0.0.1:1 -> 127.0.0.1:2; takes effect on restart",
        "edge.deadline: 5s -> 6s",
        "until the gateway is started again, the old values hold for: edge.listen",
    ]
    # It is told as a change only once, and waits until it is taken back.
    assert (await subject.reloader.reload("SIGHUP")).changes == ()
    assert [change.name for change in subject.reloader.status.waiting] == ["edge.listen"]
    subject.write("edge: {listen: '127.0.0.1:1', deadline: 6s}\n")
    await subject.reloader.reload("SIGHUP")
    assert subject.reloader.status.waiting == ()


async def test_old_and_new_values_must_go_together(make: Make) -> None:
    subject = make("edge: {call_bytes: 1GiB}\nadmin: {listen: '0.0.0.0:1', token: secret}\n")
    subject.write("edge: {call_bytes: 1GiB}\n")
    report = await subject.reloader.reload("SIGHUP")
    assert not report.applied
    (problem,) = report.problems
    assert problem.startswith("conflict: admin.listen ")
    assert "until the gateway is started again, what needs a restart keeps its value" in problem
    assert problem.endswith(", or start the gateway again")


async def test_secrets_are_stars(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    subject = make("services: {token: hunter1}\n")
    subject.write("services: {token: hunter2}\n")
    report = await subject.reloader.reload("SIGHUP")
    assert subject.reloader.config.services.token.reveal() == "hunter2"
    assert "services.token: *** -> ***" in caplog.messages
    assert b"hunter" not in msgspec.json.encode(report)
    assert "hunter" not in caplog.text


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (SettingsError([Problem("c", "what", "where", "why", "fix")]), "c: what (where): why; fix"),
        (ValueError("odd"), "the settings could not be applied; the log says why"),
    ],
)
async def test_what_cannot_be_applied_changes_nothing(make: Make, failure: Exception, problem: str) -> None:
    subject = make("edge: {deadline: 5s}\n")
    before = subject.reloader.loaded
    subject.write("edge: {deadline: 6s}\n")
    subject.failure = failure
    report = await subject.reloader.reload("SIGHUP")
    assert (report.applied, report.problems) == (False, (problem,))
    assert subject.reloader.loaded is before
    subject.failure = None
    assert [change.name for change in (await subject.reloader.reload("SIGHUP")).changes] == ["edge.deadline"]


async def test_flags_and_variables_stay_as_they_were_at_the_start(make: Make) -> None:
    environment = {"PENSTOCK_EDGE_DEADLINE": "7s"}
    subject = make("edge: {deadline: 5s}\n", environment)
    subject.write("edge: {deadline: 6s}\n")
    assert (await subject.reloader.reload("SIGHUP")).changes == ()
    assert subject.reloader.config.edge.deadline_ms == 7000


async def test_two_reloads_come_one_after_the_other(make: Make) -> None:
    subject = make("edge: {deadline: 5s}\n")
    seen: list[str] = []
    apply: Callable[[Loaded[GatewayConfig], Changes], Awaitable[None]] = subject.apply

    async def slow(loaded: Loaded[GatewayConfig], changes: Changes) -> None:
        seen.append("begin")
        await trio.testing.wait_all_tasks_blocked()
        await apply(loaded, changes)
        seen.append("end")

    reloader = Reloader(subject.load(), subject.load, slow, path=subject.path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloader.reload, "one")
        nursery.start_soon(reloader.reload, "two")
    assert seen == ["begin", "end", "begin", "end"]


async def wait_for(subject: Subject, revision: int) -> None:
    """Reading is done by a thread, which knows nothing of the clock."""
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        if subject.reloader.revision >= revision:
            return
        await trio.sleep(0.1)
    pytest.fail(f"still at revision {subject.reloader.revision}")


async def test_a_changed_file_is_read_again(
    make: Make, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    subject = make("edge: {deadline: 5s}\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subject.reloader.watch)
        await trio.sleep(10)
        assert subject.reloader.revision == 1
        subject.write("edge: {deadline: 6s}\n")
        await wait_for(subject, 2)
        assert subject.applied[0][1].files == (subject.path,)
        assert caplog.messages[0] == f"{subject.path} changed: settings read again, 1 changed; revision 2"
        await trio.sleep(10)
        assert subject.reloader.revision == 2
        nursery.cancel_scope.cancel()


async def test_watching_can_be_switched_off_and_on(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    subject = make("reload: {watch: 0s}\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subject.reloader.watch)
        subject.write("reload: {watch: 1s}\n")
        await trio.sleep(100)
        assert subject.reloader.revision == 1
        await subject.reloader.reload("SIGHUP")
        subject.write("reload: {watch: 2s}\n")
        await wait_for(subject, 3)
        assert subject.reloader.config.reload.watch_ms == 2000
        nursery.cancel_scope.cancel()


async def test_files_that_settings_name_are_watched(
    make: Make, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    secret = tmp_path / "token"
    secret.write_text("one")
    subject = make(f"services: {{token_file: {secret}}}\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subject.reloader.watch)
        await trio.sleep(3)
        secret.write_text("another")
        await wait_for(subject, 2)
        assert subject.reloader.config.services.token.reveal() == "another"
        assert subject.applied[0][1].files == (secret,)
        nursery.cancel_scope.cancel()


def test_who_is_still_writing_is_given_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    watch = FileWatch()
    watch.add([path])
    assert watch.look() == ()
    for size in (1, 2, 3):
        path.write_text("x" * size)
        assert watch.look() == ()
    assert watch.look() == (path,)
    watch.look_anew()
    assert watch.look() == ()
    path.unlink()
    watch.look()
    assert watch.look() == (path,)
    watch.keep([])
    watch.look()
    assert watch.look() == ()
