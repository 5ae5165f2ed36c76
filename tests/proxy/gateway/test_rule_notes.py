import pytest

from proxy.gateway.rule_notes import RuleNotes
from proxy.route.rules import Policies


class Noting(Policies):
    """Policies whose notes are given."""

    def __init__(self, *notes: str) -> None:
        super().__init__()
        self.given = notes

    @property
    def notes(self) -> tuple[str, ...]:
        return self.given


def test_each_note_is_told_once_as_long_as_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    notes = RuleNotes()
    told: list[list[str]] = []
    for policies in (Noting(), Noting("a"), Noting("a", "b"), Noting("a", "b"), Noting("b"), Noting(), Noting("a")):
        caplog.clear()
        notes.tell(policies)
        told.append([record.getMessage() for record in caplog.records])
    assert told == [[], ["a"], ["b"], [], [], [], ["a"]]


def test_a_note_is_a_warning_of_the_rules_and_no_format(caplog: pytest.LogCaptureFixture) -> None:
    RuleNotes().tell(Noting("100 %s"))
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("penstock.rules", "WARNING", "100 %s")
