"""docs/http.md: each rule is held by a test that is there, and each section of the corpus by a rule."""

import importlib
import re
from pathlib import Path

import pytest

from proxy.errors import REASONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "http.md").read_text()
RULES = re.findall(
    r"^\| ([0-9][0-9., ]*) \| (.+) \| (.+) \| (.+) \|$", PAGE.split("## Rules of RFC 9112")[1], re.MULTILINE
)
DOES_NOT_APPLY = "does not apply"


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The sections of the corpus, such as ``9112-2.2``."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "conformance"))
    return {case.section for case in importlib.import_module("cases").CASES}


def test_the_rules_were_read() -> None:
    assert len(RULES) > 100
    assert PAGE.count("\n| ") > len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule[0]} {rule[1][:40]}")
def test_every_rule_is_held_by_a_test_or_says_why_not(rule: tuple[str, str, str, str], sections: set[str]) -> None:
    _, _, how, held_by = rule
    named = re.findall(r"`([^`]+)`", held_by)
    assert named or held_by == DOES_NOT_APPLY
    assert how
    for name in named:
        assert name in sections or (ROOT / name).exists(), f"{name} is neither a section of the corpus nor a file"


def test_every_section_of_the_corpus_is_a_rule(sections: set[str]) -> None:
    named = set(re.findall(r"`(91\d\d-[0-9.]+)`", PAGE))
    assert sections - named == set()


def test_every_reason_that_is_named_is_there() -> None:
    codes = {code for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE) if not (ROOT / code).exists()}
    assert codes - set(REASONS) == set()


def test_every_setting_that_is_named_is_there() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in set(re.findall(r"`(PENSTOCK_[A-Z_]+)`", PAGE)) if f"`{name}`" not in settings] == []
