"""Measures the stand: once in each interval, every process, the gateway's own figures, and the machine."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from loadtests.record import GatewaySample, ProcessSample, Role, Sample
from loadtests.stand.admin import Admin, AdminError
from loadtests.stand.child import Child
from loadtests.stand.metrics_page import gateway_sample
from loadtests.stand.procfs import machine_sample, taken_by


class Measured(Protocol):
    """What can be measured: the stand, or a gateway that somebody else has started."""

    @property
    def admin(self) -> Admin:
        """Its admin pages."""

    @property
    def children(self) -> Iterator[Child]:
        """Processes that were started for it."""

    @property
    def has_workers_here(self) -> bool:
        """Worker processes that /workers names are processes of this machine."""

    def workers(self) -> list[dict[str, Any]]:
        """The rows of /workers. Raises `AdminError`."""


def take_sample(stand: Measured, others: Mapping[str, tuple[Role, int]], at_s: float) -> Sample:
    """Return how everything is now. others: processes beside the stand, by name: role and pid. Run it in a thread."""
    rows: list[dict[str, Any]] = []
    gateway: GatewaySample | None = None
    try:
        rows = stand.workers()
        page = stand.admin.page("/metrics").decode("utf-8", "replace")
        gateway = gateway_sample(page, rows, is_ready=stand.admin.is_ready())
    except AdminError:
        pass  # it is told as None
    places: dict[str, tuple[Role, int]] = {child.name: (child.role, child.pid) for child in stand.children}
    if stand.has_workers_here:
        places |= {worker_name(row): ("worker", int(row["pid"])) for row in rows}
    processes = [_process(name, role, pid) for name, (role, pid) in (places | dict(others)).items()]
    return Sample(at_s=at_s, processes=[one for one in processes if one], gateway=gateway, machine=machine_sample())


def worker_name(row: Mapping[str, Any]) -> str:
    """Return the name of a worker: that of its slot, whose one worker serves; others say what they do."""
    slot, state = str(row["worker"]).partition(".")[0], row["state"]
    return f"worker-{slot}" if state == "serving" else f"worker-{slot} {state}"


def _process(name: str, role: Role, pid: int) -> ProcessSample | None:
    taken = taken_by(pid) if pid else None
    if taken is None:
        return None
    return ProcessSample(
        name=name,
        role=role,
        pid=pid,
        rss_bytes=taken.rss_bytes,
        descriptors=taken.descriptors,
        threads=taken.threads,
        cpu_s_total=taken.cpu_s,
    )
