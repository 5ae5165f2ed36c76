"""Dashboards for Grafana: what they ask can be asked, and what they show can be read."""

import json
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_support import DEPLOY, NAMES, asked, recorded, rules, unknown_of

FOLDER = DEPLOY / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}
PANELS = [(uid, panel) for uid, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"]
RECORDED = {rule["record"]: rule for rule in rules("recording.yml")}
UNITS = {"short", "reqps", "cps", "s", "percentunit", "bytes"}
each_panel = pytest.mark.parametrize(
    ("uid", "panel"), PANELS, ids=[f"{uid}: {panel['title']}" for uid, panel in PANELS]
)


def questions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_they_are_as_they_are_built() -> None:
    done = subprocess.run([sys.executable, FOLDER / "build.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_four_and_each_is_known_by_its_file() -> None:
    assert list(BOARDS) == ["penstock-gateway", "penstock-overview", "penstock-routes", "penstock-services"]
    assert [board["uid"] for board in BOARDS.values()] == list(BOARDS)
    assert all("penstock" in board["tags"] for board in BOARDS.values())


@each_panel
def test_panels_ask_only_for_what_is_there(uid: str, panel: dict[str, Any]) -> None:
    assert questions(panel)
    for question in questions(panel):
        assert unknown_of(question) == []
        assert recorded(question) <= set(RECORDED)
        assert list(asked(question)) or recorded(question) or "ALERTS{" in question
        for metric in asked(question):
            counts = NAMES[metric.metric].kind == "counter"
            assert counts is bool(re.search(rf"(rate|increase)\({metric.metric}\b", question)) or not counts


@each_panel
def test_panels_can_be_read(uid: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    for target in panel["targets"]:
        used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {label.strip() for by in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in by.split(",")}
        kept |= {label for each in asked(target["expr"]) for label in NAMES[each.metric].labels} | {
            "service",
            "instance",
        }
        assert used <= kept
        assert target["datasource"]["uid"] == "${datasource}"
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("uid", BOARDS)
def test_variables_that_are_used_are_defined(uid: str) -> None:
    board = BOARDS[uid]
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - {"__rate_interval"}
    assert used <= defined
    assert defined - {"datasource"} <= used
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert unknown_of(variable["query"]["query"].replace("label_values(", "").replace("_count", "")) == []


@pytest.mark.parametrize("uid", BOARDS)
def test_panels_lie_side_by_side(uid: str) -> None:
    places = [panel["gridPos"] for panel in BOARDS[uid]["panels"]]
    ids = [panel["id"] for panel in BOARDS[uid]["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_prometheus_can_read_every_question(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (on Debian as root: apt-get install prometheus)")
    written = [
        {"record": f"asked:{number}", "expr": re.sub(r"\$__rate_interval", "5m", question)}
        for number, question in enumerate(question for _, panel in PANELS for question in questions(panel))
    ]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": written}]}))
    done = subprocess.run(
        [program, "check", "rules", "asked.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_grafana_reads_at_its_start() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/penstock.yml").read_text())["providers"]
    assert provider["type"] == "file"


def test_most_metrics_are_shown_or_judged() -> None:
    """Whoever adds a metric shows it somewhere, or knows why not: few are for a closer look only."""
    told = {each.metric for _, panel in PANELS for question in questions(panel) for each in asked(question)}
    told |= {each.metric for rule in (*rules("alerts.yml"), *RECORDED.values()) for each in asked(rule["expr"])}
    ours = {name for name in NAMES if name.startswith("penstock_")}
    assert len(ours & told) / len(ours) > 0.5
