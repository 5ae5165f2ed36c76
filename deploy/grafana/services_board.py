"""Services and their instances: who is there, how they are, and what is done about those who are not well."""

from panels import Board, Panel, quantile, rate

_SERVICE = 'service=~"$service"'

SERVICES = Board(
    uid="penstock-services",
    title="Penstock: services",
    description="Who is there, how they are, and what is done about those who are not well.",
    variables=[("service", "Service", "label_values(penstock_instances, service)")],
    rows=[
        (
            "Who is there",
            [
                Panel(
                    "Instances by health",
                    "",
                    "short",
                    [(f"sum by (service, health) (penstock_instances{{{_SERVICE}}})", "{{service}} {{health}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Instances by version",
                    "",
                    "short",
                    [
                        (
                            f"max by (service, version) (penstock_service_version_instances{{{_SERVICE}}})",
                            "{{service}} {{version}}",
                        )
                    ],
                ),
                Panel(
                    "Comings and goings",
                    "HELLOs, silences, removals, instances that came again, and services that were turned away.",
                    "cps",
                    [
                        (rate("penstock_service_hellos_total"), "HELLO"),
                        (rate("penstock_service_silences_total"), "silent"),
                        (rate("penstock_service_removals_total"), "removed"),
                        (rate("penstock_service_replacements_total"), "replaced"),
                        (rate("penstock_service_faults_total", "cause") + " > 0", "turned away: {{cause}}"),
                    ],
                ),
            ],
        ),
        (
            "How they are",
            [
                Panel(
                    "Requests by instance",
                    "Answered in a second.",
                    "reqps",
                    [
                        (
                            rate("penstock_instance_requests_total", "service", "service_instance", matchers=_SERVICE),
                            "{{service}}/{{service_instance}}",
                        )
                    ],
                ),
                Panel(
                    "p99 by instance",
                    "From sending a request to its response.",
                    "s",
                    [
                        (
                            quantile(
                                0.99,
                                "penstock_instance_duration_seconds",
                                "service",
                                "service_instance",
                                matchers=_SERVICE,
                            ),
                            "{{service}}/{{service_instance}}",
                        )
                    ],
                ),
                Panel(
                    "In flight by instance",
                    "",
                    "short",
                    [
                        (
                            f"sum by (service, service_instance) (penstock_instance_requests_in_flight{{{_SERVICE}}})",
                            "{{service}}/{{service_instance}}",
                        )
                    ],
                ),
            ],
        ),
        (
            "What fails, and what is done about it",
            [
                Panel(
                    "Attempts that failed",
                    "By kind; pressure and other are no failures.",
                    "cps",
                    [
                        (
                            rate("penstock_attempt_failures_total", "service", "kind", matchers=_SERVICE),
                            "{{service}} {{kind}}",
                        )
                    ],
                ),
                Panel(
                    "Breakers that are not closed",
                    "",
                    "short",
                    [
                        (
                            f"sum by (service, scope, state) (penstock_breakers{{{_SERVICE}}})",
                            "{{service}} {{scope}} {{state}}",
                        ),
                        (f"sum by (service) (penstock_panic_routes{{{_SERVICE}}})", "{{service}}: routes in panic"),
                    ],
                ),
                Panel(
                    "Sent again",
                    "Retries by what had become of the attempt before, and what kept others from it.",
                    "cps",
                    [
                        (rate("penstock_retries_total", "after"), "after {{after}}"),
                        (rate("penstock_retries_limited_total", "limit") + " > 0", "not for {{limit}}"),
                    ],
                ),
                Panel(
                    "Retry budget left",
                    "Attempts beyond the first that a service may be sent now.",
                    "short",
                    [(f"min by (service) (penstock_retry_budget_left{{{_SERVICE}}})", "{{service}}")],
                ),
                Panel(
                    "Hedges",
                    "Second attempts beside first ones that are over, and why others got none.",
                    "cps",
                    [
                        (rate("penstock_hedges_total", "outcome"), "{{outcome}}"),
                        (rate("penstock_hedges_limited_total", "limit") + " > 0", "not for {{limit}}"),
                    ],
                ),
                Panel(
                    "Probes of breakers",
                    "",
                    "cps",
                    [(rate("penstock_breaker_probes_total", "result"), "{{result}}")],
                ),
            ],
        ),
        (
            "Services that are dialled",
            [
                Panel(
                    "Connections",
                    "",
                    "short",
                    [
                        ("sum(penstock_dialled_service_connections_open)", "open"),
                        ("sum(penstock_pool_dormant_instances)", "instances without one"),
                        ("sum(penstock_pool_requests_waiting)", "requests that wait"),
                    ],
                ),
                Panel(
                    "Pool",
                    "Requests, by whether there was a connection with room; waits; connections that were given up.",
                    "cps",
                    [
                        (rate("penstock_pool_checkouts_total", "hit"), "hit: {{hit}}"),
                        (rate("penstock_pool_waits_refused_total", "why") + " > 0", "waited in vain: {{why}}"),
                        (rate("penstock_pool_evictions_total", "cause") + " > 0", "given up: {{cause}}"),
                    ],
                ),
                Panel(
                    "Dials",
                    "By whether they were reached.",
                    "cps",
                    [(rate("penstock_service_dials_total", "reached"), "reached: {{reached}}")],
                ),
            ],
        ),
        (
            "Calls, fan-outs and mirrors",
            [
                Panel(
                    "Calls of services",
                    "Of services to services.",
                    "reqps",
                    [
                        (rate("penstock_service_calls_total", "caller", "callee"), "{{caller}} to {{callee}}"),
                        (
                            rate("penstock_service_calls_failed_total", "caller", "callee") + " > 0",
                            "failed: {{caller}} to {{callee}}",
                        ),
                    ],
                ),
                Panel(
                    "Fan-outs",
                    "Requests of routes that ask several, by what became of them.",
                    "reqps",
                    [(rate("penstock_fanout_requests_total", "fanout", "outcome"), "{{fanout}}: {{outcome}}")],
                ),
                Panel(
                    "Copies for mirrors", "", "cps", [(rate("penstock_mirror_copies_total", "outcome"), "{{outcome}}")]
                ),
            ],
        ),
    ],
)
