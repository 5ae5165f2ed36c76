"""What became of what is written beside the traffic, for /metrics: log, access log, traces."""

from collections.abc import Mapping

from penstock.telemetry.logs import process_logs
from penstock.telemetry.writer import Counts
from proxy.admin.traffic_figures import OutputFigures


def output_figures(others: Mapping[str, Counts]) -> OutputFigures:
    """Return the counts of the process's log, and of other outputs by their names."""
    logs = process_logs()
    counts = {**({"log": logs.counts} if logs else {}), **others}
    return OutputFigures(
        written={name: each.written for name, each in counts.items()},
        dropped={name: each.dropped for name, each in counts.items()},
        failed={name: each.failed for name, each in counts.items()},
        waiting={name: each.waiting for name, each in counts.items()},
    )
