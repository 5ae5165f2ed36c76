"""Faults on purpose in the configuration: read whole, every mistake with its place and fix, and the switch."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.rules import make_rules
from proxy.request.route_policy import Fault, FaultKind

YAML = """\
faults: {enabled: true}
rules:
  - service: billing
    faults:
      - {delay: 200ms, jitter: 50ms, percent: 10%}
      - {abort: 503, headers: {X-Fault: "yes"}}
      - {cut: 0B}
      - {cut: 1KiB, percent: 0.5}
      - {slow: 16KiB}
  - {service: inventory, faults: []}
"""


def load_text(tmp_path: Path, text: str) -> tuple[tuple[Fault, ...] | None, ...]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return tuple(rule.faults for rule in make_rules(load_gateway({}, path=path).settings.rules))


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_text(tmp_path, text)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_every_kind(tmp_path: Path) -> None:
    assert load_text(tmp_path, YAML) == (
        (
            Fault(kind=FaultKind.DELAY, amount=200, jitter_ms=50, percent=10),
            Fault(kind=FaultKind.ABORT, amount=503, headers=((b"x-fault", b"yes"),)),
            Fault(kind=FaultKind.CUT, amount=0),
            Fault(kind=FaultKind.CUT, amount=1024, percent=0.5),
            Fault(kind=FaultKind.SLOW, amount=16_384),
        ),
        (),
    )


def test_faults_are_refused_while_the_switch_is_off(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, YAML.replace("faults: {enabled: true}\n", ""))
    assert problem == (
        "faults_off: rules[0].faults (p.yaml:3): the rule harms requests on purpose, and faults.enabled is off;"
        " set faults.enabled: true (PENSTOCK_FAULTS_ENABLED=true) where you want that,"
        " or remove the rule's faults"
    )


def test_a_rule_that_takes_faults_away_needs_no_switch(tmp_path: Path) -> None:
    assert load_text(tmp_path, "rules: [{service: a, faults: []}]\n") == ((),)


@pytest.mark.parametrize(
    ("fault", "what", "fix"),
    [
        ("{}", "it does not say what is to be done", "write one of delay, abort, cut and slow"),
        ("{percent: 5}", "it does not say what is to be done", "write one of delay, abort, cut and slow"),
        ("{delay: 1s, abort: 500}", "delay and abort are two faults", "for two faults, two entries"),
        ("{cut: 0B, jitter: 1s}", "jitter is of a delay, and there is none", "add delay, or leave it out"),
        ("{abort: 200}", "200", "400"),
        ("{abort: 600}", "600", "599"),
        ("{delay: 2h}", "2h", "1h"),
        ("{slow: 0B}", "0B", "1B"),
        ("{delay: 1s, percent: 101}", "101 is more than the whole", "0 to 100"),
        ("{crash: true}", "crash", "delay"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix(tmp_path: Path, fault: str, what: str, fix: str) -> None:
    (problem,) = problems(tmp_path, f"faults: {{enabled: true}}\nrules:\n  - faults:\n    - {fault}\n")
    assert problem.split(" (")[0].split(": ")[1].startswith("rules[0].faults[0]")
    assert "p.yaml:4" in problem
    assert what in problem
    assert fix in problem


def test_the_page_on_resilience_shows_what_can_be_written(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "resilience.md").read_text()
    example = page.split("## Injected faults")[1].split("```yaml\n")[1].split("```")[0]
    (faults,) = load_text(tmp_path, example)
    assert [fault.kind for fault in faults or ()] == [*FaultKind][:2] + [FaultKind.CUT] * 2 + [FaultKind.SLOW]
