"""The table of targets against the cases that there are, and what is concluded from samples."""

import pytest
from benchmarks.cases import CASES
from benchmarks.judgement import Target, judge
from benchmarks.memory_cases import ALLOWED
from benchmarks.report import bodies_table, loaded_table, targets_table
from benchmarks.rounds import Outcome
from benchmarks.targets import TARGETS


def test_every_target_belongs_to_a_case() -> None:
    assert {target.case for target in TARGETS} <= set(CASES)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.case}: {target.ours}, {target.quantity}")
def test_every_target_has_a_row_with_its_unit(target: Target) -> None:
    samples = {target.ours: [{target.quantity: 1.0}], target.theirs: [{target.quantity: 2.0}]}
    row = targets_table([judge(target, {target.case: Outcome(target.case, "", samples)})])
    assert target.measure in row
    assert " 0.50 | 0.50 to 0.50 |" in row


@pytest.mark.parametrize(
    ("mib_per_s", "verdict"), [(450.0, "MISSED"), (500.0, "held"), (899.0, "held"), (900.0, "held, and the aim")]
)
def test_throughput_is_to_be_high(mib_per_s: float, verdict: str) -> None:
    target = Target("throughput", "download-1", "ours", "theirs", "mib_per_s", 0.5, 0.9, at_least=True)
    samples = {"ours": [{"mib_per_s": mib_per_s}], "theirs": [{"mib_per_s": 1000.0}]}
    assert judge(target, {"download-1": Outcome("download-1", "", samples)}).verdict == verdict


@pytest.mark.parametrize(("grown_mib", "verdict"), [(0.0, "held"), (64.0, "held"), (64.5, "MISSED")])
def test_what_is_allowed_stands_for_a_rival(grown_mib: float, verdict: str) -> None:
    target = Target("growth", "slow-readers", "penstock", ALLOWED, "growth_mib", 1.0)
    samples = {"penstock": [{"growth_mib": grown_mib}], ALLOWED: [{"growth_mib": 64.0}]}
    assert judge(target, {"slow-readers": Outcome("slow-readers", "", samples)}).verdict == verdict


def test_a_contender_without_samples_is_not_measured_and_says_why() -> None:
    target = Target("growth", "slow-readers", "penstock", ALLOWED, "growth_mib", 1.0)
    outcome = Outcome("slow-readers", "", {ALLOWED: []}, {"penstock": "it did not start"})
    judgement = judge(target, {"slow-readers": outcome})
    assert (judgement.verdict, judgement.why_not) == ("NOT MEASURED", "it did not start")


def test_bodies_and_requests_have_tables_of_their_own() -> None:
    body = {"mib_per_s": 900.0, "cpu_us_per_mib": 600.0, "busy_percent": 57.0}
    outcomes = {"download-1": Outcome("download-1", "", {"nginx": [body]})}
    assert loaded_table(outcomes) == ""
    assert "| download-1 |     nginx | 900.0 |      600.0 |     57 | 0 %    |" in bodies_table(outcomes)
