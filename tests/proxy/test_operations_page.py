"""docs/operations.md: it tells of each page, each parameter, and each command that there is, and of no other."""

import re
from pathlib import Path

import pytest

from proxy.admin.pages import Pages
from proxy.admin.state import AdminProblem
from proxy.cli.explain import command
from proxy.cli.main import COMMANDS
from proxy.config import gateway_registry, load_gateway
from proxy.explain.question import question_of
from proxy.gateway.app import Gateway

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_each_page_is_told() -> None:
    gateway = Gateway(load_gateway({}).settings, "gw-1")
    try:
        pages = Pages(gateway.overview.admin_state())
    finally:
        gateway.wire.close_all()
    told = set(re.findall(r"^\| `(?:GET|POST|PUT) (/[\w./-]*)` \|", PAGE, re.MULTILINE))
    assert told == set(pages._pages)


def test_each_parameter_of_explain_is_told() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| (`[^|]+) \| ", PAGE.partition("## Explain")[2], re.MULTILINE)
    told = {name for _, parameters in rows for name in re.findall(r"`(\w+)[`=]", parameters)}
    with pytest.raises(AdminProblem) as caught:
        question_of({"nothing": ["1"]})
    taken = caught.value.detail.partition("write ")[2].rstrip(".").split(", ")
    assert told == set(taken)
    flags = {flag for options, _ in rows for flag in re.findall(r"--[\w-]+", options)}
    settings = {setting.flag for setting in gateway_registry()}
    options = {name for one in command.params for name in one.opts if name.startswith("--")} - settings
    assert flags == options - {"--output"}


def test_the_commands_that_are_told_are_there() -> None:
    told = set(re.findall(r"penstock ([\w-]+)", PAGE)) - {"for"}
    assert {"explain", "routes", "services", "reload"} <= told <= set(COMMANDS)
