"""What deploy/ holds, and what can be told from a question for Prometheus without asking one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from proxy.admin.metric_names import METRICS, OF_WIRE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"

TARGET_LABELS = {"job", "instance", "le"}
"""What Prometheus adds, and the one of histograms."""
NAMES = {metric.name: metric for metric in (*METRICS, *OF_WIRE.values())}
_SERIES = re.compile(r"\b((?:penstock|process)_\w+)(\{[^}]*\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_RECORDED = re.compile(r"\bpenstock:[\w:]+")


class Asked(NamedTuple):
    """One selector of a question: a metric without what Prometheus puts behind a histogram's name, and its labels."""

    metric: str
    labels: frozenset[str]


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a file, of all its groups."""
    groups = yaml.safe_load((RULES / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def asked(question: str) -> Iterator[Asked]:
    """The selectors of a question."""
    for name, matchers in _SERIES.findall(question):
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        metric = base if base in NAMES and NAMES[base].kind == "histogram" else name
        yield Asked(metric, frozenset(_LABEL.findall(matchers)))


def recorded(question: str) -> set[str]:
    """The recorded series that a question names."""
    return set(_RECORDED.findall(question))


def unknown_of(question: str) -> list[str]:
    """What a question names that no gateway exports: metrics, and labels that they do not have."""
    wrong = []
    for each in asked(question):
        if each.metric not in NAMES:
            wrong.append(each.metric)
        else:
            labels = set(NAMES[each.metric].labels) | TARGET_LABELS
            wrong += [f"{each.metric}{{{label}}}" for label in sorted(each.labels - labels)]
    return wrong
