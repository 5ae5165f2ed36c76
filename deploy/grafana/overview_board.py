"""The first one to look at: is all well, and if not, where."""

from panels import Board, Panel, quantile, quantiles, rate

_SERVICE = 'service=~"$service"'

OVERVIEW = Board(
    uid="penstock-overview",
    title="Penstock: overview",
    description="Whether all is well, and where to look if it is not.",
    variables=[("service", "Service", "label_values(penstock_request_duration_seconds_count, service)")],
    rows=[
        (
            "Now",
            [
                Panel(
                    "Gateways ready",
                    "Of those that are scraped: how many answer /ready with 200.",
                    "percentunit",
                    [("avg(penstock_ready)", "")],
                    "stat",
                    limits=(1, 0.5),
                ),
                Panel(
                    "Requests",
                    "Whole requests in a second.",
                    "reqps",
                    [(rate("penstock_edge_requests_total"), "")],
                    "stat",
                ),
                Panel(
                    "Failures",
                    "5xx of services, and answers in their place that the client could not prevent, of all requests.",
                    "percentunit",
                    [("sum(penstock:failures:rate5m) / sum(penstock:requests:rate5m)", "")],
                    "stat",
                    limits=(0.001, 0.01),
                ),
                Panel(
                    "p99",
                    "Of 100 requests, 99 were answered whole within this time.",
                    "s",
                    [(quantile(0.99, "penstock_request_duration_seconds"), "")],
                    "stat",
                    limits=(0.5, 1),
                ),
                Panel(
                    "p99 of the gateway",
                    "The part of it in which the request was with no service.",
                    "s",
                    [(quantile(0.99, "penstock_gateway_duration_seconds"), "")],
                    "stat",
                    limits=(0.01, 0.025),
                ),
                Panel(
                    "Instances unwell",
                    "Degraded or unhealthy, of all services.",
                    "short",
                    [('sum(penstock_instances{health!="healthy"})', "")],
                    "stat",
                    limits=(1, 3),
                ),
            ],
        ),
        (
            "Traffic",
            [
                Panel(
                    "Requests by service",
                    "Answered in a second, by whomever.",
                    "reqps",
                    [(rate("penstock_request_duration_seconds_count", "service", matchers=_SERVICE), "{{service}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Failures by service",
                    "What the alerts on the error budget are judged by: 0.1 % of a month.",
                    "percentunit",
                    [(f"penstock:failure_ratio:rate5m{{{_SERVICE}}}", "{{service}}")],
                ),
                Panel(
                    "Latency by service",
                    "99th percentile, from the first byte to the end of the answer.",
                    "s",
                    [(f"penstock:request_duration_seconds:p99_5m{{{_SERVICE}}}", "{{service}}")],
                ),
            ],
        ),
        (
            "What is refused, and why",
            [
                Panel(
                    "Answers of the gateway, by reason",
                    "In place of a service's; docs/reasons.md says whose fault each is.",
                    "reqps",
                    [(rate("penstock_refusals_total", "reason") + " > 0", "{{reason}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Answers of services, by class of status",
                    "",
                    "reqps",
                    [(rate("penstock_requests_total", "status_class", matchers=_SERVICE), "{{status_class}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Latency of all requests",
                    "From a request's first byte to the end of its answer.",
                    "s",
                    quantiles("penstock_request_duration_seconds", 0.5, 0.9, 0.99, 0.999, matchers=_SERVICE),
                ),
            ],
        ),
        (
            "Who serves",
            [
                Panel(
                    "Instances by health",
                    "",
                    "short",
                    [("sum by (service, health) (penstock_instances)", "{{service}} {{health}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Requests in flight",
                    "With a service now.",
                    "short",
                    [(f"sum by (service) (penstock_service_requests_in_flight{{{_SERVICE}}})", "{{service}}")],
                ),
                Panel(
                    "Processor of workers",
                    "In cores; one worker uses one at most.",
                    "short",
                    [(rate("penstock_worker_cpu_seconds_total", "instance", "worker"), "{{instance}} {{worker}}")],
                ),
                Panel(
                    "Alerts that fire",
                    "Each has a page: docs/runbooks.",
                    "short",
                    [('sum by (alertname, severity) (ALERTS{alertname=~"Penstock.*", alertstate="firing"})', "")],
                    "table",
                ),
            ],
        ),
    ],
)
