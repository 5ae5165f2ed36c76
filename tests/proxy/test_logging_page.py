"""docs/logging.md tells of every logger that there is."""

import re
from pathlib import Path

from proxy.overview.logs import LOGGERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logging.md").read_text()
NAME = re.compile(r'getLogger\("([a-z._]+)"\)')


def loggers_in(folder: str) -> set[str]:
    return {name for file in (ROOT / "src" / folder).rglob("*.py") for name in NAME.findall(file.read_text())}


def table() -> str:
    return "".join(f"| `{name}` | {what} |\n" for name, what in LOGGERS.items())


def test_the_table_of_the_gateways_loggers() -> None:
    told = PAGE.partition("<!-- loggers: begin -->\n")[2].partition("<!-- loggers: end -->")[0]
    assert told == table(), f"put this into docs/logging.md:\n{table()}"


def test_every_logger_is_told() -> None:
    assert loggers_in("proxy") - LOGGERS.keys() - {"root"} == set()
    assert {name for name in loggers_in("penstock") if f"`{name}`" not in PAGE} == set()


def test_no_logger_is_made_up() -> None:
    assert LOGGERS.keys() - loggers_in("proxy") - loggers_in("penstock") - {"root"} == set()
