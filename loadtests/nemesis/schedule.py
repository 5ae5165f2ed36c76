"""A schedule: what a file says, everything that can be wrong with it, and when its events are. No I/O but reading it.

    name: soak
    quiet_begin: 10%        # nothing happens in the first, and in the last part of each phase of load
    quiet_end: 25%
    events:
      - { do: kill, target: worker, at: 30%, settles: 4s, allows: [service_lost] }
      - { do: stop, target: service, at: 2m, every: 5m, for: 800ms }

`at` is from the beginning of the first phase of load, warm-up left out: a duration, or a part of the time of load, all
its phases together. In quiet phases nothing happens. With `every` it happens again and again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from loadtests.record import Phase
from loadtests.tools import duration_s
from loadtests.yaml_file import read_yaml

Deed = Literal["kill", "stop", "slow", "restart", "reload", "rotate", "cut"]

TARGETS: Final[dict[str, frozenset[str]]] = {
    "kill": frozenset({"worker", "service"}),
    "stop": frozenset({"worker", "service"}),
    "slow": frozenset({"worker", "service"}),
    "restart": frozenset({"worker", "workers", "service"}),
    "reload": frozenset({"gateway"}),
    "rotate": frozenset({"gateway"}),
    "cut": frozenset({"worker", "service"}),
}
LASTING: Final = frozenset({"stop", "slow"})
ROOM_S: Final = 1.0
"""So much time of load must be left behind an event, its duration and its settling."""


class ScheduleError(Exception):
    """A schedule cannot be used. Its text is one line: what, where, the fix."""


class _Words(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """One event as the file has it."""

    do: Deed
    target: str
    at: str
    every: str = ""
    lasts: str = ""
    settles: str = "2s"
    allows: list[str] = []


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    about: str = ""
    quiet_begin: str = "0%"
    quiet_end: str = "0%"
    events: list[_Words] = []


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One event at its time."""

    at_s: float
    """From the start of the run."""
    do: Deed
    target: str
    """worker, workers, service, gateway; a name such as worker-0 or steady-1 where no other may be drawn."""
    lasts_s: float
    settles_s: float
    allows: list[str]


class Schedule(msgspec.Struct, frozen=True):
    """What a file says, checked."""

    name: str
    source: str
    document: _Document

    def events(self, phases: Sequence[Phase]) -> list[Planned]:
        """Return the events of a run with these phases, in their order, without those that have no room."""
        loads = [phase for phase in phases if phase.kind == "load"]
        whole_s = sum(phase.end_s - phase.begin_s for phase in loads)
        planned = []
        for words in self.document.events:
            lasts_s = duration_s(words.lasts) if words.lasts else 0.0
            settles_s = duration_s(words.settles)
            at, every = _moment(words.at, whole_s), _moment(words.every, whole_s) if words.every else 0.0
            while at < whole_s:
                moment = self._in_run(loads, at, lasts_s + settles_s)
                if moment is not None:
                    planned.append(
                        Planned(
                            at_s=round(moment, 3),
                            do=words.do,
                            target=words.target,
                            lasts_s=lasts_s,
                            settles_s=settles_s,
                            allows=words.allows,
                        )
                    )
                if not every:
                    break
                at += every
        return sorted(planned, key=lambda one: one.at_s)

    def _in_run(self, loads: Sequence[Phase], at: float, needs_s: float) -> float | None:
        """Return the moment of the run that is so far into the time of load; None where the event has no room there."""
        for phase in loads:
            length = phase.end_s - phase.begin_s
            if at >= length:
                at -= length
                continue
            begin, end = _moment(self.document.quiet_begin, length), length - _moment(self.document.quiet_end, length)
            fits = begin <= at and at + needs_s + ROOM_S <= end
            return phase.begin_s + at if fits else None
        return None


def possible(events: Sequence[Planned], workers: int) -> tuple[list[Planned], str]:
    """Return the events that can be done to a gateway with so many worker processes, and in words the others."""
    if workers:
        return list(events), ""
    lost = dict.fromkeys(f"{one.do} {one.target}" for one in events if _is_at_workers(one))
    return [one for one in events if not _is_at_workers(one)], ", ".join(lost)


def _is_at_workers(planned: Planned) -> bool:
    return planned.target.partition("-")[0] in ("worker", "workers")


NOTHING: Final = Schedule("none", "none", _Document("none"))


def read_schedule(path: Path) -> Schedule:
    """Return the schedule in a file. Raises `ScheduleError`."""
    return schedule_of(read_yaml(path, ScheduleError), str(path))


def schedule_of(document: Any, source: str) -> Schedule:
    """Return the schedule that a document says. Raises `ScheduleError`."""
    try:
        words = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise ScheduleError(f"{source}: {error}; loadtests/README.md tells what an event says") from error
    for name in ("quiet_begin", "quiet_end"):
        _check_moment(getattr(words, name), f"{source}: {name}")
    for number, event in enumerate(words.events, 1):
        _check(event, f"{source}: event {number} ({event.do})")
    return Schedule(words.name, source, words)


def _check(event: _Words, where: str) -> None:
    kind = event.target.rpartition("-")[0] if event.target.rpartition("-")[2].isdecimal() else event.target
    known = TARGETS[event.do]
    is_named = kind != event.target and ("worker" if kind == "worker" else "service") in known
    if event.target not in known and not is_named:
        raise ScheduleError(f"{where}: target {event.target!r} cannot be {_PAST[event.do]}; write {_either(known)}")
    if (event.do in LASTING) != bool(event.lasts):
        raise ScheduleError(
            f"{where}: it has no end; write `for`, like 500ms"
            if not event.lasts
            else f"{where}: `for` says nothing here; take it away"
        )
    _check_moment(event.at, f"{where}: at")
    if event.every:
        _check_moment(event.every, f"{where}: every")
        if _moment(event.every, 1000.0) <= 0:
            raise ScheduleError(f"{where}: every {event.every} never passes; write a time above 0")
    for name, text in (("for", event.lasts), ("settles", event.settles)):
        if text:
            _checked(text, f"{where}: {name}")


_PAST: Final = {
    "kill": "killed",
    "stop": "stopped",
    "slow": "slowed",
    "restart": "restarted",
    "reload": "reloaded",
    "rotate": "given new certificates",
    "cut": "cut off",
}


def _either(words: frozenset[str]) -> str:
    *first, last = sorted(words)
    named = " or a name like steady-1" if "service" in words else ""
    return f"{', '.join(first)} or {last}{named}" if first else last + named


def _moment(text: str, whole_s: float) -> float:
    """Return a duration, or a part of the whole, in seconds. Raises ValueError."""
    if text.endswith("%"):
        part = float(text[:-1])
        if not 0 <= part <= 100:
            raise ValueError(f"{text} is no part of the whole; write 0% to 100%")
        return whole_s * part / 100
    return duration_s(text)


def _check_moment(text: str, where: str) -> None:
    try:
        _moment(text, 1.0)
    except ValueError as error:
        raise ScheduleError(f"{where}: {error}, or a part like 30%") from None


def _checked(text: str, where: str) -> None:
    try:
        duration_s(text)
    except ValueError as error:
        raise ScheduleError(f"{where}: {error}") from None
