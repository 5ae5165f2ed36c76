"""Settings of the processes that serve: how many, and what the supervisor does with one that is gone."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from penstock.settings import Address, Problem, Setting
from penstock.settings.types import BadValueError, Count, Duration, Text, TextKind

from .listeners import conflict

if TYPE_CHECKING:
    from .gateway import GatewayConfig
    from .rules import RuleTable

AUTO: Final = -1
"""As many as there are cores."""
WORKERS_MAX: Final = 256
_CGROUP_CPU: Final = Path("/sys/fs/cgroup/cpu.max")
_MS = Duration("ms")


class WorkerCount(TextKind[int]):
    """A number of processes; `auto` for one on each core."""

    label = "number of workers"
    example = "4"

    def parse_text(self, text: str) -> int:
        """Read ``auto``, ``0`` or ``4``."""
        if text == "auto":
            return AUTO
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= WORKERS_MAX):
            fix = f"write auto, 0 for a single process, or how many, up to {WORKERS_MAX}"
            raise BadValueError(f"{text[:32]!r} is no number of workers", fix)
        return int(text)

    def render(self, value: int) -> str:
        """Return the text."""
        return "auto" if value == AUTO else str(value)


class SupervisorConfig(msgspec.Struct, frozen=True):
    """Starting workers, and replacing them."""

    start_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "how long a new worker may take until it can serve; then it is ended, and another one is started",
            "a start takes a second, and ten thousand rules some more",
            at_least="1s",
            at_most="10m",
        ),
    ]
    services_timeout_ms: Annotated[
        int,
        Setting(
            _MS,
            "5s",
            "how long a new worker waits for the services that the others have, before it takes clients",
            "services are told at once and dial at once; one that is stuck must not keep the worker from serving",
            at_most="10m",
        ),
    ]
    hung_after_ms: Annotated[
        int,
        Setting(
            _MS,
            "30s",
            "how long a worker may not answer the supervisor until it is ended and replaced; 0s: for ever",
            "it answers within milliseconds, even under full load",
            at_most="1h",
        ),
    ]
    crashes: Annotated[
        int,
        Setting(
            Count(),
            "10",
            "how many workers may die within a minute; with one more the supervisor gives up, and ends",
            "what dies that often will not live; who watches the supervisor should know",
            at_least="1",
            at_most="10000",
        ),
    ]
    python: Annotated[
        str,
        Setting(
            Text(r"/[^\0]{1,4000}", "an absolute path", "/opt/penstock/bin/python"),
            "",
            "the Python that an upgrade starts, the one of another installation, say",
            "the new version is installed in the place of the old one",
        ),
    ]


def cores(cpu_max: Path = _CGROUP_CPU) -> int:
    """Return how many cores this process may use: by its affinity, and by the quota of its control group, rounded up.

    cpu_max: the file with the quota (Linux, control groups version 2), ``max 100000`` or ``150000 100000``.
    """
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no control group, or one without a bound
        return count


def worker_count(workers: int) -> int:
    """Return how many workers there are to be. workers: the setting; 0: none, the process itself serves."""
    return min(cores(), WORKERS_MAX) if workers == AUTO else workers


def keeps_keys(rules: "Iterable[RuleTable]") -> bool:
    """Return whether answers to Idempotency-Keys are kept, of which each worker knows its own alone."""
    return any(rule.idempotency is not None and rule.idempotency.ttl_ms for rule in rules)


def workers_of(config: "GatewayConfig") -> int:
    """Return how many workers a gateway with these settings has: one, where they are to know the same keys."""
    count = worker_count(config.workers)
    return min(count, 1) if config.workers == AUTO and keeps_keys(config.rules) else count


def _check_keys(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    if values["workers"] > 1 and keeps_keys(values["rules"]):
        why = (
            "a rule keeps answers to Idempotency-Keys, and each worker knows its own alone: "
            "a request that is sent again may come to another one, and be carried out twice"
        )
        yield conflict("workers", "rules", origins, why, "set workers to auto, 1 or 0, or leave idempotency out")


def check_workers(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the workers: what they cannot share, and their own addresses for services."""
    yield from _check_keys(values, origins)
    own: Address | None = values["services.worker_listen"]
    if own is None:
        return
    count = worker_count(values["workers"])
    if not own.is_loopback and not values["services.token"]:
        why = f"{own} can be reached from other machines, any of which could register as a service"
        fix = f"set services.token (PENSTOCK_SERVICES_TOKEN_FILE), or listen on 127.0.0.1:{own.port}"
        yield conflict("services.worker_listen", "services.token", origins, why, fix)
    if own.port and own.port + count - 1 > 65_535:
        why = f"{count} workers would need the ports {own.port} to {own.port + count - 1}, and 65535 is the last"
        yield conflict("services.worker_listen", "workers", origins, why, "set a lower port")
    for name in ("edge.listen", "edge.tls_listen", "services.listen", "admin.listen"):
        other: Address | None = values[name]
        if own.port and other is not None and own.port <= other.port < own.port + count:
            why = f"the workers would listen on the ports {own.port} to {own.port + count - 1}, with {other}"
            yield conflict("services.worker_listen", name, origins, why, "set a port further away")
