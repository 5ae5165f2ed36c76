"""Shapes: what a file says is what is wanted when, and what is wrong with one is said with its fix."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from loadtests.record import Phase
from loadtests.shape import Shape, ShapeError, read, read_text
from loadtests.shape.document import known_users

SHAPES = sorted(Path("loadtests/shapes").glob("*.yaml"))
CLOSED = """
name: small
about: For tests.
loop: closed
users: {http_edge: 3, framed: 1}
phases:
  - {name: warm up, kind: warm_up, lasts: 5s, from: 0, users: 10}
  - {name: steady, lasts: 2, users: 10}
  - {name: more, lasts: 1, users: 20, kinds: [framed]}
  - {name: rest, kind: quiet, lasts: 4s}
"""
OPEN = """
name: small
about: For tests.
loop: open
requests: [{request: GET /items/7}]
phases:
  - {name: step, lasts: 1, from: 100, rate: 400, steps: 4}
  - {name: rest, kind: quiet, lasts: 4s}
"""


def small(text: str = CLOSED) -> Shape:
    return read_text(text, "small.yaml")


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_every_shape_of_ours_can_be_used(path: Path) -> None:
    shape = read(path)
    assert shape.name == path.stem
    phases = shape.phases(max(60.0, shape.shortest_s))
    assert phases[0].begin_s == 0
    assert phases[-1].kind == "quiet"
    for before, after in pairwise(phases):
        assert before.end_s == after.begin_s
    for phase in phases:
        wanted = shape.level(phases, (phase.begin_s + phase.end_s) / 2)
        assert (wanted > 0) is (phase.kind != "quiet")


def test_phases_share_what_those_of_a_fixed_length_leave() -> None:
    assert small().phases(39.0) == [
        Phase("warm up", "warm_up", 0.0, 5.0),
        Phase("steady", "load", 5.0, 25.0),
        Phase("more", "load", 25.0, 35.0),
        Phase("rest", "quiet", 35.0, 39.0),
    ]


def test_a_level_goes_evenly_from_its_beginning_to_its_end() -> None:
    shape = small()
    phases = shape.phases(39.0)
    assert [shape.level(phases, at) for at in (0.0, 2.5, 5.0, 24.9, 25.0, 35.0, 39.0)] == [0, 5, 10, 10, 20, 0, 0]
    assert shape.part("more").kinds == ("framed",)
    assert shape.users == ["http_edge", "framed"]


def test_steps_are_phases_of_their_own() -> None:
    shape = small(OPEN)
    assert [(phase.name, phase.end_s) for phase in shape.phases(24.0)[:4]] == [
        ("step 1", 5.0),
        ("step 2", 10.0),
        ("step 3", 15.0),
        ("step 4", 20.0),
    ]
    assert [shape.part(f"step {number}").begin for number in (1, 2, 3, 4)] == [100, 200, 300, 400]
    assert shape.users == ["open_loop"]


def test_the_shortest_run_has_room_for_all_phases() -> None:
    shape = small()
    assert shape.shortest_s == 12.0
    assert shape.phases(12.0)[2].end_s == 8.0
    with pytest.raises(ShapeError, match=r"^small.yaml: 11 s are too short for its phases; let the run last for 12 s"):
        shape.phases(11.0)


def test_a_phase_of_another_file_is_not_found() -> None:
    with pytest.raises(
        ShapeError, match=r"^small.yaml: it has no phase 'spike'; the run was planned with another file"
    ):
        small().part("spike")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("loop: closed", "loop: [", "line 6 is no YAML: "),
        ("loop: closed", "loop: square", "Invalid enum value 'square' - at `$.loop`; compare it with shapes/baseline"),
        ("lasts: 2", "lasts: 2, colour: red", "Object contains unknown field `colour` - at `$.phases[1]`; compare"),
        ("about: For tests.", "", "Object missing required field `about`; compare"),
        ("http_edge: 3", "http: 3", f"there are no users 'http'; write one of {', '.join(known_users())}"),
        ("http_edge: 3", "http_edge: 0", "the weight of http_edge is 0; write a number above 0"),
        (
            "users: {http_edge: 3, framed: 1}",
            "",
            "a closed loop has users, and no requests; write users: {http_edge: 1}",
        ),
        (
            "lasts: 2, users: 10",
            "lasts: 2, rate: 10",
            "phases[1] (steady): the loop is closed, so its phases have users",
        ),
        (
            "lasts: 2, users: 10",
            "lasts: 2, users: 0",
            "phases[1] (steady): users and from are numbers above 0, of at most",
        ),
        (
            "lasts: 2, users: 10",
            "lasts: soon, users: 10",
            "phases[1] (steady): lasts is 'soon'; write a time as 15s, or",
        ),
        (
            "lasts: 2, users: 10",
            "lasts: 0, users: 10",
            "phases[1] (steady): lasts is 0; write a share above 0, or a time",
        ),
        (
            "lasts: 4s",
            "lasts: 4s, users: 3",
            "phases[3] (rest): nothing is sent in a quiet phase; take its users, rate,",
        ),
        ("kinds: [framed]", "kinds: [tenants]", "phases[2] (more): 'tenants' is none of the shape's users; add it to"),
        ("name: more", "name: steady", "two phases are called 'steady'; give each a name of its own"),
        ("lasts: 2, users: 10", "lasts: 2, users: 10, steps: 0", "phases[1] (steady): steps is 0; write 1 to 100"),
        ("loop: closed", "loop: closed\nthink_ms: -1", "think_ms is -1; write 0 to 3600000"),
    ],
)
def test_what_is_wrong_is_said_with_its_fix(old: str, new: str, said: str) -> None:
    with pytest.raises(ShapeError) as raised:
        small(CLOSED.replace(old, new, 1))
    text = str(raised.value)
    assert text.startswith("small.yaml")
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("GET /items/7", "FETCH /items/7", "requests[0]: 'FETCH /items/7' is no method and target; write it as GET"),
        ("GET /items/7", "GET items", "requests[0]: 'GET items' is no method and target; write it as GET /items/7"),
        ("[{request: GET /items/7}]", "[]", "an open loop has requests, no users, no think_ms; write requests: [{req"),
        ("loop: open", "loop: open\nconnections: 0", "connections is 0; write 1 to 20000"),
        ("loop: open", "loop: open\ntimeout_ms: 0", "timeout_ms is 0; write 1 to 3600000"),
        (
            "{name: rest, kind: quiet, lasts: 4s}",
            "{name: rest, lasts: 1, users: 4}",
            "the loop is open, so its phases have",
        ),
        ("name: step, lasts", "name: step, kind: warm_up, lasts", "no phase is judged; write one with kind: load"),
    ],
)
def test_what_is_wrong_with_an_open_loop_is_said_too(old: str, new: str, said: str) -> None:
    with pytest.raises(ShapeError) as raised:
        small(OPEN.replace(old, new, 1))
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"cannot be read: No such file or directory; give a file of loadtests/shapes"):
        read(tmp_path / "none.yaml")


def test_the_shape_of_the_readme_can_be_used() -> None:
    text = Path("loadtests/README.md").read_text()
    begin = text.index("    name: shop\n")
    example = text[begin : text.index("\n\n", begin)].replace("shop: 9", "http_edge: 9")
    shape = small("\n".join(line.removeprefix("    ") for line in example.splitlines()))
    assert [phase.name for phase in shape.phases(60.0)] == ["warm up", "steady", "noon", "rest"]


def test_the_readme_names_every_plan_and_folder() -> None:
    text = Path("loadtests/README.md").read_text()
    rows = " ".join(line for line in text.splitlines() if line.startswith("|"))
    named = set(re.findall(r"[a-z_]+", rows))
    plans = {path.stem for path in Path("loadtests/plans").glob("*.yaml")}
    folders = {path.name for path in Path("loadtests").iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert plans | folders - {"reports"} <= named
