"""What is left when nothing is asked any more, in the quiet phase after all load."""

from collections.abc import Sequence

from loadtests.record import Sample

from .line import Line, broken, held, unproven
from .thresholds import Rest
from .view import View, of_role


def rest(view: View, wanted: Rest) -> list[Line]:
    """Judge what must be gone, and descriptors and tasks against those at rest before."""
    after = view.rest_after_load()
    quiet_s = sum(phase.end_s - phase.begin_s for phase in view.phases("quiet")[-1:])
    told = [sample.gateway for sample in after if sample.gateway is not None]
    if not told or quiet_s < wanted.quiet_s_min:
        return [unproven("at rest", f"no quiet phase of {wanted.quiet_s_min:g} s or more after the load was seen")]
    left = {name: min(float(getattr(each, name)) for each in told) for name in wanted.left_max}
    over = [f"{count:,.0f} {name}" for name, count in left.items() if count > wanted.left_max[name]]
    if over:
        lines = [broken("at rest", f"still there after {quiet_s:g} s of quiet: {', '.join(over)}", len(over), 0)]
    else:
        lines = [held("at rest", f"none of {', '.join(wanted.left_max)} is left", 0, 0)]
    before = view.rest_before_load()
    return [
        *lines,
        _compared("descriptors at rest", _descriptors(before), _descriptors(after), wanted.descriptors_more_max),
        *_tasks(before, after, wanted),
    ]


def _tasks(before: Sequence[Sample], after: Sequence[Sample], wanted: Rest) -> list[Line]:
    first, last = ([sample.gateway.tasks for sample in part if sample.gateway is not None] for part in (before, after))
    if all(tasks is None for tasks in [*first, *last]):
        return []  # growth tells that they are not known
    known_before, known_after = ([float(tasks) for tasks in part if tasks is not None] for part in (first, last))
    return [_compared("tasks at rest", known_before, known_after, wanted.tasks_more_max)]


def _descriptors(samples: Sequence[Sample]) -> list[float]:
    """Return those of the gateway's processes, without the connections of clients, who may keep theirs open."""
    found = []
    for sample in samples:
        known = [process.descriptors for process in of_role(sample, "supervisor", "worker")]
        if sample.gateway is not None and known and None not in known:
            found.append(float(sum(count for count in known if count is not None) - sample.gateway.clients))
    return found


def _compared(name: str, before: Sequence[float], after: Sequence[float], more: float) -> Line:
    if not before or not after:
        return unproven(name, "they were not seen both before the load and after it")
    first, last = max(before), min(after)
    said = f"{last:,.0f}, before the load {first:,.0f} (at most {more:g} more)"
    make = broken if last - first > more else held
    return make(name, said, last - first, more)
