"""Runbooks: a page for each alert, and what they name is there: commands, settings, metrics, other pages."""

import re
from pathlib import Path

import click
import pytest
from deploy_support import NAMES, RUNBOOKS, rules, unknown_of

from proxy.cli.main import COMMANDS, command
from proxy.config import gateway_registry

ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
TOOLS = RUNBOOKS.parent / "tools.md"
PAGES = sorted(RUNBOOKS.glob("Penstock*.md"))
SETTINGS = {setting.name for setting in gateway_registry()}
SECTIONS = {name.partition(".")[0] for name in SETTINGS}


def test_there_is_a_page_for_each_alert_and_no_other() -> None:
    assert [path.stem for path in PAGES] == sorted(ALERTS)


def test_the_list_has_all_of_them_with_their_severity() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert listed == [(name, name, rule["labels"]["severity"]) for name, rule in ALERTS.items()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_when_what_where_to_look_and_what_to_do(path: Path) -> None:
    text = path.read_text()
    rule = ALERTS[path.stem]
    when = f"after {rule['for']}" if "for" in rule else "at once"
    assert text.startswith(f"# {path.stem}\n\n*{rule['labels']['severity']}, {when}*\n\n")
    for part in ("\n**What clients feel.** ", "\n**Look.**\n\n    ", "\n**Do.**\n\n- "):
        assert part in text
    assert max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize("path", [*PAGES, RUNBOOKS / "README.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_metrics_that_a_page_names_are_exported(path: Path) -> None:
    text = path.read_text()
    assert unknown_of(text) == []
    for name in re.findall(r"`((?:penstock|process)_\w+)`", text):
        assert re.sub(r"_(bucket|count|sum)$", "", name) in NAMES or name in NAMES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_settings_that_a_page_names_are_there(path: Path) -> None:
    for name in re.findall(r"`([a-z_]+\.[a-z_]+)[`:]", path.read_text()):
        if name.partition(".")[0] in SECTIONS:
            assert name in SETTINGS


def commands_of(text: str) -> list[list[str]]:
    """Commands of penstock: lines that begin so, and what stands in marks."""
    lines = re.findall(r"^    (?:\$ )?(penstock [a-z].*)$", text, re.MULTILINE) + re.findall(
        r"`(penstock [^`]*)`", text
    )
    return [re.split(r"\s+#|\s\|\s|\s&&\s|   +", line)[0].split()[1:] for line in lines]


@pytest.mark.parametrize("path", [*PAGES, TOOLS], ids=lambda path: path.stem)
def test_commands_that_a_page_names_are_there_with_their_options(path: Path) -> None:
    assert isinstance(command, click.Group)
    for words in commands_of(path.read_text()):
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, words
        found = command.get_command(click.Context(command), words[0])
        rest = words[1:]
        while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
            found, rest = found.get_command(click.Context(found), rest[0]), rest[1:]
        assert found is not None, words
        if isinstance(found, click.Group):
            continue
        known = {name for each in found.get_params(click.Context(found)) for name in each.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words
