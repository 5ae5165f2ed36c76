"""docs/choosing.md: its examples are read as the page says."""

import re
from pathlib import Path
from textwrap import dedent

from proxy.config import load_gateway
from proxy.config.rules import make_rules
from proxy.route.placement_file import FilePlacement

PAGE = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text()


def block(first: str) -> str:
    """The indented block that begins with a line."""
    found = re.search(rf"(?:^    {re.escape(first)}\n(?:    .*\n)+)", PAGE, re.MULTILINE)
    assert found is not None
    return dedent(found[0])


def test_the_split(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(block("rules:"))
    (rule,) = make_rules(load_gateway({}, path=path).settings.rules)
    assert rule.split is not None
    assert dict(rule.split.weights) == {"1.4.0": 95, "2.0.0": 5}
    assert [case.version for case in rule.split.cases] == ["2.0.0", "2.0.0"]


def test_the_placement_map(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(block("kind: aggregate_placement"))
    source = FilePlacement([path])
    source.load()
    placement = source.maps["aggregate_placement"]
    assert [placement.tenants[tenant].name for tenant in (b"acme", b"umbrella")] == ["one", "two"]
