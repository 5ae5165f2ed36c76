"""Metrics of what the wire counts: their names."""

from typing import Final

from proxy.admin.metric_name import MetricName

_EDGE, _SERVICE = "penstock_edge_connections", "penstock_service_connections"

OF_WIRE: Final[dict[str, MetricName]] = {
    "steps": MetricName("penstock_wire_steps_total", "counter", "Batches that were taken in."),
    "events": MetricName("penstock_wire_events_total", "counter", "Events that needed a decision."),
    "batch_requests_max": MetricName(
        "penstock_wire_batch_requests_max", "gauge", "Most requests that one batch has held since the start."
    ),
    "edge_accepted": MetricName(f"{_EDGE}_accepted_total", "counter", "Client connections accepted."),
    "edge_closed": MetricName(f"{_EDGE}_closed_total", "counter", "Client connections closed, by either side."),
    "edge_open_now": MetricName(f"{_EDGE}_open", "gauge", "Client connections that are open."),
    "edge_paused": MetricName(
        f"{_EDGE}_paused_total",
        "counter",
        "Times that accepting paused, since as many connections as allowed were open.",
    ),
    "edge_idle_closed": MetricName(
        f"{_EDGE}_idle_closed_total", "counter", "Client connections closed for being idle."
    ),
    "edge_write_timeouts": MetricName(
        f"{_EDGE}_write_timeouts_total",
        "counter",
        "Client connections closed since the client did not read its answer.",
    ),
    "requests": MetricName("penstock_edge_requests_total", "counter", "Whole requests that came from clients."),
    "requests_bad": MetricName(
        "penstock_edge_bad_requests_total", "counter", "Requests that were malformed, too slow or not carried."
    ),
    "answers": MetricName(
        "penstock_edge_answers_total",
        "counter",
        "Answers given to clients, by services or by us, that the wire has written itself: no streams, no upgrades.",
    ),
    "answers_from_services": MetricName(
        "penstock_edge_service_answers_total", "counter", "Answers given to clients that came from services."
    ),
    "clients_gone": MetricName(
        "penstock_clients_gone_total", "counter", "Clients that closed before their exchange was answered."
    ),
    "exchanges_now": MetricName("penstock_exchanges_in_flight", "gauge", "Exchanges that have no answer yet."),
    "exchanges_full": MetricName(
        "penstock_exchanges_full_total",
        "counter",
        "Requests refused since as many exchanges as allowed were in flight.",
    ),
    "expired": MetricName(
        "penstock_deadlines_expired_total", "counter", "Exchanges whose deadline passed at a service."
    ),
    "framed_accepted": MetricName(f"{_SERVICE}_accepted_total", "counter", "Connections from services accepted."),
    "framed_closed": MetricName(
        f"{_SERVICE}_closed_total", "counter", "Connections to services closed, by either side."
    ),
    "framed_open_now": MetricName(f"{_SERVICE}_open", "gauge", "Connections to services that are open."),
    "frames_in": MetricName("penstock_frames_received_total", "counter", "Frames that came from services."),
    "frames_out": MetricName("penstock_frames_sent_total", "counter", "Frames written to services."),
    "late_responses": MetricName(
        "penstock_late_responses_total", "counter", "Responses dropped since their exchange was over."
    ),
    "foreign_responses": MetricName(
        "penstock_foreign_responses_total",
        "counter",
        "Responses dropped since no such exchange was on that connection.",
    ),
    "edge_bytes_in": MetricName("penstock_edge_received_bytes_total", "counter", "Bytes that came from clients."),
    "edge_bytes_out": MetricName("penstock_edge_sent_bytes_total", "counter", "Bytes sent to clients."),
    "framed_bytes_in": MetricName("penstock_service_received_bytes_total", "counter", "Bytes that came from services."),
    "framed_bytes_out": MetricName("penstock_service_sent_bytes_total", "counter", "Bytes sent to services."),
    "accept_errors": MetricName(
        "penstock_accept_errors_total", "counter", "Connections that could not be accepted; out of descriptors, mostly."
    ),
    "buffers_now": MetricName("penstock_buffers", "gauge", "Buffers in use; an idle connection holds none."),
    "buffer_bytes_now": MetricName("penstock_buffer_bytes", "gauge", "Bytes of the buffers in use."),
    "handed_over": MetricName(
        "penstock_handovers_total", "counter", "Requests whose connection was handed over to the task lane."
    ),
    "handed_over_now": MetricName(
        "penstock_handovers_open", "gauge", "Client connections that the task lane reads and writes now."
    ),
    "edge_refused_by_address": MetricName(
        f"{_EDGE}_refused_by_address_total",
        "counter",
        "Client connections refused since as many as allowed were open from their address.",
    ),
    "edge_addresses_now": MetricName("penstock_edge_addresses", "gauge", "Client addresses with an open connection."),
    "edge_requests_reached": MetricName(
        f"{_EDGE}_at_requests_total",
        "counter",
        "Client connections that closed at their number of requests (PENSTOCK_EDGE_CONNECTION_REQUESTS).",
    ),
    "edge_age_reached": MetricName(
        f"{_EDGE}_at_age_total",
        "counter",
        "Client connections that closed at their age (PENSTOCK_EDGE_CONNECTION_AGE).",
    ),
    "edge_bytes_reached": MetricName(
        f"{_EDGE}_at_bytes_total",
        "counter",
        "Client connections that closed at their number of bytes (PENSTOCK_EDGE_CONNECTION_BYTES).",
    ),
    "begun": MetricName(
        "penstock_begun_total", "counter", "Requests of the gateway's own: copies, and calls between services."
    ),
    "again": MetricName(
        "penstock_again_total", "counter", "Requests sent from a copy: again, beside another, or after a wait."
    ),
    "kept_now": MetricName("penstock_kept_requests", "gauge", "Requests of which a copy is kept."),
    "kept_bytes_now": MetricName("penstock_kept_bytes", "gauge", "Bytes of copies of requests."),
    "kept_refused": MetricName(
        "penstock_kept_refused_total",
        "counter",
        "Requests of which no copy was kept: too long (retries.buffer_bytes), or all copies would have been"
        " (retries.buffer_total_bytes).",
    ),
}
"""The metric for each field of wire_counters (csrc/wire_values.h)."""
