"""The structure that docs/architecture.md tells of: which way imports go, and that what it names is there."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from frames.session import session_table_markdown

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STOPS = ("edge", "policy", "route", "targets", "transport", "calls", "admin")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(folder: str) -> list[Path]:
    found = sorted((SOURCE / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize(
    ("package", "above"),
    [("frames", ("penstock", "proxy")), ("penstock", ("proxy",))],
)
def test_imports_go_one_way(package: str, above: tuple[str, ...]) -> None:
    upward = [
        (path.relative_to(SOURCE).as_posix(), name)
        for path in modules(package)
        for name in imported(path)
        if name.split(".")[0] in above
    ]
    assert upward == []


@pytest.mark.parametrize("stop", STOPS)
def test_stops_do_not_import_each_other(stop: str) -> None:
    others = {f"proxy.{other}" for other in STOPS if other != stop}
    sideways = [
        (path.relative_to(SOURCE).as_posix(), name)
        for path in modules(f"proxy/{stop}")
        for name in imported(path)
        if ".".join(name.split(".")[:2]) in others
    ]
    assert sideways == []


@pytest.mark.parametrize("module", ["frames", "frames.codec", "frames.session", "frames.greeting"])
def test_frames_without_its_wire_leave_trio_unimported(module: str) -> None:
    code = f"import sys, {module}; sys.exit('trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_data_path_loads_nothing_that_only_people_need() -> None:
    code = "import sys, proxy.app; print(*{'click', 'yaml', 'rich', 'prometheus_client', 'h11'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []


def test_the_page_names_only_what_is_there() -> None:
    names = set(re.findall(r"`((?:src|csrc|docs)/[\w./-]+)`", ARCHITECTURE))
    assert len(names) > 15
    assert [name for name in sorted(names) if not (ROOT / name).exists() and not (ROOT / f"{name}.c").exists()] == []


def test_the_table_of_sessions_in_the_page_is_the_one_in_the_code() -> None:
    assert f"<!-- session table: begin -->\n{session_table_markdown()}\n<!-- session table: end -->" in ARCHITECTURE
