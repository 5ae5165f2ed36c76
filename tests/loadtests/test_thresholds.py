"""Files of thresholds: those that are here can be read, and what is wrong in one is said with the fix."""

from pathlib import Path

import pytest
from loadtests.verdict.thresholds import Thresholds, ThresholdsError, read_thresholds

FOLDER = Path(__file__).parents[2] / "loadtests" / "thresholds"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_those_that_are_here_can_be_read(path: Path) -> None:
    assert read_thresholds(path) != Thresholds()


def test_an_empty_file_asks_what_is_asked_anyway(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text("# nothing\n")
    assert read_thresholds(path) == Thresholds()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("errors: {percent: 1}", ": Object contains unknown field `percent` - at `$.errors`; loadtests/verdict/"),
        ("proof: {requests_min: many}", ": Expected `int`, got `str` - at `$.proof.requests_min`; loadtests/verdict/"),
        ("- 1", ": Expected `object`, got `array`; loadtests/verdict/"),
        ("errors: {\n  a", ", line 2 is no YAML: "),
        ('latency: {at_most_us: {"p99": 1}}', """: latency: 'p99' is no percentile; write "99.9", above 0"""),
        ('latency: {baseline_ratio_max: {"0": 1}}', ": latency: '0' is no percentile"),
        ("rest: {left_max: {sockets: 1}}", ": rest.left_max: no such name: sockets; there are exchanges, streams"),
        ('log: {expected: [{matches: "("}]}', ": log.expected: '(' is no regular expression: missing ), unterminated"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ThresholdsError) as caught:
        read_thresholds(path)
    assert str(caught.value).startswith(f"{path}{said}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ThresholdsError, match=r"cannot be read: No such file or directory; name a file of"):
        read_thresholds(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ThresholdsError, match="is no text in UTF-8"):
        read_thresholds(tmp_path / "odd.yaml")
