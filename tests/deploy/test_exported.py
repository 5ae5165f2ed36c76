"""What rules and dashboards ask for, a gateway that runs exports."""

import json
import re

from deploy_support import DEPLOY, NAMES, asked, rules
from lab import open_lab


def asked_for() -> set[str]:
    questions = [rule["expr"] for name in ("alerts.yml", "recording.yml") for rule in rules(name)]
    for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            questions += [target["expr"] for target in panel.get("targets", ())]
    return {each.metric for question in questions for each in asked(question)}


async def test_every_metric_that_is_asked_for_is_exported() -> None:
    async with open_lab() as lab:
        page = await lab.admin("/metrics")
    exported = set(re.findall(r"^# TYPE (\w+) ", page.body.decode(), re.MULTILINE))
    wanted = asked_for()
    assert len(wanted) > 80
    missing = {name for name in wanted if name not in exported and name.removesuffix("_total") not in exported}
    assert missing == set()
    assert wanted <= set(NAMES)
