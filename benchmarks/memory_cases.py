"""The cases about memory: ten thousand idle connections, and two hundred large bodies that move slowly."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TypeAlias

from benchmarks import contenders
from benchmarks.accounting import Memory, memory
from benchmarks.held import idle_connections
from benchmarks.rounds import Contender, Open, Outcome, Plan, Sample, say
from benchmarks.slow_bodies import Move, slow_downloads, stalled_uploads
from benchmarks.tools import NotMeasured

IDLE_CONNECTIONS = 10_000
SLOW_BODIES = 200
REPEATS_MAX = 2  # memory hardly varies, and each repetition needs fresh processes
SETTLE_S = 1.5
SLOW_S, MOVE_EVERY_S = 15.0, 0.25
"""Whatever is asked for: the kernel's buffers fill first, megabytes for each connection, then those of the proxy."""

GROWTH_ALLOWED_MIB, DRIFT_ALLOWED_MIB = 64.0, 4.0
ALLOWED = "allowed"
"""Stands for a rival where the bound is a number: its samples are what is allowed."""

Take: TypeAlias = Callable[[Contender], Sample]
Hold: TypeAlias = Callable[[int, int], AbstractContextManager[Move]]


def idle(outcome: Outcome, plan: Plan) -> Outcome:
    """Memory of all processes before and with the idle connections."""
    return _in_turns(outcome, plan, {"nginx": contenders.nginx, "penstock": contenders.penstock}, _idle_sample)


def downloads_to_slow_readers(outcome: Outcome, plan: Plan) -> Outcome:
    """Memory while each reader takes 4 KiB a second of what is ready for it at once."""
    rivals = {"nginx": contenders.nginx_unbuffered(large_buffers=True), "penstock": contenders.penstock_streaming}
    return _with_allowed(_in_turns(outcome, plan, rivals, _slow(slow_downloads)))


def uploads_to_a_slow_service(outcome: Outcome, plan: Plan) -> Outcome:
    """Memory while clients send as fast as they can to a service that grants no credit beyond the first."""
    return _with_allowed(_in_turns(outcome, plan, {"penstock": contenders.penstock_streaming}, _slow(stalled_uploads)))


def _in_turns(outcome: Outcome, plan: Plan, rivals: dict[str, Open], take: Take) -> Outcome:
    """Take a sample of each contender in turn, each time of a fresh server."""
    for number in range(min(plan.repeats, REPEATS_MAX)):
        for name, start in rivals.items():
            if name in outcome.not_measured:
                continue
            try:
                with ExitStack() as stack:
                    sample = take(start(stack, plan))
            except NotMeasured as why:
                outcome.fail(name, str(why))
                continue
            outcome.samples.setdefault(name, []).append(sample)
            text = f"{sample['resident_mib']:.1f} MiB resident, {sample['growth_mib']:.1f} MiB of that since they came"
            say(outcome.case, f"round {number + 1}  {name:<24} {text}")
    return outcome


def _idle_sample(contender: Contender) -> Sample:
    with idle_connections(contender.port, 16):
        pass  # what the first requests bring into memory is not the connections'
    before = memory(contender.pids())
    with idle_connections(contender.port, IDLE_CONNECTIONS):
        time.sleep(SETTLE_S)
        after = memory(contender.pids())
    return _sample(before, after)


def _slow(hold: Hold) -> Take:
    def take(contender: Contender) -> Sample:
        before = memory(contender.pids())
        seen: list[Memory] = []
        with hold(contender.port, SLOW_BODIES) as move:
            end = time.monotonic() + SLOW_S
            while time.monotonic() < end:
                move()
                seen.append(memory(contender.pids()))
                time.sleep(MOVE_EVERY_S)
        third = len(seen) // 3
        drift_kib = _highest(seen[2 * third :]).resident_kib - _highest(seen[third : 2 * third]).resident_kib
        return {**_sample(before, _highest(seen)), "drift_mib": max(0, drift_kib) / 1024}

    return take


def _highest(seen: list[Memory]) -> Memory:
    return max(seen, key=lambda each: each.resident_kib)


def _sample(before: Memory, after: Memory) -> Sample:
    return {
        "resident_mib": after.resident_kib / 1024,
        "before_mib": before.resident_kib / 1024,
        "growth_mib": (after.resident_kib - before.resident_kib) / 1024,
        "proportional_mib": after.proportional_kib / 1024,
    }


def _with_allowed(outcome: Outcome) -> Outcome:
    """Put what is allowed beside every sample of ours."""
    allowed = {"growth_mib": GROWTH_ALLOWED_MIB, "drift_mib": DRIFT_ALLOWED_MIB}
    outcome.samples[ALLOWED] = [allowed for _ in outcome.samples.get("penstock", ())]
    return outcome
