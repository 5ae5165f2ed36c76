"""The gateway itself: its processes, its loop, what it is short of, and what it writes."""

from panels import Board, Panel, mean, quantiles, rate

_HERE = 'instance=~"$instance"'

GATEWAY = Board(
    uid="penstock-gateway",
    title="Penstock: gateway",
    description="Processes, the loop, what is short, connections, trust, and what is written.",
    variables=[("instance", "Gateway", "label_values(penstock_ready, instance)")],
    rows=[
        (
            "Processes",
            [
                Panel(
                    "Workers",
                    "By state, beside how many there are to be.",
                    "short",
                    [
                        (f"sum by (instance, state) (penstock_workers{{{_HERE}}})", "{{instance}} {{state}}"),
                        (f"sum by (instance) (penstock_workers_wanted{{{_HERE}}})", "{{instance}} wanted"),
                    ],
                ),
                Panel(
                    "Processor",
                    "In cores; one worker uses one at most.",
                    "short",
                    [
                        (
                            rate("penstock_worker_cpu_seconds_total", "instance", "worker", matchers=_HERE),
                            "{{instance}} {{worker}}",
                        )
                    ],
                ),
                Panel(
                    "Memory",
                    "Resident.",
                    "bytes",
                    [
                        (
                            f"sum by (instance, worker) (penstock_worker_resident_memory_bytes{{{_HERE}}})",
                            "{{instance}} {{worker}}",
                        )
                    ],
                ),
                Panel(
                    "Descriptors",
                    "Open, of those that may be.",
                    "percentunit",
                    [
                        (
                            f"penstock_worker_descriptors_open{{{_HERE}}} / penstock_worker_descriptors_max{{{_HERE}}}",
                            "{{instance}} {{worker}}",
                        )
                    ],
                ),
                Panel(
                    "Starts of workers",
                    "By cause, in the last ten minutes.",
                    "short",
                    [
                        (
                            f"sum by (instance, cause) (increase(penstock_worker_starts_total{{{_HERE}}}[10m])) > 0",
                            "{{instance}} {{cause}}",
                        ),
                        (
                            f"sum by (instance, outcome) (increase(penstock_upgrades_total{{{_HERE}}}[10m])) > 0",
                            "{{instance}} upgrade {{outcome}}",
                        ),
                    ],
                ),
                Panel(
                    "Versions",
                    "What runs where.",
                    "short",
                    [(f"sum by (instance, version, git_sha) (penstock_build_info{{{_HERE}}})", "")],
                    "table",
                ),
            ],
        ),
        (
            "The loop",
            [
                Panel(
                    "Time of a turn",
                    "To take in a batch, to decide, and to send: p99.99 is to be under 20 ms.",
                    "s",
                    quantiles("penstock_loop_turn_seconds", 0.5, 0.99, 0.999, 0.9999, matchers=_HERE),
                ),
                Panel(
                    "Away",
                    "Times that other tasks of the gateway kept the next batch waiting.",
                    "s",
                    quantiles("penstock_loop_away_seconds", 0.5, 0.99, 0.9999, matchers=_HERE),
                ),
                Panel(
                    "Requests in a batch",
                    "The mean: it grows with the load, and with it what one turn is shared by.",
                    "short",
                    [(mean("penstock_loop_batch_requests", "instance", matchers=_HERE), "{{instance}}")],
                ),
                Panel(
                    "How late it comes to its work",
                    "The delay that shedding goes by.",
                    "s",
                    [(f"max by (instance) (penstock_queue_delay_seconds{{{_HERE}}})", "{{instance}}")],
                ),
            ],
        ),
        (
            "What is short",
            [
                Panel(
                    "Shed",
                    "Requests in a second, by what was short.",
                    "reqps",
                    [(rate("penstock_shed_total", "instance", "cause", matchers=_HERE), "{{instance}} {{cause}}")],
                ),
                Panel(
                    "Exchanges in flight",
                    "Requests that have no answer yet.",
                    "short",
                    [(f"sum by (instance) (penstock_exchanges_in_flight{{{_HERE}}})", "{{instance}}")],
                ),
                Panel(
                    "Bytes of bodies that are held",
                    "",
                    "bytes",
                    [(f"sum by (instance) (penstock_body_bytes_held{{{_HERE}}})", "{{instance}}")],
                ),
                Panel(
                    "Bounds that were reached",
                    "Each has a runbook.",
                    "cps",
                    [
                        (rate("penstock_exchanges_full_total", "instance", matchers=_HERE), "{{instance}} exchanges"),
                        (rate("penstock_body_holds_refused_total", "instance", matchers=_HERE), "{{instance}} bytes"),
                        (
                            rate("penstock_edge_connections_paused_total", "instance", matchers=_HERE),
                            "{{instance}} connections",
                        ),
                        (
                            rate("penstock_rate_limit_crowded_total", "instance", matchers=_HERE),
                            "{{instance}} keys of rates",
                        ),
                    ],
                ),
            ],
        ),
        (
            "Clients",
            [
                Panel(
                    "Connections",
                    "Of clients, open now.",
                    "short",
                    [(f"sum by (instance) (penstock_edge_connections_open{{{_HERE}}})", "{{instance}}")],
                ),
                Panel(
                    "Connections that come and go",
                    "",
                    "cps",
                    [
                        (
                            rate("penstock_edge_connections_accepted_total", "instance", matchers=_HERE),
                            "{{instance}} accepted",
                        ),
                        (
                            rate("penstock_edge_connections_closed_total", "instance", matchers=_HERE),
                            "{{instance}} closed",
                        ),
                        (
                            rate("penstock_clients_gone_total", "instance", matchers=_HERE),
                            "{{instance}} gone before the answer",
                        ),
                    ],
                ),
                Panel(
                    "Requests that were malformed",
                    "Or too slow, or such as are not carried.",
                    "cps",
                    [(rate("penstock_edge_bad_requests_total", "instance", matchers=_HERE), "{{instance}}")],
                ),
                Panel(
                    "Streams",
                    "Exchanges whose bodies stream, or are waited for, now.",
                    "short",
                    [(f"sum by (instance) (penstock_streams{{{_HERE}}})", "{{instance}}")],
                ),
            ],
        ),
        (
            "Trust",
            [
                Panel(
                    "Credentials that proved nothing",
                    "By cause.",
                    "cps",
                    [(rate("penstock_credentials_refused_total", "cause", matchers=_HERE), "{{cause}}")],
                ),
                Panel(
                    "Keys of issuers",
                    "How long ago they were last seen.",
                    "s",
                    [
                        (
                            f"max by (instance, issuer) (penstock_issuer_keys_age_seconds{{{_HERE}}})",
                            "{{instance}} {{issuer}}",
                        )
                    ],
                ),
                Panel(
                    "Certificates",
                    "How long the first to run out has left.",
                    "s",
                    [(f"min by (instance) (penstock_tls_certificate_seconds_left{{{_HERE}}})", "{{instance}}")],
                ),
                Panel(
                    "TLS handshakes",
                    "By whether a session was resumed, and those that failed.",
                    "cps",
                    [
                        (rate("penstock_tls_handshakes_total", "resumed", matchers=_HERE), "resumed: {{resumed}}"),
                        (rate("penstock_tls_failures_total", "cause", matchers=_HERE) + " > 0", "failed: {{cause}}"),
                    ],
                ),
            ],
        ),
        (
            "What is written, and what is read",
            [
                Panel(
                    "Written",
                    "Lines of log and access log, and spans of traces.",
                    "cps",
                    [
                        (
                            rate("penstock_output_written_total", "instance", "output", matchers=_HERE),
                            "{{instance}} {{output}}",
                        )
                    ],
                ),
                Panel(
                    "Lost",
                    "Dropped for want of room, or not to be written.",
                    "cps",
                    [
                        (
                            rate("penstock_output_dropped_total", "instance", "output", matchers=_HERE),
                            "{{instance}} {{output}} dropped",
                        ),
                        (
                            rate("penstock_output_failures_total", "instance", "output", matchers=_HERE),
                            "{{instance}} {{output}} failed",
                        ),
                    ],
                ),
                Panel(
                    "Settings",
                    "Times that they were read again, by whether they were applied.",
                    "short",
                    [
                        (
                            f"sum by (instance, applied) (increase(penstock_reloads_total{{{_HERE}}}[10m]))",
                            "{{instance}} applied: {{applied}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)
