import pytest

from proxy.cli.columns import columns, milliseconds, seconds, strong


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert columns([("A", "BB", "C"), ("aaa", "b", "long is fine")], indent="  ") == [
        "  A    BB  C",
        "  aaa  b   long is fine",
    ]
    assert columns([]) == []


def test_one_long_cell_does_not_widen_the_column_for_all() -> None:
    assert columns([("a" * 9, "b"), ("a", "b")], width_max=4) == ["aaaaaaaaa  b", "a     b"]


def test_nothing_stands_behind_a_line() -> None:
    assert columns([("a", ""), ("bb", "")]) == ["a", "bb"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0s"), (59.4, "59s"), (60, "1m"), (3_599, "59m"), (7_200, "2h"), (86_400 * 3.9, "3d")]
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "-"), (40, "0.04 ms"), (446, "0.45 ms"), (9_430, "9.4 ms"), (12_345, "12 ms")]
)
def test_milliseconds(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_bold_is_for_people_alone() -> None:
    assert strong("a") == "a"
