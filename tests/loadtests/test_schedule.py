"""Schedules of the nemesis: when their events are, and what cannot be used says so."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from loadtests.nemesis.schedule import ScheduleError, read_schedule, schedule_of
from loadtests.record import Phase
from loadtests.tools import HERE

PHASES = [
    Phase("warm up", "warm_up", 0.0, 10.0),
    Phase("steady", "load", 10.0, 110.0),
    Phase("rest", "quiet", 110.0, 120.0),
    Phase("again", "load", 120.0, 220.0),
]


def moments(*events: Mapping[str, object], **more: object) -> list[float]:
    return [one.at_s for one in schedule_of({"name": "x", "events": list(events), **more}, "x").events(PHASES)]


def test_moments_are_of_the_time_of_load() -> None:
    kill = {"do": "kill", "target": "worker"}
    assert moments({**kill, "at": "5s"}, {**kill, "at": "25%"}, {**kill, "at": "75%"}) == [15.0, 60.0, 170.0]


def test_an_event_comes_again_and_never_in_quiet() -> None:
    stop = {"do": "stop", "target": "service", "for": "500ms", "at": "0s", "every": "40s"}
    assert moments(stop) == [10.0, 50.0, 90.0, 140.0, 180.0]
    assert moments(stop, quiet_begin="10%", quiet_end="50%") == [50.0, 140.0]


def test_what_has_no_room_before_the_end_is_left_out() -> None:
    assert moments({"do": "reload", "target": "gateway", "at": "98s", "settles": "2s"}) == []
    assert moments({"do": "reload", "target": "gateway", "at": "97s", "settles": "2s"}) == [107.0]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "Expected `object`, got `null`; loadtests/README.md tells what an event says"),
        (
            {"name": "x", "evnts": []},
            "Object contains unknown field `evnts`; loadtests/README.md tells what an event says",
        ),
        (
            {"name": "x", "quiet_end": "150%"},
            "quiet_end: 150% is no part of the whole; write 0% to 100%, or a part like 30%",
        ),
    ],
)
def test_a_document_that_is_wrong_says_so(document: object, said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        schedule_of(document, "x.yaml")
    assert str(caught.value) == f"x.yaml: {said}"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"do": "kill", "target": "gateway"},
            "target 'gateway' cannot be killed; write service or worker or a name like steady-1",
        ),
        ({"do": "reload", "target": "worker-0"}, "target 'worker-0' cannot be reloaded; write gateway"),
        ({"do": "stop", "target": "worker"}, "it has no end; write `for`, like 500ms"),
        ({"do": "kill", "target": "worker", "for": "1s"}, "`for` says nothing here; take it away"),
        (
            {"do": "kill", "target": "worker", "every": "0s"},
            "every 0s never passes; write a time above 0",
        ),
        (
            {"do": "kill", "target": "worker", "settles": "soon"},
            "settles: 'soon' is no duration; write it like 90s, 10m, 1h30m or 24h",
        ),
    ],
)
def test_an_event_that_is_wrong_says_so(event: dict[str, str], said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        schedule_of({"name": "x", "events": [{"at": "1s", **event}]}, "x.yaml")
    assert str(caught.value) == f"x.yaml: event 1 ({event['do']}): {said}"


def test_a_file_that_is_no_yaml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\nevents: [\n")
    with pytest.raises(ScheduleError, match=r"bad\.yaml, line 3 is no YAML: .*; mend that line"):
        read_schedule(path)
    with pytest.raises(ScheduleError, match=r"none\.yaml cannot be read: No such file or directory; name a file of"):
        read_schedule(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted((HERE / "nemesis" / "schedules").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_schedule_here_can_be_used(path: Path) -> None:
    schedule = read_schedule(path)
    assert schedule.name == path.stem
    ten_minutes = [Phase("steady", "load", 0.0, 600.0)]
    assert {one.do for one in schedule.events(ten_minutes)} == {one.do for one in schedule.document.events}
