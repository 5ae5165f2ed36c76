"""What a run is made of, without one: plans, the command line, what is written at the end, and a gateway elsewhere."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from loadtests.nemesis.schedule import NOTHING
from loadtests.order import Address
from loadtests.record import Phase, Record
from loadtests.runner.command import main
from loadtests.runner.conduct import cut_short
from loadtests.runner.finish import PROVES_NOTHING, finish
from loadtests.runner.plan import PLANS, REPORTS, PlanError, plan_of, read_plan
from loadtests.runner.site import Elsewhere
from loadtests.runner.whole import check_room, read_files
from loadtests.stand.stand import StandError
from runner_lab import FACTS, Page, admin_listener


def test_a_full_disk_says_so_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", full)
    said: list[str] = []
    assert finish(Record(facts=FACTS, ended="complete"), tmp_path, None, None, said.append) == PROVES_NOTHING
    record = tmp_path / "record.json"
    assert said == [
        f"{record} could not be written: No space left on device; make room, or name another folder by --out"
    ]
    assert not record.exists()


def test_a_folder_without_room_is_refused_before_the_run_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_room(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PlanError) as caught:
        check_room(tmp_path)
    assert (
        str(caught.value)
        == f"{tmp_path} cannot be written: No space left on device; make room, or name another by --out"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def full(path: Path, data: bytes) -> int:
    """Write as to a disk that is full."""
    with path.open("wb") as file:
        file.write(data[:10])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_phases_end_where_the_run_has_ended() -> None:
    phases = [Phase("warm", "warm_up", 0.0, 5.0), Phase("steady", "load", 5.0, 9.0), Phase("rest", "quiet", 9.0, 10.0)]
    assert [(one.name, one.end_s) for one in cut_short(phases, 6.5)] == [("warm", 5.0), ("steady", 6.5)]


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_plan_here_can_be_run(path: Path) -> None:
    plan = read_plan(path.stem)
    assert plan.name == path.stem
    files = read_files(plan)
    assert files.phases[-1].kind == "quiet"
    assert plan.tls or "tls_edge" not in files.shape.users
    assert files.schedule.events(files.phases) or files.schedule is NOTHING


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "p.yaml: Object missing required field `name`; loadtests/README.md tells what a plan says"),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "duration": "10"},
            "p.yaml: duration: '10' is no duration; write it like 90s, 10m, 1h30m or 24h",
        ),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "duration": "0s"},
            "p.yaml: duration: a run of 0s is none; write a time above 0, like 10m",
        ),
        (
            {"name": "x", "shape": "soak", "thresholds": "none", "services": {"nobody": 1}},
            "p.yaml: services: there is no loadtests/services/nobody.py; known: steady, unruly",
        ),
    ],
)
def test_a_plan_that_is_wrong_says_so(document: object, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(document, "p.yaml")
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], f"there is no file {PLANS / 'nowhere.yaml'}; give a path, or one of {PLANS}: "),
        (["smoke", "--duration", "5s"], "5 s are too short for its phases; "),
        (["smoke", "--edge", "here", "--admin", "127.0.0.1:1"], "--edge: 'here' is no address; write HOST:PORT"),
        (["smoke", "--edge", "127.0.0.1:1"], "--edge and --admin belong together"),
        (
            ["smoke", "--out", "/dev/null/x"],
            "/dev/null/x cannot be written: Not a directory; make room, or name another",
        ),
        (["smoke", "--ca", "x.pem"], "--ca is of a gateway that runs already; give --edge and --admin"),
        (
            ["smoke", "--edge", "a:1", "--admin", "a:2", "--tls-edge", "a:3", "--ca", "/nowhere"],
            "--ca: there is no file /nowhere; name one of certificates in PEM",
        ),
        (["smoke", "--edge", "a:1", "--admin", "a:2", "--tls-edge", "a"], "--tls-edge: 'a' is no address; "),
        (["smoke", "--token-file", "/nowhere"], "/nowhere cannot be read: No such file or directory; "),
        (["smoke", "--planted", "x", "--gateway-command", "y"], "--planted and --gateway-command both say "),
        (["smoke", "--baseline", "/nowhere"], f"there is no file /nowhere; give a path, or one of {REPORTS}"),
    ],
)
def test_a_command_line_that_is_wrong_says_so(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["run", *words])
    assert result.exit_code == PROVES_NOTHING
    assert said in result.output


# ---- a gateway that runs elsewhere ----


@pytest.fixture
def admin() -> Iterator[Address]:
    with admin_listener() as there:
        yield there


def test_a_token_is_shown_and_a_wrong_one_is_told(admin: Address) -> None:
    Elsewhere(admin, admin, None, "right").start()
    with pytest.raises(StandError) as caught:
        Elsewhere(admin, admin, None, "wrong").start()
    said = "the admin listener does not know the token; give that of admin.token (--admin-token-file)"
    assert str(caught.value) == said


def test_a_page_of_another_server_is_no_admin_listener(monkeypatch: pytest.MonkeyPatch, admin: Address) -> None:
    there = Elsewhere(admin, admin, None, "right")
    there.start()
    assert there.worker_count == 0
    monkeypatch.setattr(Page, "said", b"<html>welcome</html>")
    with pytest.raises(StandError) as caught:
        there.start()
    assert str(caught.value) == (
        f"GET /workers at --admin tells no workers: GET /workers at the admin listener {admin} is no JSON; "
        "is that the admin listener?"
    )


def test_an_address_where_nobody_is() -> None:
    nobody = Address("127.0.0.1", 1)
    with pytest.raises(StandError) as caught:
        Elsewhere(nobody, nobody, None, "").start()
    assert str(caught.value) == (
        "GET /health at the admin listener 127.0.0.1:1 has no answer: [Errno 111] Connection refused; "
        "is it running, and is --admin its admin.listen?"
    )
