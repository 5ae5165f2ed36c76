"""The corpus itself: enough cases, each known by one name, for each part of RFC 9112 that has rules for servers."""

import re
from collections import Counter
from pathlib import Path

from cases import CASES

# Sections of RFC 9112 with rules for what a server or an intermediary receives. Not here: 4 (see the bad responses),
# 3.3 and 9.1 to 9.2 (no bytes of their own), 7.2 to 7.4 (codings that are not taken, see 6.1), 9.4 to 9.5 (timeouts),
# 9.7, 9.8 (TLS) and 10 (media types).
SECTIONS = (
    *("2.2", "2.3", "3", "3.1", "3.2", "3.2.1", "3.2.2", "3.2.3", "3.2.4", "5.1", "5.2", "6.1", "6.2", "6.3"),
    *("7.1", "7.1.1", "7.1.2", "7.1.3", "8", "9.3", "9.3.2", "9.6", "11.2"),
)


def test_each_case_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []


def test_each_case_has_bytes_of_its_own() -> None:
    by_data: dict[bytes, list[str]] = {}
    for case in CASES:
        by_data.setdefault(case.data, []).append(case.id)
    doubled = [names for names in by_data.values() if len({name.split("-")[0] for name in names}) < len(names)]
    assert len(doubled) <= 12, doubled  # the same bytes may show several rules, now and then


def test_there_are_enough() -> None:
    assert len(CASES) >= 280


def test_each_section_with_rules_for_servers_is_there() -> None:
    there = {case.section for case in CASES}
    assert [section for section in SECTIONS if f"9112-{section}" not in there] == []


def test_each_case_says_its_rule() -> None:
    assert [case.id for case in CASES if len(case.rule) < 8 or not case.data] == []


def test_good_and_bad_are_both_there() -> None:
    refused = sum(isinstance(case.strict.answers[-1], int) for case in CASES if case.strict.answers)
    assert 150 < refused < len(CASES) - 100
    assert any(case.strict != case.tolerant for case in CASES)


def test_the_documented_rules_are_held_by_cases_that_there_are() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/http.md").read_text()
    named = set(re.findall(r"`(91\d\d-[0-9.]+)`", page))
    assert named - {case.section for case in CASES} == set()
    assert len(named) > 40
