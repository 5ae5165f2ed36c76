"""Metrics of requests, of the loop that carries them, and of the processes that it runs in: their names."""

from typing import Final

from proxy.admin.metric_bounds import BATCH_BOUNDS, GATEWAY_BOUNDS_S, REQUEST_BOUNDS_S, TURN_BOUNDS_S
from proxy.admin.metric_name import MetricName

_ROUTE: Final = ("route", "method", "service")
_INSTANCE: Final = ("service", "service_instance")
_WORKER: Final = ("worker",)
_OUTPUT: Final = ("output",)

REQUESTS: Final = MetricName(
    "penstock_requests_total",
    "counter",
    "Responses that services gave, by the class of their status; see penstock_refusals_total for the other answers.",
    (*_ROUTE, "status_class"),
)
DURATION: Final = MetricName(
    "penstock_request_duration_seconds",
    "histogram",
    "Time from a request's first byte to the end of its answer, whoever gave it.",
    _ROUTE,
    REQUEST_BOUNDS_S,
)
SERVICE_DURATION: Final = MetricName(
    "penstock_service_duration_seconds",
    "histogram",
    "Time from sending a request to a service to its response, for each attempt that was answered.",
    _ROUTE,
    REQUEST_BOUNDS_S,
)
GATEWAY_DURATION: Final = MetricName(
    "penstock_gateway_duration_seconds",
    "histogram",
    "Part of a request's time in which it was with no service: what the gateway itself took, waits included.",
    _ROUTE,
    GATEWAY_BOUNDS_S,
)
ROUTE_REFUSALS: Final = MetricName(
    "penstock_route_refusals_total",
    "counter",
    "Exchanges of a route that were not simply answered by a service, by reason; docs/reasons.md tells them.",
    (*_ROUTE, "reason"),
)
ROUTE_IN_FLIGHT: Final = MetricName(
    "penstock_route_requests_in_flight", "gauge", "Requests of a route that are with a service now.", _ROUTE
)
OF_ROUTES: Final = (REQUESTS, DURATION, SERVICE_DURATION, GATEWAY_DURATION, ROUTE_REFUSALS, ROUTE_IN_FLIGHT)

INSTANCE_REQUESTS: Final = MetricName(
    "penstock_instance_requests_total",
    "counter",
    "Responses of an instance, by the class of their status.",
    (*_INSTANCE, "status_class"),
)
INSTANCE_DURATION: Final = MetricName(
    "penstock_instance_duration_seconds",
    "histogram",
    "Time from sending a request to an instance to its response.",
    _INSTANCE,
    REQUEST_BOUNDS_S,
)
INSTANCE_IN_FLIGHT: Final = MetricName(
    "penstock_instance_requests_in_flight", "gauge", "Requests that an instance has not answered yet.", _INSTANCE
)
OF_INSTANCES: Final = (INSTANCE_REQUESTS, INSTANCE_DURATION, INSTANCE_IN_FLIGHT)

TURNS: Final = MetricName(
    "penstock_loop_turn_seconds",
    "histogram",
    "Time of a turn of the loop: to take in a batch, to decide, and to send.",
    (),
    TURN_BOUNDS_S,
)
LONGEST_TURN: Final = MetricName(
    "penstock_loop_longest_turn_seconds", "gauge", "The longest turn of the loop since the start."
)
AWAY: Final = MetricName(
    "penstock_loop_away_seconds",
    "histogram",
    "Times that other tasks of the gateway kept the next batch waiting.",
    (),
    TURN_BOUNDS_S,
)
LONGEST_AWAY: Final = MetricName(
    "penstock_loop_longest_away_seconds", "gauge", "The longest of these times since the start."
)
BATCHES: Final = MetricName(
    "penstock_loop_batch_requests", "histogram", "Requests that came in one batch.", (), BATCH_BOUNDS
)
TASKS: Final = MetricName("penstock_tasks", "gauge", "Tasks of the event loop that have not ended.")
OF_LOOP: Final = (TURNS, LONGEST_TURN, AWAY, LONGEST_AWAY, BATCHES, TASKS)

WORKERS: Final = MetricName("penstock_workers", "gauge", "Worker processes, by state.", ("state",))
WORKERS_WANTED: Final = MetricName("penstock_workers_wanted", "gauge", "Worker processes that there are to be.")
WORKERS_SILENT: Final = MetricName(
    "penstock_workers_silent",
    "gauge",
    "Worker processes that did not tell their figures: what is known of them is older than this page.",
)
WORKER_STARTS: Final = MetricName(
    "penstock_worker_starts_total", "counter", "Worker processes that were started, by cause.", ("cause",)
)
UPGRADES: Final = MetricName(
    "penstock_upgrades_total", "counter", "Upgrades to another version of the program, by outcome.", ("outcome",)
)
WORKER_CPU: Final = MetricName(
    "penstock_worker_cpu_seconds_total", "counter", "Processor time that a worker process has taken.", _WORKER
)
WORKER_MEMORY: Final = MetricName(
    "penstock_worker_resident_memory_bytes", "gauge", "Resident memory of a worker process.", _WORKER
)
WORKER_DESCRIPTORS: Final = MetricName(
    "penstock_worker_descriptors_open", "gauge", "File descriptors that a worker process has open.", _WORKER
)
WORKER_DESCRIPTORS_MAX: Final = MetricName(
    "penstock_worker_descriptors_max", "gauge", "File descriptors that a worker process may have open.", _WORKER
)
WORKER_STARTED: Final = MetricName(
    "penstock_worker_start_timestamp_seconds",
    "gauge",
    "When a worker process was started, seconds since 1970.",
    _WORKER,
)
WORKER_CONNECTIONS: Final = MetricName(
    "penstock_worker_edge_connections_open", "gauge", "Client connections that a worker process has.", _WORKER
)
WORKER_IN_FLIGHT: Final = MetricName(
    "penstock_worker_exchanges_in_flight", "gauge", "Exchanges of a worker process that have no answer yet.", _WORKER
)
OF_WORKERS: Final = (
    *(WORKERS, WORKERS_WANTED, WORKERS_SILENT, WORKER_STARTS, UPGRADES, WORKER_CPU, WORKER_MEMORY),
    *(WORKER_DESCRIPTORS, WORKER_DESCRIPTORS_MAX, WORKER_STARTED, WORKER_CONNECTIONS, WORKER_IN_FLIGHT),
)

WRITTEN: Final = MetricName(
    "penstock_output_written_total",
    "counter",
    "Lines of log and access_log that were written; for traces, requests whose spans were sent.",
    _OUTPUT,
)
DROPPED: Final = MetricName(
    "penstock_output_dropped_total", "counter", "The same that were dropped, since there was no room.", _OUTPUT
)
FAILED: Final = MetricName(
    "penstock_output_failures_total", "counter", "The same that could not be written, or sent.", _OUTPUT
)
PENDING: Final = MetricName(
    "penstock_output_waiting", "gauge", "The same that wait to be written, or sent, now.", _OUTPUT
)
OF_OUTPUTS: Final = (WRITTEN, DROPPED, FAILED, PENDING)

PROCESS_CPU: Final = MetricName(
    "process_cpu_seconds_total", "counter", "Processor time of the process that answers /metrics."
)
PROCESS_MEMORY: Final = MetricName("process_resident_memory_bytes", "gauge", "Its resident memory.")
PROCESS_VIRTUAL: Final = MetricName("process_virtual_memory_bytes", "gauge", "Its virtual memory.")
PROCESS_DESCRIPTORS: Final = MetricName("process_open_fds", "gauge", "Its open file descriptors.")
PROCESS_DESCRIPTORS_MAX: Final = MetricName("process_max_fds", "gauge", "File descriptors that it may have open.")
PROCESS_STARTED: Final = MetricName("process_start_time_seconds", "gauge", "When it was started, seconds since 1970.")
OF_PROCESS: Final = (
    *(PROCESS_CPU, PROCESS_MEMORY, PROCESS_VIRTUAL, PROCESS_DESCRIPTORS, PROCESS_DESCRIPTORS_MAX, PROCESS_STARTED),
)
