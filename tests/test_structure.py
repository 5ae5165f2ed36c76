"""The structure that docs/architecture.md tells of: which way imports go, and that what it names is there."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from frames.session import session_table_markdown

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STOPS = (
    *("edge", "policy", "route", "targets", "transport", "calls", "admin"),
    *("faults", "fanout", "answers", "admission", "control"),
    *("access_log", "traces"),
)
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


ABOVE = ("gateway", "overview", "process", "supervisor", "merged", "explain", "cli")
"""What puts stops together, or reads them."""


@pytest.mark.parametrize("below", [*STOPS, "request", "records"])
def test_stops_do_not_import_what_puts_them_together(below: str) -> None:
    upward = [
        (path.relative_to(SOURCE).as_posix(), name)
        for path in modules(f"proxy/{below}")
        for name in imported(path)
        if name.startswith(tuple(f"proxy.{room}" for room in ABOVE))
    ]
    assert upward == []


@pytest.mark.parametrize("module", ["frames", "frames.codec", "frames.session", "frames.greeting"])
def test_frames_without_its_wire_leave_trio_unimported(module: str) -> None:
    code = f"import sys, {module}; sys.exit('trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_data_path_loads_nothing_that_only_people_need() -> None:
    people = "{'click', 'yaml', 'rich', 'prometheus_client', 'h11'}"
    code = f"import sys, proxy.gateway.app; print(*{people} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []


LATER = {
    *("click", "cryptography", "dataclasses", "encodings.idna", "frames.chunked", "frames.latency_sums"),
    *("frames.records", "h11", "joserfc", "penstock.semver", "penstock.settings.claims"),
    *("penstock.settings.differences", "penstock.settings.flow", "penstock.settings.identity"),
    *("penstock.settings.service", "penstock.settings.tables", "penstock.settings.yaml_nodes", "penstock.tracing"),
    *("penstock.tunnel", "sqlite3", "yaml", "proxy.access_log", "proxy.admin.exposition", "proxy.admin.figures"),
    *("proxy.admin.metrics", "proxy.admin.pages", "proxy.admin.percentiles", "proxy.admin.state"),
    *("proxy.admin.top_keeper", "proxy.admin.top_sample", "proxy.admission.adaptive", "proxy.admission.admitting"),
    *("proxy.admission.gate", "proxy.admission.line", "proxy.answers", "proxy.attempts.hedge"),
    *("proxy.attempts.hedging", "proxy.attempts.profiles", "proxy.attempts.retrying", "proxy.config.answer_rules"),
    *("proxy.config.changes", "proxy.config.fanouts", "proxy.config.references", "proxy.config.reload"),
    *("proxy.config.retry_profiles", "proxy.config.rules", "proxy.config.structured", "proxy.config.watching"),
    *("proxy.control", "proxy.edge.forwarded", "proxy.edge.task.body", "proxy.edge.task.client"),
    *("proxy.edge.task.departures", "proxy.edge.task.gather", "proxy.edge.task.handover", "proxy.edge.task.job"),
    *("proxy.edge.task.mend", "proxy.edge.task.spoiled", "proxy.edge.task.streams", "proxy.explain", "proxy.fanout"),
    *("proxy.faults", "proxy.gateway.breaker_keeper", "proxy.pooled", "proxy.gateway.resending"),
    *("proxy.merged", "proxy.overview.figures", "proxy.overview.lists", "proxy.overview.overview"),
    *("proxy.overview.revision", "proxy.overview.times", "proxy.overview.top", "proxy.policy.identity.api_keys"),
    *("proxy.policy.identity.compact", "proxy.policy.identity.issuer", "proxy.policy.identity.keyring"),
    *("proxy.policy.identity.verify", "proxy.policy.rates.keys", "proxy.policy.rates.limiter"),
    *("proxy.policy.rates.plan", "proxy.policy.rates.store", "proxy.beside_traffic"),
    *("proxy.process.inherited", "proxy.process.supervised", "proxy.process.worker_commands"),
    *("proxy.process.working", "proxy.records", "proxy.request.held", "proxy.request.parked"),
    *("proxy.route.placement_reader", "proxy.route.policy_join", "proxy.route.rule_scopes", "proxy.supervisor"),
    *("proxy.targets.breaker", "proxy.targets.breakers", "proxy.targets.connect", "proxy.targets.pool"),
    *("proxy.targets.pool_values", "proxy.targets.probe", "proxy.traces", "proxy.transport.dialled"),
    *("proxy.transport.dialling", "proxy.transport.identity"),
}
"""What only those load who have set something for it, or ask for it: an idle gateway's memory is small without."""


def test_a_gateway_with_defaults_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys, trio\n"
        "from proxy.config import load_gateway\n"
        "from proxy.process.running import Sources, serve\n"
        "listen = {f'PENSTOCK_{name}_LISTEN': '127.0.0.1:0' for name in ('EDGE', 'SERVICES', 'ADMIN')}\n"
        "loaded = load_gateway(listen)\n"
        "async def main():\n"
        "    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(serve, Sources(loaded, lambda: loaded))\n"
        "        print(*sys.modules)\n"
        "        nursery.cancel_scope.cancel()\n"
        "trio.run(main)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = set(run.stdout.split())
    assert "proxy.gateway.app" in loaded
    assert loaded & LATER == set()
    assert [name for name in sorted(LATER) if find_spec(name) is None] == []


LINES_MAX = 400
"""Of a file of source: one that is longer has mostly become more than one thing. Shorten it, or part it by topic."""


def test_no_file_of_source_has_become_more_than_one_thing() -> None:
    sources = [
        path for folder in ("src", "csrc") for kind in ("*.py", "*.c", "*.h") for path in (ROOT / folder).rglob(kind)
    ]
    assert len(sources) > 500
    lines = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in sources}
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}


def test_the_page_names_only_what_is_there() -> None:
    names = set(re.findall(r"`((?:src|csrc|docs)/[\w./-]+)`", ARCHITECTURE))
    assert len(names) > 15
    assert [name for name in sorted(names) if not (ROOT / name).exists() and not (ROOT / f"{name}.c").exists()] == []


def test_the_table_of_sessions_in_the_page_is_the_one_in_the_code() -> None:
    assert f"<!-- session table: begin -->\n{session_table_markdown()}\n<!-- session table: end -->" in ARCHITECTURE
