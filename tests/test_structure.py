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


@pytest.mark.parametrize("module", ["frames", "frames.codec", "frames.session", "frames.greeting"])
def test_frames_without_its_wire_leave_trio_unimported(module: str) -> None:
    code = f"import sys, {module}; sys.exit('trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_data_path_loads_nothing_that_only_people_need() -> None:
    code = "import sys, proxy.app; print(*{'click', 'yaml', 'rich', 'prometheus_client', 'h11'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []


LATER = {
    *("dataclasses", "encodings.idna", "joserfc", "cryptography", "click", "yaml", "h11"),
    *("penstock.semver", "penstock.settings.claims", "penstock.settings.differences", "penstock.settings.flow"),
    *("penstock.settings.identity", "penstock.settings.tables", "penstock.settings.yaml_nodes"),
    *("penstock.settings.service", "proxy.edge.forwarded"),
    *("proxy.beside_traffic", "proxy.config.changes", "proxy.config.reload", "proxy.config.watching"),
    *("proxy.admin.figures", "proxy.config.references", "proxy.explain", "proxy.overview_figures"),
    *("proxy.overview_lists", "proxy.policy.identity.api_keys", "proxy.policy.identity.compact"),
    *("proxy.policy.identity.issuer", "proxy.policy.identity.keyring", "proxy.policy.identity.verify"),
    *("proxy.route.placement_reader", "proxy.route.policy_join", "proxy.route.rule_scopes"),
    *("proxy.admission.admitting", "proxy.admission.adaptive", "proxy.admission.gate", "proxy.admission.line"),
    *("proxy.config.rules", "proxy.config.structured", "proxy.faults", "proxy.edge.task.spoiled"),
    *("proxy.attempts.profiles", "proxy.attempts.retrying", "proxy.config.retry_profiles", "proxy.resending"),
    *("proxy.breaker_keeper", "proxy.targets.breaker", "proxy.targets.breakers", "proxy.targets.probe"),
    *("penstock.tunnel", "proxy.pooled", "proxy.targets.connect", "proxy.targets.pool", "proxy.targets.pool_values"),
    *("proxy.transport.dialled", "proxy.transport.dialling", "proxy.transport.identity"),
    *("proxy.config.fanouts", "proxy.fanout", "proxy.attempts.hedge", "proxy.attempts.hedging"),
    *("proxy.answers", "proxy.config.answer_rules", "proxy.parked", "sqlite3"),
    *("proxy.edge.task.gather", "proxy.edge.task.handover", "proxy.edge.task.client", "proxy.edge.task.body"),
    *("proxy.edge.task.departures", "proxy.edge.task.job", "proxy.edge.task.mend", "proxy.edge.task.streams"),
    *("proxy.policy.rates.keys", "proxy.policy.rates.limiter", "proxy.policy.rates.plan", "proxy.policy.rates.store"),
    *("proxy.admin.percentiles", "proxy.admin.top_keeper", "proxy.admin.top_sample", "proxy.overview_top"),
    *("proxy.control", "proxy.inherited", "proxy.merged"),
    *("frames.latency_sums", "proxy.overview_times", "proxy.revision", "proxy.admin.metrics", "proxy.admin.exposition"),
    *("proxy.supervised", "proxy.supervisor", "proxy.worker_commands", "proxy.working"),
    *("frames.chunked", "proxy.held", "proxy.overview", "proxy.admin.pages", "proxy.admin.state"),
    *("proxy.access_log", "proxy.records", "proxy.traces", "penstock.tracing", "frames.records"),
}
"""What only those load who have set something for it, or ask for it: an idle gateway's memory is small without."""


def test_a_gateway_with_defaults_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys, trio\n"
        "from proxy.config import load_gateway\n"
        "from proxy.running import Sources, serve\n"
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
    assert "proxy.app" in loaded
    assert loaded & LATER == set()
    assert [name for name in sorted(LATER) if find_spec(name) is None] == []


def test_the_page_names_only_what_is_there() -> None:
    names = set(re.findall(r"`((?:src|csrc|docs)/[\w./-]+)`", ARCHITECTURE))
    assert len(names) > 15
    assert [name for name in sorted(names) if not (ROOT / name).exists() and not (ROOT / f"{name}.c").exists()] == []


def test_the_table_of_sessions_in_the_page_is_the_one_in_the_code() -> None:
    assert f"<!-- session table: begin -->\n{session_table_markdown()}\n<!-- session table: end -->" in ARCHITECTURE
