"""All checks, in the order in which they are told."""

from collections.abc import Iterator

from penstock.settings import Loaded, Problem
from proxy.config import GatewayConfig
from proxy.config.workers import cores, workers_of
from proxy.edge.listen import BACKLOG

from . import machine_facts
from .certificates import judge_certificates
from .finding import Finding, State, ok
from .installed import judge_extension, judge_extras, judge_versions
from .machine import (
    OWN_DESCRIPTORS,
    judge_backlog,
    judge_clock,
    judge_clock_source,
    judge_cores,
    judge_descriptors,
    judge_memory,
)
from .ports import judge_port, listeners
from .running import ask_running, judge_running
from .secrets import judge_secrets


def check_all(loaded: Loaded[GatewayConfig], problems: list[Problem]) -> Iterator[Finding]:
    """Yield what each check comes to. problems: what is wrong with files that the settings name."""
    config = loaded.settings
    yield from without_settings()
    yield from judge_settings(loaded.warnings, problems)
    yield from judge_extras(config)
    workers = workers_of(config)
    yield judge_cores(cores(), machine_facts.cores_present(), workers)
    yield judge_descriptors(*machine_facts.descriptors(), descriptors_needed(config))
    yield judge_memory(machine_facts.memory_bytes(), workers, config.edge.bytes_in_flight)
    yield from judge_certificates(config)
    yield from judge_secrets(loaded)
    running = ask_running(config.admin.listen, config.admin.token)
    for name, address in listeners(config):
        yield judge_port(name, address, is_running=running is not None)
    yield judge_running(running)


def without_settings() -> Iterator[Finding]:
    """Yield what can be told whatever the settings are."""
    yield judge_versions()
    yield judge_extension()
    yield judge_clock(machine_facts.clock_is_synchronised())
    yield judge_clock_source(machine_facts.clock_source())
    yield judge_backlog(machine_facts.somaxconn(), BACKLOG)


def judge_settings(warnings: tuple[Problem, ...], problems: list[Problem]) -> Iterator[Finding]:
    """Yield what is wrong with settings that could be read, or could not."""
    yield from (_finding(problem, "error") for problem in problems)
    yield from (_finding(problem, "warning") for problem in warnings)
    if not problems and not warnings:
        yield ok("settings", "they are right")


def _finding(problem: Problem, state: State) -> Finding:
    name, _, value = problem.what.partition(" = ")
    what = f"{value}: {problem.why}" if value else problem.why
    return Finding(name, state, f"{what} ({problem.where})", problem.fix)


def descriptors_needed(config: GatewayConfig) -> int:
    """Return how many descriptors one process may need: for clients, services, and itself."""
    return config.edge.max_connections + config.services.max_connections + config.pool.connections + OWN_DESCRIPTORS
