import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from metrics_page import PROCESS, render
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.admin import metric_names
from proxy.admin.exposition import OPENMETRICS, TEXT
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, RouteFigures, TlsFigures
from proxy.admin.metric_bounds import BATCH_BOUNDS, GATEWAY_BOUNDS_S, REQUEST_BOUNDS_S, TURN_BOUNDS_S
from proxy.admin.traffic_figures import (
    Distribution,
    LoopFigures,
    OutputFigures,
    WorkerFigures,
    WorkforceFigures,
)

ROOT = Path(__file__).parents[3]


def times(bounds: tuple[float, ...], *values: float) -> Distribution:
    return Distribution([sum(value <= bound for value in values) for bound in (*bounds, 1e9)], sum(values))


FIGURES = Figures(
    version="1.2.3",
    ready=True,
    routes=[
        RouteFigures(
            "GET",
            "/invoices/{id}",
            (0, 0, 7, 0, 2, 1),
            times(REQUEST_BOUNDS_S, 0.0002, 0.0007, 40),
            service="billing",
            total=times(REQUEST_BOUNDS_S, 0.0003, 0.0008, 41),
            gateway=times(GATEWAY_BOUNDS_S, 0.000_03, 0.0001, 2),
            reasons={"service_lost": 2, "no_instance": 0},
            in_flight=4,
        ),
        RouteFigures("POST", '/odd"path\\', (0,) * 6),
    ],
    reasons={"no_route": 3, "client_gone": 1},
    wire={"requests": 10, "exchanges_full": 4, "edge_open_now": 5, "edge_bytes_in": 2**60},
    instances=[
        InstanceFigures("billing", "healthy", 2, "1.0", "b-1", (0, 0, 5, 0, 1, 0), times(REQUEST_BOUNDS_S, 0.001, 2)),
        InstanceFigures("billing", "healthy", 3, "1.0", "b-2"),
        InstanceFigures("billing", "draining", 1, "1.0", "b-3"),
        InstanceFigures("orders", "degraded", 0, "1.0", "o-1"),
    ],
    bodies=BodyFigures(streams=6, held_bytes=70_000, held_bytes_peak=80_000, refused=9),
    doubts={"malformed": 11, "disagreeing": 0},
    tls=TlsFigures(12, 5, 3, {"version": 2}, reloads=4, bad_reloads=1, certificate_seconds_left=-0.5),
    revision="0123abc",
    loop=LoopFigures(
        times(TURN_BOUNDS_S, 0.000_2, 0.03), times(TURN_BOUNDS_S, 0.004), times(BATCH_BOUNDS, 1, 3), 0.03, 0.004, 41
    ),
    workforce=WorkforceFigures(
        2,
        [WorkerFigures("0", "serving", PROCESS, 5, 6), WorkerFigures("1", "draining", PROCESS)],
        {"crash": 3},
        {"done": 1},
        silent=1,
    ),
    outputs=OutputFigures({"log": 9}, {"log": 8}, {"traces": 7}, {"access_log": 6}),
)


def samples_of(figures: Figures, accept: str = "") -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by name and label values (in the order of the labels' names), as a parser reads them."""
    content_type, body = render(figures, accept)
    parse = parse_openmetrics if content_type == OPENMETRICS else parse_text
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_what_the_figures_say_is_told(accept: str) -> None:
    samples = samples_of(FIGURES, accept)
    assert samples["penstock_build_info", ("0123abc", "1.2.3")] == 1
    assert samples["penstock_ready", ()] == 1
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "billing", "2xx")] == 7
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "billing", "3xx")] == 0
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "billing", "5xx")] == 1
    assert samples["penstock_requests_total", ("POST", '/odd"path\\', "", "2xx")] == 0
    assert samples["penstock_refusals_total", ("no_route",)] == 3
    assert samples["penstock_refusals_total", ("exchanges_full",)] == 4
    assert samples["penstock_instances", ("healthy", "billing")] == 2
    assert samples["penstock_instances", ("unhealthy", "billing")] == 0
    assert samples["penstock_instances", ("degraded", "orders")] == 1
    assert samples["penstock_service_requests_in_flight", ("billing",)] == 6
    assert samples["penstock_edge_requests_total", ()] == 10
    assert samples["penstock_edge_received_bytes_total", ()] == 2**60
    assert samples["penstock_edge_connections_open", ()] == 5
    assert samples["penstock_wire_steps_total", ()] == 0
    assert samples["penstock_streams", ()] == 6
    assert samples["penstock_body_bytes_held", ()] == 70_000
    assert samples["penstock_body_bytes_held_max", ()] == 80_000
    assert samples["penstock_body_holds_refused_total", ()] == 9
    assert samples["penstock_forwarded_doubts_total", ("malformed",)] == 11
    assert samples["penstock_forwarded_doubts_total", ("disagreeing",)] == 0
    assert samples["process_resident_memory_bytes", ()] > 0
    assert samples["penstock_route_requests_in_flight", ("GET", "/invoices/{id}", "billing")] == 4
    assert samples["penstock_route_refusals_total", ("GET", "service_lost", "/invoices/{id}", "billing")] == 2
    assert samples["penstock_instance_requests_total", ("billing", "b-1", "2xx")] == 5
    assert samples["penstock_instance_requests_in_flight", ("billing", "b-2")] == 3
    assert samples["penstock_loop_longest_turn_seconds", ()] == 0.03
    assert samples["penstock_loop_longest_away_seconds", ()] == 0.004
    assert samples["penstock_tasks", ()] == 41
    assert samples["penstock_workers", ("serving",)] == 1
    assert samples["penstock_workers", ("draining",)] == 1
    assert samples["penstock_workers", ("starting",)] == 0
    assert samples["penstock_workers_wanted", ()] == 2
    assert samples["penstock_workers_silent", ()] == 1
    assert samples["penstock_worker_starts_total", ("crash",)] == 3
    assert samples["penstock_upgrades_total", ("done",)] == 1
    assert samples["penstock_worker_cpu_seconds_total", ("0",)] == 1.5
    assert samples["penstock_worker_resident_memory_bytes", ("0",)] == 2_000
    assert samples["penstock_worker_descriptors_open", ("1",)] == 17
    assert samples["penstock_worker_edge_connections_open", ("0",)] == 5
    assert samples["penstock_worker_exchanges_in_flight", ("0",)] == 6
    assert samples["penstock_output_written_total", ("log",)] == 9
    assert samples["penstock_output_dropped_total", ("log",)] == 8
    assert samples["penstock_output_failures_total", ("traces",)] == 7
    assert samples["penstock_output_waiting", ("access_log",)] == 6


def buckets_of(samples: dict[tuple[str, tuple[str, ...]], float], name: str, le_at: int) -> dict[str, float]:
    return {labels[le_at]: value for (sample, labels), value in samples.items() if sample == f"{name}_bucket"}


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_durations_are_histograms(accept: str) -> None:
    samples = samples_of(FIGURES, accept)
    route = ("GET", "/invoices/{id}", "billing")
    service = "penstock_service_duration_seconds"
    buckets = buckets_of(samples, service, 0)
    assert buckets == {
        **dict.fromkeys(("0.00025", "0.0005"), 1),
        **{str(bound): 2 for bound in REQUEST_BOUNDS_S if bound > 0.0005},
        "+Inf": 3,
    }
    assert samples[f"{service}_count", route] == 3
    assert samples[f"{service}_sum", route] == pytest.approx(40.0009)
    assert (f"{service}_count", ("POST", '/odd"path\\', "")) not in samples
    assert samples["penstock_request_duration_seconds_sum", route] == pytest.approx(41.0011)
    gateway = buckets_of(samples, "penstock_gateway_duration_seconds", 0)
    assert (gateway["5e-05"], gateway["0.0001"], gateway["1.0"], gateway["+Inf"]) == (1, 2, 2, 3)
    instance = buckets_of(samples, "penstock_instance_duration_seconds", 0)
    assert (instance["0.0005"], instance["0.001"], instance["2.5"], instance["+Inf"]) == (0, 1, 2, 2)
    assert buckets_of(samples, "penstock_loop_turn_seconds", 0)["0.02"] == 1
    assert buckets_of(samples, "penstock_loop_batch_requests", 0)["1.0"] == 1
    assert samples["penstock_loop_batch_requests_sum", ()] == 4
    assert samples["penstock_loop_away_seconds_count", ()] == 1


def test_a_histogram_with_bounds_of_another_version_is_left_out() -> None:
    odd = Distribution([1, 2], 3)
    figures = Figures("1", True, [RouteFigures("GET", "/a", (0,) * 6, odd, total=odd, gateway=odd)])
    assert not any(name.endswith(("_bucket", "_sum")) for name, _ in samples_of(figures))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ("text/plain;q=0.3, APPLICATION/openmetrics-text;version=0.0.1;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=x\r\nset-cookie: a", OPENMETRICS),
        ("application/openmetrics-textual", TEXT),
        (";,;,,\xff", TEXT),
    ],
)
def test_the_format_is_what_the_client_accepts(accept: str, content_type: str) -> None:
    assert render(FIGURES, accept)[0] == content_type


def test_every_field_of_the_wires_counters_has_a_metric() -> None:
    header = (ROOT / "csrc" / "wire_values.h").read_text()
    body = next(part for part in header.split("typedef struct {") if "} wire_counters;" in part).split("}", 1)[0]
    fields = [name for line in re.findall(r"uint64_t ([^;]+);", body) for name in line.split(", ")]
    assert list(metric_names.OF_WIRE) == fields


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_every_metric_is_told_once_and_is_what_its_name_says(accept: str) -> None:
    content_type, body = render(FIGURES, accept)
    parse = parse_openmetrics if content_type == OPENMETRICS else parse_text
    parsed = list(parse(body.decode()))
    families = {family.name: family for family in parsed}
    assert len(families) == len(parsed)
    ends = ("_total", "_info") if accept else ("_total",)
    names = [_without(name.name, ends) for name in metric_names.METRICS]
    assert list(families) == names
    for name, metric in zip(names, metric_names.METRICS, strict=True):
        assert families[name].type == (metric.kind if accept or metric.kind != "info" else "gauge")
        assert families[name].documentation == metric.help
        assert metric.help.endswith(".")
        assert re.fullmatch(r"(penstock|process)_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert (metric.bounds != ()) == (metric.kind == "histogram")
        assert {key for sample in families[name].samples for key in sample.labels} - {"le"} <= set(metric.labels)


def _without(name: str, ends: tuple[str, ...]) -> str:
    return next((name.removesuffix(end) for end in ends if name.endswith(end)), name)


def test_tls_is_told_by_result_and_cause() -> None:
    samples = samples_of(FIGURES)
    assert samples["penstock_tls_handshakes_total", ("true",)] == 5
    assert samples["penstock_tls_handshakes_total", ("false",)] == 7
    assert samples["penstock_tls_failures_total", ("version",)] == 2
    assert samples["penstock_tls_sessions", ()] == 3
    assert samples["penstock_tls_certificate_reloads_total", ("false",)] == 1
    assert samples["penstock_tls_certificate_seconds_left", ()] == -0.5


def test_an_idle_gateway_has_metrics_too() -> None:
    samples = samples_of(Figures("0", False, (), {}, {}, ()))
    assert samples["penstock_build_info", ("unknown", "0")] == 1
    assert samples["penstock_ready", ()] == 0
    assert samples["penstock_refusals_total", ("exchanges_full",)] == 0


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == metric_names.reference_page(), (
        "write it anew: PYTHONPATH=src python -m proxy.admin.metric_names > docs/metrics.md"
    )


def test_the_server_loads_no_h11() -> None:
    code = "import sys, proxy.admin.server; print({'h11', 'proxy.admin.metrics'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert done.stdout.strip() == "set()"


def test_promtool_finds_no_fault() -> None:
    """Names, units, kinds and help texts, as Prometheus' own linter judges them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not there: install Debian's package prometheus")
    page = render(FIGURES, "")[1]
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
