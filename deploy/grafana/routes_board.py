"""Routes of services: rates, times, and what fails."""

from panels import RATE, Board, Panel, quantile, quantiles, rate

_ROUTE = 'service=~"$service", route=~"$route"'

ROUTES = Board(
    uid="penstock-routes",
    title="Penstock: routes",
    description="What is asked of each route, how long it takes, and what fails.",
    variables=[
        ("service", "Service", "label_values(penstock_request_duration_seconds_count, service)"),
        ("route", "Route", 'label_values(penstock_request_duration_seconds_count{service=~"$service"}, route)'),
    ],
    rows=[
        (
            "What is asked",
            [
                Panel(
                    "Requests",
                    "Answered in a second, by whomever.",
                    "reqps",
                    [
                        (
                            rate("penstock_request_duration_seconds_count", "method", "route", matchers=_ROUTE),
                            "{{method}} {{route}}",
                        )
                    ],
                    is_stacked=True,
                ),
                Panel(
                    "In flight",
                    "With a service now.",
                    "short",
                    [
                        (
                            f"sum by (method, route) (penstock_route_requests_in_flight{{{_ROUTE}}})",
                            "{{method}} {{route}}",
                        )
                    ],
                ),
            ],
        ),
        (
            "How long it takes",
            [
                Panel(
                    "p99 by route",
                    "From a request's first byte to the end of its answer.",
                    "s",
                    [
                        (
                            quantile(0.99, "penstock_request_duration_seconds", "method", "route", matchers=_ROUTE),
                            "{{method}} {{route}}",
                        )
                    ],
                ),
                Panel(
                    "Of it with services",
                    "Each attempt that was answered, from sending it to its response.",
                    "s",
                    quantiles("penstock_service_duration_seconds", 0.5, 0.9, 0.99, matchers=_ROUTE),
                ),
                Panel(
                    "Of it in the gateway",
                    "With no service: what the gateway itself took, and waits for a place, a connection or a retry.",
                    "s",
                    quantiles("penstock_gateway_duration_seconds", 0.5, 0.9, 0.99, matchers=_ROUTE),
                ),
                Panel(
                    "Distribution",
                    "How many requests took how long.",
                    "s",
                    [
                        (
                            f"sum by (le) (increase(penstock_request_duration_seconds_bucket{{{_ROUTE}}}[{RATE}]))",
                            "{{le}}",
                        )
                    ],
                    "heatmap",
                ),
            ],
        ),
        (
            "What fails",
            [
                Panel(
                    "Answers by class of status",
                    "Of services.",
                    "reqps",
                    [(rate("penstock_requests_total", "status_class", matchers=_ROUTE), "{{status_class}}")],
                    is_stacked=True,
                ),
                Panel(
                    "5xx by route",
                    "Of services.",
                    "reqps",
                    [
                        (
                            rate(
                                "penstock_requests_total", "method", "route", matchers=_ROUTE + ', status_class="5xx"'
                            ),
                            "{{method}} {{route}}",
                        )
                    ],
                ),
                Panel(
                    "Answers of the gateway",
                    "In place of a service's, by reason (docs/reasons.md).",
                    "reqps",
                    [(rate("penstock_route_refusals_total", "reason", matchers=_ROUTE) + " > 0", "{{reason}}")],
                    is_stacked=True,
                ),
            ],
        ),
        (
            "Limits and splits",
            [
                Panel(
                    "Places",
                    "Limits of concurrency: how many may be with a service at once, and how many are, and wait.",
                    "short",
                    [
                        ("sum by (service, route) (penstock_concurrency_limit)", "limit {{service}} {{route}}"),
                        ("sum by (service, route) (penstock_concurrency_in_flight)", "in flight {{service}} {{route}}"),
                        ("sum by (service, route) (penstock_concurrency_waiting)", "waiting {{service}} {{route}}"),
                    ],
                ),
                Panel(
                    "Refused by limits",
                    "Of rates, and of concurrency.",
                    "reqps",
                    [
                        (rate("penstock_rate_limit_refusals_total", "scope", "limit") + " > 0", "{{scope}}: {{limit}}"),
                        (
                            rate("penstock_concurrency_refusals_total", "service", "cause") + " > 0",
                            "{{service}}: {{cause}}",
                        ),
                    ],
                ),
                Panel(
                    "Splits",
                    "Part of a route's requests that goes to a version.",
                    "percentunit",
                    [
                        (
                            'max by (method, route, version) (penstock_split_share_ratio{route=~"$route"})',
                            "{{method}} {{route}} {{version}}",
                        )
                    ],
                ),
            ],
        ),
        (
            "Answers that are kept",
            [
                Panel(
                    "Cache",
                    "Requests of routes with a cache, by what became of them.",
                    "reqps",
                    [(rate("penstock_cache_requests_total", "outcome"), "{{outcome}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Idempotency-Keys",
                    "Requests with a key, by what became of them.",
                    "reqps",
                    [(rate("penstock_idempotency_requests_total", "outcome"), "{{outcome}}")],
                    is_stacked=True,
                ),
            ],
        ),
    ],
)
