"""Rules for Prometheus: they can be read, fire where they must, and name only what a gateway exports."""

import re
import shutil
import subprocess

import pytest
import yaml
from deploy_support import DEPLOY, RUNBOOKS, asked, recorded, rules, unknown_of

from proxy.errors import REASONS, Fault

ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
RECORDED = {rule["record"]: rule for rule in rules("recording.yml")}
NO_FAILURES = {"method_not_implemented", "encoding_not_implemented", "fault_injected", "fault_cut"}
"""What a client asks for that nobody has promised, and what is done on purpose."""


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (on Debian as root: apt-get install prometheus)")
    done = subprocess.run([program, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_configuration_and_rules() -> None:
    promtool("check", "config", "prometheus/prometheus.yml")


def test_alerts_fire_where_they_must() -> None:
    promtool("test", "rules", "prometheus/tests/alerts.yml")


def test_vmagent_scrapes_as_prometheus_does() -> None:
    ours = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    theirs = yaml.safe_load((DEPLOY / "vmagent/vmagent.yml").read_text())
    assert theirs["scrape_configs"] == ours["scrape_configs"]
    assert set(theirs) <= {"global", "scrape_configs"}  # what vmagent knows
    (scrape,) = ours["scrape_configs"]
    assert scrape["job_name"] == "penstock"  # by which PenstockDown asks


@pytest.mark.parametrize("name", [*ALERTS, *RECORDED])
def test_rules_name_only_what_is_there(name: str) -> None:
    question = (ALERTS.get(name) or RECORDED[name])["expr"]
    assert unknown_of(question) == []
    assert recorded(question) <= set(RECORDED)
    assert list(asked(question)) or recorded(question) or question.startswith("up{")


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_all_that_is_needed(name: str) -> None:
    rule = ALERTS[name]
    assert re.fullmatch(r"Penstock[A-Z][A-Za-z]+", name)
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    assert (RUNBOOKS / f"{name}.md").read_text().startswith(f"# {name}\n")


def labels_left(question: str) -> set[str]:
    """Labels that the result of a question has: those that sums keep, else all."""
    kept = re.findall(r"\b(?:sum|count) by \(([^)]*)\)", question)
    if kept:
        return {label.strip() for label in kept[0].split(",")}
    return {"job", "instance"} | {label for each in asked(question) for label in labels_of(each.metric)}


def labels_of(metric: str) -> tuple[str, ...]:
    from deploy_support import NAMES

    return NAMES[metric].labels


@pytest.mark.parametrize("name", ALERTS)
def test_what_a_person_reads_has_no_holes(name: str) -> None:
    rule = ALERTS[name]
    question = rule["expr"]
    left = labels_left(question)
    for series in recorded(question):
        left |= labels_left(RECORDED[series]["expr"]) or {"service"}
        left |= {"service", "instance"}
    said = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= left


def test_every_alert_is_tested_to_fire_and_to_stay_quiet() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus/tests/alerts.yml").read_text())["tests"]
    names = [test["name"] for test in tests]
    assert [f"{name} {how}" for name in ALERTS for how in ("fires", "stays quiet")] == names[: 2 * len(ALERTS)]
    for test in tests[: 2 * len(ALERTS)]:
        (asked_for,) = test["promql_expr_test"]
        assert test["name"].split()[0] in asked_for["expr"]
        assert bool(asked_for["exp_samples"]) is test["name"].endswith("fires")


def test_failures_are_the_reasons_that_a_client_could_not_prevent() -> None:
    question = RECORDED["penstock:gateway_failures:rate5m"]["expr"]
    (listed,) = re.findall(r'reason=~"([^"]*)"', question)
    ours = {code for code, reason in REASONS.items() if reason.status >= 500 and reason.fault is not Fault.CLIENT}
    assert set(listed.split("|")) == ours - NO_FAILURES


def test_other_rules_name_reasons_that_there_are() -> None:
    for rule in ALERTS.values():
        for listed in re.findall(r'reason=~?"([^"]*)"', rule["expr"]):
            assert set(listed.split("|")) <= set(REASONS)
