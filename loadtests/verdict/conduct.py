"""How processes behaved: lines of the log at ERROR, ids of workers, and processes that came anew."""

import re
from collections.abc import Iterator

from loadtests.record import LogLine

from .line import Line, broken, held, unproven
from .thresholds import Log
from .view import View, of_role


def conduct(view: View, wanted: Log) -> list[Line]:
    """Judge the log, the workers, and the services."""
    return [_log(view, wanted), *_workers(view), *_services(view)]


def _log(view: View, wanted: Log) -> Line:
    bad = [line for line in view.record.log if line.level.upper() in ("ERROR", "CRITICAL", "FATAL")]
    odd = [line for line in bad if not _is_expected(line, view, wanted)]
    if odd:
        said = (
            f"{len(odd):,} unexpected at ERROR, the first at {odd[0].at_s:.0f} s of {odd[0].process}: {odd[0].message}"
        )
        return broken("log", said, len(odd), 0, "lines")
    if view.record.log_lines_left_out:
        return unproven("log", f"{view.record.log_lines_left_out:,} lines found no room in the record")
    dropped = max((told.dropped_lines_total for _, told in view.told), default=0)
    if dropped:
        return unproven("log", f"the gateway could not write {dropped:,} lines")
    return held("log", f"no unexpected line at ERROR, {len(bad):,} expected", 0, 0, "lines")


def _is_expected(line: LogLine, view: View, wanted: Log) -> bool:
    is_disturbed = view.is_disturbed(line.at_s, line.at_s)
    return any(
        re.search(each.matches, line.message) and (is_disturbed or not each.only_disturbed) for each in wanted.expected
    )


def _workers(view: View) -> list[Line]:
    if not view.record.facts.workers:
        return []
    rows = [(at, told.workers) for at, told in view.told if told.workers]
    if len(rows) < 2:
        return [unproven("workers", "the gateway did not tell its workers")]
    newest: dict[str, int] = {}
    came: dict[str, int] = {}
    for number, (_, workers) in enumerate(rows):
        for worker in workers:
            slot, _, generation = worker.id.partition(".")
            if number and int(generation or 0) > newest.get(slot, -1):
                came[slot] = came.get(slot, 0) + int(generation or 0) - newest.get(slot, -1)
            newest[slot] = max(newest.get(slot, -1), int(generation or 0))
    allowed: dict[str, int] = {}
    for event in view.record.events:
        for replaced in event.replaces_workers:  # also of one that was not done: it may have ended in the midst of it
            allowed[str(replaced)] = allowed.get(str(replaced), 0) + 1
    odd = [
        f"slot {slot} was replaced {count} times, {allowed.get(slot, 0)} of them by the nemesis"
        for slot, count in sorted(came.items())
        if count > allowed.get(slot, 0)
    ]
    serving = sum(worker.state == "serving" for worker in rows[-1][1])
    if serving < view.record.facts.workers:
        odd.append(f"{serving} of {view.record.facts.workers} serve at the end")
    if odd:
        return [broken("workers", "; ".join(odd), len(odd), 0)]
    ids = ", ".join(worker.id for worker in rows[-1][1])
    said = (
        f"{ids} at the end; {sum(came.values())} replaced, all by the nemesis" if came else f"{ids} from begin to end"
    )
    return [held("workers", said, 0, 0)]


def _services(view: View) -> list[Line]:
    anew = [name for name, count in _came_anew(view) if count > _restarts(view, name)]
    seen = {process.name for sample in view.record.samples for process in of_role(sample, "service")}
    if not seen:
        return []
    if anew:
        return [broken("services", f"{', '.join(anew)} came anew without the nemesis", len(anew), 0)]
    return [held("services", f"{len(seen)} processes, none came anew but by the nemesis", 0, 0)]


def _came_anew(view: View) -> Iterator[tuple[str, int]]:
    pids: dict[str, set[int]] = {}
    for sample in view.record.samples:
        for process in of_role(sample, "service"):
            pids.setdefault(process.name, set()).add(process.pid)
    return ((name, len(seen) - 1) for name, seen in sorted(pids.items()))


def _restarts(view: View, name: str) -> int:
    return sum(event.target in (name, "services") for event in view.disturbing(["kill", "restart"]))
