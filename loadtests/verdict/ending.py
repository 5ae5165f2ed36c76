"""Whether the run went as planned, was long enough, and whether its generator and its machine can be trusted."""

import statistics
from itertools import pairwise
from typing import Final

from loadtests.record import ProcessSample, Sample, merged_times

from .line import Line, broken, held, unproven
from .thresholds import Proof
from .view import View, sent

DOUBTS: Final = frozenset(("generator", "machine"))
"""Lines whose doubt falls on whatever is measured in time."""
PARTS: Final = 5
"""Of a run, in each of which other programs have to be quiet: as many as drift has."""
PART_SAMPLES_MIN: Final = 30
"""Of a part; a run of less than two of them is judged as a whole."""


def ended(view: View) -> list[Line]:
    """Tell how the run has ended."""
    record = view.record
    if record.ended == "complete":
        return [held("run", f"complete, {record.duration_s:,.0f} s")]
    why = record.why or "nobody said why"
    if record.ended == "target_lost":
        return [broken("run", f"the gateway was lost after {record.duration_s:,.0f} s: {why}")]
    words = {
        "interrupted": f"interrupted after {record.duration_s:,.0f} of {record.facts.planned_s:,.0f} s",
        "not_started": "not started",
        "failed": f"the load test itself has failed after {record.duration_s:,.0f} s",
    }
    return [unproven("run", f"{words[record.ended]}: {why}")]


def proof(view: View, wanted: Proof) -> list[Line]:
    """Tell whether there is enough to judge, and whether it can be trusted."""
    return [*_enough(view, wanted), *_nemesis(view), _generator(view, wanted), _machine(view, wanted)]


def _enough(view: View, wanted: Proof) -> list[Line]:
    requests = sent(view.loaded)
    missing = []
    if view.load_s < wanted.load_s_min:
        missing.append(f"{view.load_s:,.0f} s of load, and {wanted.load_s_min:,.0f} are needed")
    if requests < wanted.requests_min:
        missing.append(f"{requests:,} requests, and {wanted.requests_min:,} are needed")
    if len(view.samples) < wanted.samples_min:
        missing.append(f"{len(view.samples)} samples, and {wanted.samples_min} are needed")
    loaded_s = sum(each.length_s for each in view.loaded)
    calm_s = sum(each.length_s for each in view.calm)
    if loaded_s and calm_s < (1 - wanted.disturbed_part_max) * loaded_s:
        missing.append(f"the nemesis left alone {calm_s:,.0f} s of {loaded_s:,.0f} s; give it longer pauses")
    seen = sum(each.gateway is not None for each in view.samples)
    if view.samples and seen < 0.9 * len(view.samples):
        missing.append(f"the admin listener answered {seen} of {len(view.samples)} times")
    if missing:
        return [unproven("enough to judge", "; ".join(missing))]
    return [
        held(
            "enough to judge",
            f"{requests:,} requests in {view.load_s:,.0f} s of load, {len(view.samples):,} samples",
            requests,
            wanted.requests_min,
        )
    ]


def _nemesis(view: View) -> list[Line]:
    events = view.record.events
    failed = [event for event in events if not event.is_done]
    if failed:
        first = failed[0]
        said = (
            f"{len(failed)} of {len(events)} events were not done; first {first.kind} {first.target}: {first.outcome}"
        )
        return [unproven("nemesis", said)]
    return [held("nemesis", f"all {len(events)} events were done")] if events else []


def _generator(view: View, wanted: Proof) -> Line:
    cores = _cores_of_generator(view.samples)
    if cores is None:
        return unproven("generator", "its processor time is not known")
    said = f"busiest process {cores:.2f} of {wanted.generator_cores_max:g} cores"
    late = merged_times(each.late for each in view.calm if each.late is not None)
    late_us = late.percentile_us(99)
    if late.count:
        said += f", p99 {late_us / 1000:.2f} ms late"
    is_late = late_us > wanted.late_us_max and late_us > wanted.late_part_max * view.latency.percentile_us(99)
    if cores > wanted.generator_cores_max or is_late:
        return unproven(
            "generator",
            f"{said}: it may have been what was slow; ask for less, or give it more processes",
            cores,
            wanted.generator_cores_max,
            "cores",
        )
    return held("generator", said, cores, wanted.generator_cores_max, "cores")


def _cores_of_generator(samples: list[Sample]) -> float | None:
    """Return the cores that the busiest process of the generator took, the 90th of 100 tenths of the load."""
    by_process: dict[int, list[tuple[float, ProcessSample]]] = {}
    for sample in samples:
        for process in sample.processes:
            if process.role == "generator":
                by_process.setdefault(process.pid, []).append((sample.at_s, process))
    busiest = [cores for seen in by_process.values() if (cores := _busy_part(seen)) is not None]
    return max(busiest, default=None)


def _busy_part(seen: list[tuple[float, ProcessSample]]) -> float | None:
    step = max(1, len(seen) // 10)
    marks = seen[::step]
    rates = [
        (later.cpu_s_total - earlier.cpu_s_total) / (at - before)
        for (before, earlier), (at, later) in pairwise(marks)
        if at > before
    ]
    return sorted(rates)[int(0.9 * (len(rates) - 1))] if rates else None


def _machine(view: View, wanted: Proof) -> Line:
    samples = view.samples
    if len(samples) < 2 or samples[-1].at_s <= samples[0].at_s:
        return unproven("machine", "too few samples of it")
    first, last = samples[0].machine, samples[-1].machine
    total_s = last.total_s_total - first.total_s_total
    if total_s <= 0:
        return unproven("machine", "/proc/stat did not move")
    busy_s = last.busy_s_total - first.busy_s_total
    steal = (last.steal_s_total - first.steal_s_total) / total_s
    others = _others_cores(samples)
    spins = sorted(each.machine.spin_us for each in samples)
    spin = spins[int(0.9 * (len(spins) - 1))] / max(1.0, statistics.median(spins))
    doubts = []
    if others > wanted.others_cores_max:
        doubts.append(f"other programs took {others:.2f} cores for a while (at most {wanted.others_cores_max:g})")
    if steal > wanted.steal_part_max:
        doubts.append(f"the hypervisor took {steal:.1%} of its time (at most {wanted.steal_part_max:.1%})")
    if busy_s / total_s > wanted.machine_busy_max:
        doubts.append(
            f"its cores were busy for {busy_s / total_s:.0%} of the time (at most {wanted.machine_busy_max:.0%})"
        )
    if spin > wanted.spin_over_median_max:
        doubts.append(f"the same work took {spin:.2f} times its median (at most {wanted.spin_over_median_max:g})")
    if doubts:
        return unproven("machine", "; ".join(doubts), others, wanted.others_cores_max, "cores")
    said = f"others {others:.2f} cores, stolen {steal:.1%}, busy {busy_s / total_s:.0%}, spin {spin:.2f} of its median"
    return held("machine", said, others, wanted.others_cores_max, "cores")


def _others_cores(samples: list[Sample]) -> float:
    """Return the cores that other programs took in that fifth of the run in which they took most.

    Who came in its last fifth would be small in the mean, and look like a drift of the gateway.
    """
    size = max(PART_SAMPLES_MIN, -(-len(samples) // PARTS))
    parts = [samples[begin : begin + size + 1] for begin in range(0, len(samples) - 1, size)]
    if len(parts) > 1 and len(parts[-1]) <= size // 2:  # too short to be judged alone
        parts[-2:] = [parts[-2] + parts[-1][1:]]
    return max(_others_in(part) for part in parts)


def _others_in(samples: list[Sample]) -> float:
    seconds = samples[-1].at_s - samples[0].at_s
    busy_s = samples[-1].machine.busy_s_total - samples[0].machine.busy_s_total
    return max(0.0, (busy_s - _own_cpu_s(samples)) / seconds) if seconds > 0 else 0.0


def _own_cpu_s(samples: list[Sample]) -> float:
    """Return the processor time of the run's own processes between the first and the last sample."""
    spent, known = 0.0, {process.pid: process.cpu_s_total for process in samples[0].processes}
    for sample in samples[1:]:
        for process in sample.processes:
            spent += max(0.0, process.cpu_s_total - known.get(process.pid, 0.0))
            known[process.pid] = process.cpu_s_total
    return spent
