"""Versions and ranges: by recorded cases, and against the package semver and npm's own where they are there."""

import json
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import semver as package
from hypothesis import given
from hypothesis import strategies as st

from penstock.semver import VersionError, highest, parse_range, parse_version, without_build

ORDERED = [  # semver.org, rule 11, and around it
    "0.0.0-0",
    "0.0.0-a",
    "0.0.0",
    "0.0.1",
    "0.1.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-2",
    "2.0.0-10",
    "2.0.0--1",
    "2.0.0-a",
    "2.0.0",
]


def test_versions_sort_by_precedence() -> None:
    shuffled = list(ORDERED)
    random.Random(4).shuffle(shuffled)
    assert sorted(shuffled, key=parse_version) == ORDERED


@pytest.mark.parametrize("text", ORDERED)
def test_a_version_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_version(text)) == text


def test_build_metadata_is_not_compared() -> None:
    assert parse_version("1.4.0+b.7") == parse_version("1.4.0") == parse_version("1.4.0+001")
    assert without_build("1.4.0-rc.1+b-7") == "1.4.0-rc.1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no version: it is empty; write one like 1.4.0"),
        ("1", "'1' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2", "'1.2' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2.3.4", "'1.2.3.4' is no version: write major.minor.patch, like 1.4.0"),
        ("v1.2.3", "'v1.2.3' is no version: leave out the 'v'"),
        ("01.2.3", "'01.2.3' is no version: a number must not begin with 0"),
        ("1.2.3-01", "'1.2.3-01' is no version: a number must not begin with 0"),
        ("1.2.3-", "'1.2.3-' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2.3+", "'1.2.3+' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2.3-a..b", "'1.2.3-a..b' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2.3-ä", "'1.2.3-\\xe4' is no version: write major.minor.patch, like 1.4.0"),
        ("\u0661.2.3", "'\\u0661.2.3' is no version: write major.minor.patch, like 1.4.0"),
        ("1.2.3\n", "'1.2.3\\n' is no version: write major.minor.patch, like 1.4.0"),
        (" 1.2.3", "' 1.2.3' is no version: write major.minor.patch, like 1.4.0"),
        ("latest", "'latest' is no version: write major.minor.patch, like 1.4.0"),
        ("^1.2.3", "'^1.2.3' is no version: write major.minor.patch, like 1.4.0"),
    ],
)
def test_what_is_no_version(text: str, message: str) -> None:
    with pytest.raises(VersionError) as raised:
        parse_version(text)
    assert str(raised.value) == message


def test_a_version_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(VersionError, match=r"^'9{57,60}\.\.\.' is no version: it is longer than 255 characters$"):
        parse_version("9" * 5_000 + ".0.0")
    assert parse_version("9" * 251 + ".0.0")


MATCHES = [
    # range, what is in it, what is not
    ("1.4.0", "1.4.0 1.4.0+b", "1.4.1 1.4.0-rc 1.3.9"),
    ("=1.4.0", "1.4.0", "1.4.1"),
    ("1.4.0+b", "1.4.0 1.4.0+c", "1.4.1"),
    ("^1.2", "1.2.0 1.9.9", "1.1.9 2.0.0 2.0.0-rc 1.5.0-rc 1.2.0-rc"),
    ("^1", "1.0.0 1.9.9", "0.9.9 2.0.0-0 2.0.0"),
    ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"),
    ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
    ("^0.0", "0.0.0 0.0.9", "0.1.0"),
    ("^0", "0.0.0 0.9.9", "1.0.0"),
    ("^1.2.3-rc.2", "1.2.3-rc.2 1.2.3-rc.10 1.2.3 1.9.0", "1.2.3-rc.1 1.2.4-rc.2 2.0.0"),
    ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
    ("~1.2", "1.2.0 1.2.9", "1.1.0 1.3.0 1.3.0-0"),
    ("~1", "1.0.0 1.9.0", "2.0.0"),
    ("~0.2.3", "0.2.3 0.2.9", "0.3.0"),
    ("~1.2.3-b", "1.2.3-b 1.2.3-c 1.2.9", "1.2.4-b 1.2.3-a"),
    ("1.x", "1.0.0 1.9.0", "2.0.0 0.9.0"),
    ("1.2.X", "1.2.0 1.2.9", "1.3.0"),
    ("1.2.*", "1.2.0 1.2.9", "1.3.0"),
    ("1", "1.0.0 1.9.0", "2.0.0"),
    ("*", "0.0.0 9.9.9", "1.0.0-rc 0.0.0-0"),
    (">=1.2 <2", "1.2.0 1.9.0", "1.1.9 2.0.0 2.0.0-rc 1.5.0-rc"),
    (">= 1.2  < 2", "1.2.0 1.9.0", "1.1.9 2.0.0"),
    (">=1.2.0-rc.1", "1.2.0-rc.1 1.2.0-rc.2 1.2.0 9.0.0", "1.3.0-rc.1 1.2.0-beta"),
    (">=1.2.0-rc.1 <1.2.0", "1.2.0-rc.1", "1.2.0 1.1.0"),
    (">1", "2.0.0", "1.9.9 2.0.0-rc"),
    (">1.2", "1.3.0", "1.2.9"),
    (">1.2.3", "1.2.4", "1.2.3"),
    ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
    ("<=1.2.3", "1.2.3", "1.2.4"),
    ("<1.2", "1.1.9", "1.2.0 1.2.0-rc"),
    ("<=1", "1.9.9", "2.0.0"),
    ("<*", "", "0.0.0 0.0.0-0 1.0.0"),
    (">*", "", "0.0.0 1.0.0"),
    (">=*", "0.0.0 1.0.0", "1.0.0-rc"),
    ("1.2 - 1.8", "1.2.0 1.8.9", "1.1.9 1.9.0"),
    ("1.2.3 - 1.8.0", "1.2.3 1.8.0", "1.2.2 1.8.1"),
    ("1.2.3 - 2.0.0-rc.1", "1.2.3 2.0.0-rc.1 2.0.0-alpha", "2.0.0 2.0.0-rc.2 1.9.0-rc"),
    ("* - 2", "0.0.0 2.9.9", "3.0.0"),
    ("^1 || ^3", "1.5.0 3.5.0", "2.0.0 4.0.0"),
    ("1.4.0||1.6.0", "1.4.0 1.6.0", "1.5.0"),
    ("^1.2 <1.5", "1.2.0 1.4.9", "1.5.0 1.1.0"),
]


@pytest.mark.parametrize(("text", "inside", "outside"), MATCHES)
def test_what_is_in_a_range(text: str, inside: str, outside: str) -> None:
    wanted = parse_range(text)
    assert [version for version in inside.split() if not wanted.matches(parse_version(version))] == []
    assert [version for version in outside.split() if wanted.matches(parse_version(version))] == []


def test_the_highest_of_a_range() -> None:
    versions = [parse_version(text) for text in ("1.2.0", "1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0")]
    assert str(parse_range("^1.2").highest(versions)) == "1.10.0"
    assert parse_range("^3").highest(versions) is None
    assert str(highest(versions)) == "2.0.0"


LIKE = "write one like 1.4.0, ^1.2, ~1.2.3, 1.x, >=1.2 <2 or ^1 || ^3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no version and no range: it is empty; write one like 1.4.0"),
        (" ", f"' ' is no version and no range: {LIKE}"),
        ("latest", f"'latest' is no version and no range: {LIKE}"),
        ("v1", "'v1' is no version and no range: leave out the 'v'"),
        ("^1 || V2", "'V2' in '^1 || V2' is no version and no range: leave out the 'V'"),
        ("~>1.2", f"'>1.2' in '~>1.2' is no version and no range: {LIKE}"),
        ("^^1", f"'^1' in '^^1' is no version and no range: {LIKE}"),
        ("1.x.3", f"'1.x.3' is no version and no range: {LIKE}"),
        ("1.2-rc", f"'1.2-rc' is no version and no range: {LIKE}"),
        ("1.2.x-rc", f"'1.2.x-rc' is no version and no range: {LIKE}"),
        ("1.2 -1.3", f"'-1.3' in '1.2 -1.3' is no version and no range: {LIKE}"),
        ("1 - 2 - 3", f"'-' in '1 - 2 - 3' is no version and no range: {LIKE}"),
        (">=1 ||", "'>=1 ||' is no range: nothing stands on one side of ||"),
        ("|| 1", "'|| 1' is no range: nothing stands on one side of ||"),
        ("1 | 2", f"'|' in '1 | 2' is no version and no range: {LIKE}"),
        ("01.x", "'01.x' is no version and no range: a number must not begin with 0"),
        (">=", "'' in '>=' is no version and no range: it is empty; write one like 1.4.0"),
        ("1,2", f"'1,2' is no version and no range: {LIKE}"),
    ],
)
def test_what_is_no_range(text: str, message: str) -> None:
    with pytest.raises(VersionError) as raised:
        parse_range(text)
    assert str(raised.value) == message


def test_a_range_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(VersionError, match=r" is no version and no range: it is longer than 255 characters$"):
        parse_range(" || ".join(["1.0.0"] * 40))


IDENTIFIERS = ("0", "1", "2", "10", "a", "rc", "-", "1a", "beta")
FULL = st.builds(
    "{}.{}.{}{}".format,
    *[st.integers(0, 3)] * 3,
    st.lists(st.sampled_from(IDENTIFIERS), max_size=2).map(lambda parts: "-" * bool(parts) + ".".join(parts)),
)


@given(st.one_of(FULL, st.text("01.-+ab", max_size=12)), FULL)
def test_versions_are_those_of_the_package_semver(text: str, other: str) -> None:
    is_version = package.Version.is_valid(text)
    if not is_version:
        with pytest.raises(VersionError):
            parse_version(text)
        return
    mine, theirs = parse_version(text), parse_version(other)
    assert (mine > theirs) - (mine < theirs) == package.Version.parse(text).compare(other)


@given(st.text("0123.x*^~<>=-| ab+v", max_size=14))
def test_any_text_is_a_range_or_a_clear_error(text: str) -> None:
    with suppress(VersionError):
        parse_range(text).matches(parse_version("1.2.3"))


ORACLE = """
const semver = require(process.argv[1]);
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const inside = ([range, versions]) => versions.map(version => semver.satisfies(version, range));
console.log(JSON.stringify(cases.map(inside)));
"""
FOLDERS = ("/usr/share/nodejs/semver", "/usr/lib/node_modules/semver", "/usr/lib/node_modules/npm/node_modules/semver")


def npm_semver() -> tuple[str, str]:
    """Node, and where npm's semver lies; beside an npm that is installed elsewhere, too."""
    node, npm = shutil.which("node"), shutil.which("npm")
    beside = [str(Path(npm).resolve().parents[1] / "node_modules/semver")] if npm else []
    found = next((folder for folder in (*FOLDERS, *beside) if Path(folder, "package.json").exists()), None)
    if node is None or found is None:
        pytest.skip("ranges are not compared with npm's: this needs node, and the npm package semver")
    return node, found


def ask_npm(cases: list[tuple[str, list[str]]]) -> list[list[bool]]:
    node, folder = npm_semver()
    command = [node, "--eval", ORACLE, folder]
    ran = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=30)
    answers: list[list[bool]] = json.loads(ran.stdout)
    return answers


def test_recorded_cases_are_as_npm_has_them() -> None:
    cases = [(text, (inside + " " + outside).split()) for text, inside, outside in MATCHES]
    assert ask_npm(cases) == [[True] * len(i.split()) + [False] * len(o.split()) for _, i, o in MATCHES]


def a_version(draw: random.Random) -> str:
    pre = ".".join(draw.choices(IDENTIFIERS, k=draw.choice((0, 0, 1, 2))))
    return ".".join(str(draw.randrange(4)) for _ in range(3)) + (f"-{pre}" if pre else "")


def a_partial(draw: random.Random) -> str:
    number, last = draw.randrange(4), draw.choice("0123xX*")
    return draw.choice((a_version(draw), a_version(draw), f"{number}", f"{number}.{last}", f"{number}.{number}.{last}"))


def an_alternative(draw: random.Random) -> str:
    if draw.random() < 0.2:
        return f"{a_partial(draw)} - {a_partial(draw)}"
    signs = ("", "^", "~", ">=", "<=", ">", "<", "=", ">= ")
    return " ".join(draw.choice(signs) + a_partial(draw) for _ in range(draw.choice((1, 1, 2, 3))))


def test_random_ranges_have_what_npm_says() -> None:
    draw = random.Random(2_000)
    ranges = [" || ".join(an_alternative(draw) for _ in range(draw.choice((1, 1, 2)))) for _ in range(3_000)]
    cases = [(text, [a_version(draw) for _ in range(20)]) for text in ranges]
    mine = [[parse_range(text).matches(parse_version(version)) for version in versions] for text, versions in cases]
    theirs = ask_npm(cases)
    assert [(case, mine[at], theirs[at]) for at, case in enumerate(cases) if mine[at] != theirs[at]] == []
    assert 0.1 < sum(map(sum, mine)) / 60_000 < 0.9
