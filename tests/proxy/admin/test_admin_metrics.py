import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.admin import metric_names
from proxy.admin.figures import BodyFigures, Figures, InstanceFigures, RouteFigures, TlsFigures
from proxy.admin.latency import COUNTS, index_of
from proxy.admin.metrics import OPENMETRICS, TEXT, bounded, collect, render

ROOT = Path(__file__).parents[3]


def latency_of(*values_us: int) -> list[int]:
    counts = [0] * COUNTS
    for value in values_us:
        counts[index_of(value)] += 1
    return counts


FIGURES = Figures(
    version="1.2.3",
    ready=True,
    routes=[
        RouteFigures("GET", "/invoices/{id}", (0, 0, 7, 0, 2, 1), latency_of(200, 700, 40_000_000)),
        RouteFigures("POST", '/odd"path\\', (0,) * 6),
    ],
    reasons={"no_route": 3, "client_gone": 1},
    wire={"requests": 10, "exchanges_full": 4, "edge_open_now": 5, "edge_bytes_in": 2**60},
    instances=[
        InstanceFigures("billing", "healthy", 2),
        InstanceFigures("billing", "healthy", 3),
        InstanceFigures("billing", "draining", 1),
        InstanceFigures("orders", "degraded", 0),
    ],
    bodies=BodyFigures(streams=6, held_bytes=70_000, held_bytes_peak=80_000, refused=9),
    doubts={"malformed": 11, "disagreeing": 0},
    tls=TlsFigures(12, 5, 3, {"version": 2}, reloads=4, bad_reloads=1, certificate_seconds_left=-0.5),
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
    assert samples["penstock_build_info", ("1.2.3",)] == 1
    assert samples["penstock_ready", ()] == 1
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "2xx")] == 7
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "3xx")] == 0
    assert samples["penstock_requests_total", ("GET", "/invoices/{id}", "5xx")] == 1
    assert samples["penstock_requests_total", ("POST", '/odd"path\\', "2xx")] == 0
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


def test_the_duration_is_a_histogram() -> None:
    samples = samples_of(FIGURES)
    duration = "penstock_request_duration_seconds"
    buckets = {labels[0]: value for (name, labels), value in samples.items() if name == f"{duration}_bucket"}
    assert buckets["0.00025"] == 1
    assert buckets["0.0005"] == 1
    assert buckets["0.001"] == 2
    assert buckets["30.0"] == 2
    assert buckets["+Inf"] == 3
    assert samples[f"{duration}_count", ("GET", "/invoices/{id}")] == 3
    assert samples[f"{duration}_sum", ("GET", "/invoices/{id}")] == pytest.approx(40.0009, rel=0.004)
    assert (f"{duration}_count", ("POST", '/odd"path\\')) not in samples


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
    header = (ROOT / "csrc" / "wire.h").read_text()
    body = next(part for part in header.split("typedef struct {") if "} wire_counters;" in part).split("}", 1)[0]
    fields = [name for line in re.findall(r"uint64_t ([^;]+);", body) for name in line.split(", ")]
    assert list(metric_names.OF_WIRE) == fields


def test_every_metric_is_told_once_and_is_what_its_name_says() -> None:
    families = {family.name: family for family in collect(FIGURES) if family.name.startswith("penstock_")}
    names = [name.name.removesuffix("_total").removesuffix("_info") for name in metric_names.METRICS]
    assert list(families) == names
    for name, metric in zip(names, metric_names.METRICS, strict=True):
        assert families[name].type == metric.kind
        assert families[name].documentation == metric.help
        assert metric.help.endswith(".")
        assert re.fullmatch(r"penstock_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert {key for sample in families[name].samples for key in sample.labels} - {"le"} <= set(metric.labels)


def test_routes_past_the_bound_are_told_together() -> None:
    routes = [
        RouteFigures("GET", "/a", (0, 0, 1, 0, 0, 0), latency_of(1)),
        RouteFigures("GET", "/b", (0, 0, 2, 0, 0, 1)),
        RouteFigures("GET", "/c", (0, 0, 3, 0, 0, 1), latency_of(2, 2)),
        RouteFigures("GET", "/d", (0, 0, 4, 0, 1, 1), latency_of(2, 9)),
        RouteFigures("PUT", "/d", (0, 0, 5, 0, 0, 0)),
    ]
    first, gets, puts = bounded(routes, 1)
    assert first is routes[0]
    assert (gets.path, gets.method, list(gets.statuses)) == ("other", "GET", [0, 0, 9, 0, 1, 3])
    assert gets.latency == latency_of(2, 2, 2, 9)
    assert (puts.path, puts.method, list(puts.statuses), puts.latency) == ("other", "PUT", [0, 0, 5, 0, 0, 0], None)
    assert bounded(routes, 5) == routes


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
    assert samples["penstock_ready", ()] == 0
    assert samples["penstock_refusals_total", ("exchanges_full",)] == 0


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == metric_names.reference_page(), (
        "write it anew: PYTHONPATH=src python -m proxy.admin.metric_names > docs/metrics.md"
    )


def test_the_server_loads_neither_h11_nor_prometheus_client() -> None:
    code = "import sys, proxy.admin.server; print({'h11', 'prometheus_client'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert done.stdout.strip() == "set()"
